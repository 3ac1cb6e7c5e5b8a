// SPDX-License-Identifier: Apache-2.0
//
// What follows works around or forbids was tried with yaml-cpp 0.7.0: it takes duplicate keys (first wins), several
// documents, an open quote at the end of the file, a line that goes on as text on the next; it drops control characters
// (U+0004 ends its input), and is caught in an endless row of empty documents by `[],`. Its marks are zero-based and
// count bytes. Source of the language itself: YAML 1.2.2, of which we take the block and flow core.
#include "runbooks/document.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <array>
#include <exception>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "runbooks/characters.h"
#include "runbooks/problems.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::size_t kNone = std::string::npos;
constexpr std::string_view kTabMessage = "a tab in the indentation";
constexpr std::string_view kTabHint = "indent with spaces";
constexpr std::string_view kOpenQuote = "the quote opened here is never closed";
constexpr std::string_view kAliasMessage = "aliases (`*name`) are not part of the language";
constexpr std::string_view kAliasHint = "write the value out";

struct Wording {
  std::string_view theirs;  // how the library's message begins
  std::string_view message;
  std::string_view hint;
};

constexpr std::string_view kIndentHint = "compare its indentation with its neighbours'";
constexpr std::array<Wording, 14> kWordings{{
    {"illegal map value", "a `:` that does not belong here",
     "compare indentations; a text with `: ` in it needs quotes"},
    {"illegal map key", "a key does not belong here", kIndentHint},
    {"illegal block entry", "a list entry (`-`) does not belong here", kIndentHint},
    {"end of map not found", "this does not belong to the map above it", kIndentHint},
    {"end of sequence not found", "this does not belong to the list above it", kIndentHint},
    {"end of map flow not found", "expected `,` or `}`", "is an opening `{` left open?"},
    {"end of sequence flow not found", "expected `,` or `]`", "is an opening `[` left open?"},
    {"illegal flow end", "a closing bracket without its opening one", ""},
    {"unknown token", "a text cannot begin like this", "put it in quotes"},
    {"illegal EOF", "a quote is never closed", ""},
    {"illegal tab", kTabMessage, kTabHint},
    {"unknown escape character", "an unknown escape (`\\`) in quoted text", "in single quotes `\\` means itself"},
    {"illegal document indicator", "`---` or `...` within quoted text", "is the quote before it left open?"},
    {"the referenced anchor", kAliasMessage, kAliasHint},
}};

// Thrown through the library's parser to end it; what is wrong was reported.
struct Stop {};

// True if the line is indented with a tab (a line of nothing but blanks is not indented).
bool HasTabIndentation(std::string_view line) {
  const std::size_t content = line.find_first_not_of(" \t");
  return content != kNone && line.substr(0, content).find('\t') != kNone;
}

// The offset after the quote that closes the one at `at`; kNone if it is never closed.
std::size_t FindQuoteEnd(std::string_view text, std::size_t at) {
  const char quote = text[at];
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    if (quote == '"' && text[i] == '\\')
      ++i;
    else if (quote == '\'' && text[i] == '\'' && i + 1 < text.size() && text[i + 1] == '\'')
      ++i;
    else if (text[i] == quote)
      return i + 1;
  }
  return kNone;
}

// Keeps the tree small: an entry of a list or map that is being read.
struct Frame {
  Value value;
  bool awaits_value = false;  // a map that has read a key
  bool keep = true;           // false: the key was refused, and its value is dropped
  MapMember member;
  std::unordered_set<std::string> keys;
};

}  // namespace

// Builds the tree of one document from the library's events.
class DocumentParser : public YAML::EventHandler {
 public:
  DocumentParser(Document& document, Problems& problems) : document_(document), problems_(problems) {}

  void Parse();

  void OnDocumentStart(const YAML::Mark& mark) override;
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override;
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override;
  void OnMapEnd() override { Close(); }

 private:
  bool IsFit();
  void Run();
  void Report(std::size_t at, std::string_view message, std::string_view hint = "");
  void ReportSyntax(const YAML::ParserException& e);
  void ReportLongTexts();
  void CheckTabs();
  void CheckDirectives(std::size_t until);
  std::size_t OffsetOf(const YAML::Mark& mark) const;
  char CharAt(std::size_t at) const { return at < document_.text_.size() ? document_.text_[at] : '\0'; }
  void Visit(std::size_t at, const std::string& tag);
  std::size_t PlaceOfNothing(std::size_t at) const;
  void CheckText(Value& value);
  void CheckQuote(const Value& value);
  void Open(Kind kind, std::size_t at);
  void Close();
  void Emit(Value value);
  void TakeKey(Frame& frame, Value value);

  Document& document_;
  Problems& problems_;
  std::vector<Frame> open_;
  std::optional<Value> root_;
  std::vector<std::size_t> long_texts_;    // plain texts over several lines: likely a wrong indentation
  std::optional<std::size_t> long_quote_;  // the latest quoted text over several lines
  int long_quote_end_ = 0;                 // the line where that ends
};

void ParseDocument(Document& document, Problems& problems) {
  DocumentParser(document, problems).Parse();
}

void DocumentParser::Report(std::size_t at, std::string_view message, std::string_view hint) {
  problems_.Add(document_, at, std::string(message), std::string(hint));
}

void DocumentParser::Parse() {
  if (!IsFit()) return;
  try {
    Run();
    ReportLongTexts();
    CheckTabs();
    if (root_) document_.root_ = std::move(*root_);
  } catch (const Stop&) {
    return;
  } catch (const YAML::ParserException& e) {
    return ReportSyntax(e);
  } catch (const std::exception& e) {
    return Report(0, std::string("the YAML library failed: ") + e.what());
  }
  if (document_.root_.Is(Kind::kBroken)) return;
  if (document_.root_.Is(Kind::kNothing)) return Report(0, "the document is empty");
  if (!document_.usable())
    Report(document_.root_.at, "a document is a map of `key: value`, not " + std::string(KindName(document_.root_)));
}

// What must not reach the library.
bool DocumentParser::IsFit() {
  const std::string& text = document_.text_;
  if (text.size() > Document::kMaxBytes) {
    Report(0, "the file is larger than 1 MiB, which no document may be");
    return false;
  }
  if (const std::size_t at = FindInvalidUtf8(text); at != kNone) {
    Report(at, "not UTF-8", "save the file as UTF-8");
    return false;
  }
  if (const std::size_t at = FindControl(text); at != kNone) {
    Report(at, "a control character", "take it out; in double quotes it can be written as an escape");
    return false;
  }
  return true;
}

void DocumentParser::Run() {
  std::istringstream in(document_.text_);
  YAML::Parser parser(in);
  const bool any = parser.HandleNextDocument(*this);
  if (!any || !root_) {
    Report(0, "the document is empty");
    throw Stop{};
  }
  // A second document ends in OnDocumentStart; the first one is read nevertheless.
  try {
    parser.HandleNextDocument(*this);
  } catch (const Stop&) {
    if (!root_->Is(Kind::kMap)) throw;
  }
}

// One problem, even where several things would be said of the same place.
void DocumentParser::ReportSyntax(const YAML::ParserException& e) {
  // The end of the file is shown where the text ends.
  const std::size_t last = document_.text_.find_last_not_of(" \t\r\n");
  const std::size_t at = std::min(OffsetOf(e.mark), last == kNone ? 0 : last + 1);
  const int line = document_.LineOf(at);
  for (int near = std::max(1, line - 1); near <= line; ++near)
    if (HasTabIndentation(document_.Line(near)))
      return Report(document_.LineStart(near) + document_.Line(near).find('\t'), kTabMessage, kTabHint);
  const bool colon = e.msg.starts_with(kWordings[0].theirs);
  if (colon && !long_texts_.empty()) return ReportLongTexts();
  std::string quote_hint;
  if (long_quote_ && long_quote_end_ == line)
    quote_hint = "is the quote opened on line " + std::to_string(document_.LineOf(*long_quote_)) + " left open?";
  for (const Wording& wording : kWordings)
    if (e.msg.starts_with(wording.theirs))
      return Report(at, wording.message, quote_hint.empty() ? wording.hint : quote_hint);
  Report(at, "not valid YAML: " + e.msg, quote_hint);
}

void DocumentParser::ReportLongTexts() {
  for (const std::size_t at : long_texts_)
    Report(at, "this text goes on over further lines",
           "is the next line indented as it was meant? If so, put the text in quotes");
}

// Between quotes and in blocks a tab is text; elsewhere it only looks like indentation.
void DocumentParser::CheckTabs() {
  for (int line = 1; line <= document_.line_count(); ++line) {
    if (!HasTabIndentation(document_.Line(line))) continue;
    const std::size_t start = document_.LineStart(line);
    const auto next = std::lower_bound(document_.places_.begin(), document_.places_.end(), start);
    const char before = next == document_.places_.begin() ? '\0' : CharAt(*(next - 1));
    if (before != '|' && before != '>' && before != '"' && before != '\'')
      Report(start + document_.Line(line).find('\t'), kTabMessage, kTabHint);
  }
}

void DocumentParser::CheckDirectives(std::size_t until) {
  for (int line = 1; line <= document_.line_count() && document_.LineStart(line) < until; ++line)
    if (document_.Line(line).starts_with('%'))
      Report(document_.LineStart(line), "directives (`%`) are not part of the language", "take the line out");
}

std::size_t DocumentParser::OffsetOf(const YAML::Mark& mark) const {
  const int line = std::clamp(mark.line + 1, 1, document_.line_count());
  const std::size_t column = static_cast<std::size_t>(std::max(mark.column, 0));
  return document_.LineStart(line) + std::min(column, document_.Line(line).size());
}

void DocumentParser::OnDocumentStart(const YAML::Mark& mark) {
  const std::size_t at = OffsetOf(mark);
  if (!root_) return CheckDirectives(at);
  const bool marked = document_.text_.compare(at, 3, "---") == 0;
  Report(at, marked ? "a second document" : "this does not belong to the document above it",
         marked ? "put it into a file of its own" : kIndentHint);
  throw Stop{};
}

// Every event that begins a value passes here. The mark of a value with an anchor or a tag is where that begins.
void DocumentParser::Visit(std::size_t at, const std::string& tag) {
  if (document_.places_.empty() || document_.places_.back() < at) document_.places_.push_back(at);
  if (CharAt(at) == '&') Report(at, "anchors (`&name`) are not part of the language", kAliasHint);
  const bool tagged = !tag.empty() && tag != "?" && tag != "!";
  if (tagged || CharAt(at) == '!') Report(at, "tags (`!name`) are not part of the language", "take the tag out");
}

// The library places the nothing after `- ` at whatever comes next.
std::size_t DocumentParser::PlaceOfNothing(std::size_t at) const {
  const std::size_t floor = document_.places_.empty() ? 0 : document_.places_.back();
  for (int line = document_.LineOf(at) - 1; line >= 1 && document_.LineStart(line) >= floor; --line) {
    const std::string_view text = document_.Line(line);
    const std::size_t content = text.find_first_not_of(' ');
    if (content != kNone && text[content] == '-') return document_.LineStart(line) + content;
  }
  return at;
}

void DocumentParser::OnNull(const YAML::Mark& mark, YAML::anchor_t) {
  Value value;
  value.at = OffsetOf(mark);
  const bool written = CharAt(value.at) == '~' || CharAt(value.at) == 'n' || CharAt(value.at) == 'N';
  if (written || CharAt(value.at) == '&' || CharAt(value.at) == '!')
    Visit(value.at, "");
  else if (!open_.empty() && open_.back().awaits_value)
    value.at = open_.back().member.at;
  else if (!open_.empty() && open_.back().value.Is(Kind::kList))
    value.at = PlaceOfNothing(value.at);
  Emit(std::move(value));
}

void DocumentParser::OnAlias(const YAML::Mark& mark, YAML::anchor_t) {
  Value value;
  value.kind = Kind::kBroken;
  value.at = OffsetOf(mark);
  if (open_.empty() || !open_.back().awaits_value || open_.back().keep) Report(value.at, kAliasMessage, kAliasHint);
  Emit(std::move(value));
}

void DocumentParser::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t, const std::string& text) {
  Value value;
  value.kind = Kind::kText;
  value.at = OffsetOf(mark);
  value.text = text;
  value.quoted = tag == "!";
  Visit(value.at, tag);
  CheckText(value);
  Emit(std::move(value));
}

void DocumentParser::CheckText(Value& value) {
  const char first = CharAt(value.at);
  if (value.quoted && (first == '"' || first == '\'')) CheckQuote(value);
  const bool whole = document_.text_.compare(value.at, value.text.size(), value.text) == 0;
  const bool goes_on = !value.quoted && !whole && first != '&' && first != '!';
  if (goes_on) long_texts_.push_back(value.at);
  const bool control = FindControl(value.text) != kNone;
  if (control) Report(value.at, "a control character in the text");
  if (goes_on || control) value.kind = Kind::kBroken;
}

void DocumentParser::CheckQuote(const Value& value) {
  const std::size_t end = FindQuoteEnd(document_.text_, value.at);
  if (end == kNone) {
    Report(value.at, kOpenQuote);
    throw Stop{};
  }
  if (document_.LineOf(end - 1) == document_.LineOf(value.at)) return;
  long_quote_ = value.at;
  long_quote_end_ = document_.LineOf(end - 1);
}

void DocumentParser::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                                     YAML::EmitterStyle::value) {
  Visit(OffsetOf(mark), tag);
  Open(Kind::kList, OffsetOf(mark));
}

void DocumentParser::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                                YAML::EmitterStyle::value) {
  Visit(OffsetOf(mark), tag);
  Open(Kind::kMap, OffsetOf(mark));
}

void DocumentParser::Open(Kind kind, std::size_t at) {
  if (open_.size() >= Document::kMaxDepth) {
    Report(at, "nested deeper than " + std::to_string(Document::kMaxDepth) + " levels");
    throw Stop{};
  }
  open_.emplace_back();
  open_.back().value.kind = kind;
  open_.back().value.at = at;
}

void DocumentParser::Close() {
  Value value = std::move(open_.back().value);
  open_.pop_back();
  Emit(std::move(value));
}

// A whole value: the document, an entry of the list, a key of the map or the value of its last key.
void DocumentParser::Emit(Value value) {
  if (open_.empty()) {
    root_ = std::move(value);
    return;
  }
  Frame& frame = open_.back();
  if (frame.value.Is(Kind::kList)) {
    frame.value.items.push_back(std::move(value));
  } else if (!frame.awaits_value) {
    TakeKey(frame, std::move(value));
  } else {
    frame.member.value = std::move(value);
    if (frame.keep) frame.value.members.push_back(std::move(frame.member));
    frame.awaits_value = false;
  }
}

void DocumentParser::TakeKey(Frame& frame, Value value) {
  frame.awaits_value = true;
  frame.keep = false;
  frame.member = MapMember{value.text, value.at, Value{}};
  if (value.Is(Kind::kBroken)) return;
  if (!value.Is(Kind::kText)) return Report(value.at, "a key must be text, not " + std::string(KindName(value)));
  if (value.text == "<<" && !value.quoted)
    return Report(value.at, "merge keys (`<<`) are not part of the language", kAliasHint);
  if (!frame.keys.insert(value.text).second)
    return Report(value.at, Quoted(value.text) + " is given twice", "keep one of them");
  frame.keep = true;
}

}  // namespace vmferry
