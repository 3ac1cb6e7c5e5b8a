// SPDX-License-Identifier: Apache-2.0
#include "steps/look_back.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>

#include "plugins/printable.h"
#include "steps/measure.h"

namespace vmferry {
namespace {

constexpr std::int64_t kStale = 300'000;  // ms: the server's standard --query.lookback-delta
constexpr double kMost = 1e15;            // ms of one duration: sums do not overflow

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsWordStart(char c) {
  return std::isalpha(static_cast<unsigned char>(c)) != 0 || c == '_' || c == ':';
}
bool IsWord(char c) {
  return IsWordStart(c) || IsDigit(c);
}

std::optional<double> UnitOf(std::string_view unit) {
  constexpr std::array<std::pair<std::string_view, double>, 7> kUnits{
      {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"w", 6.048e8}, {"y", 3.1536e10}}};
  for (const auto& [name, ms] : kUnits)
    if (name == unit) return ms;
  return std::nullopt;
}

// "1h30m", or a number of seconds ("3600", "1.5"), in milliseconds.
std::optional<std::int64_t> DurationIn(std::string_view text) {
  if (text.empty() || !IsDigit(text.front())) return std::nullopt;
  if (const std::optional<double> seconds = NumberOf(text))
    return std::isfinite(*seconds) ? std::llround(std::min(*seconds * 1000, kMost)) : std::llround(kMost);
  double total = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t unit = std::min(text.find_first_not_of("0123456789", at), text.size());
    const std::size_t next = std::min(text.find_first_of("0123456789", unit), text.size());
    const std::optional<double> number = NumberOf(text.substr(at, unit - at));
    const std::optional<double> ms = UnitOf(text.substr(unit, next - unit));
    if (!number || !ms) return std::nullopt;
    total = std::min(total + *number * *ms, kMost);
    at = next;
  }
  return std::llround(total);
}

// Walks over a query once. What it does not understand it leaves to the server, but never a duration.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_(text) {}

  Result<std::chrono::milliseconds> All() {
    for (SkipBlanks(); at_ < text_.size(); SkipBlanks()) Next();
    if (wrong_) return *wrong_;
    return std::chrono::milliseconds(farthest_ + subqueries_);
  }

 private:
  // Behind blanks, comments and quoted texts.
  void SkipBlanks() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      } else if (c == '"' || c == '\'' || c == '`') {
        for (++at_; at_ < text_.size() && text_[at_] != c; ++at_)
          if (text_[at_] == '\\' && c != '`') ++at_;
      } else if (std::isspace(static_cast<unsigned char>(c)) == 0) {
        return;
      }
    }
  }
  bool Sees(char c) {
    SkipBlanks();
    return at_ < text_.size() && text_[at_] == c;
  }
  std::string_view Word() {
    const std::size_t from = at_;
    while (at_ < text_.size() && (IsWord(text_[at_]) || text_[at_] == '.')) ++at_;
    return text_.substr(from, at_ - from);
  }
  // Over a list in brackets of the kind that it begins with.
  void SkipList(char end) {
    while (!Sees(end) && at_ < text_.size()) ++at_;
    ++at_;
  }

  void Next() {
    const char c = text_[at_];
    if (IsDigit(c)) {
      Word();
    } else if (IsWordStart(c)) {
      TakeWord();
    } else if (c == '{') {
      TakeSelector();
    } else if (c == '[') {  // behind ')': a subquery
      TakeBrackets();
    } else {
      ++at_;
    }
  }

  void TakeWord() {
    const std::string_view word = Word();
    const auto is = [&](auto... words) { return ((word == words) || ...); };
    if (is("offset")) return TakeOffset();
    const bool lists = is("by", "without", "on", "ignoring", "group_left", "group_right");
    if (lists && Sees('(')) return SkipList(')');
    if (lists || is("and", "or", "unless", "bool", "inf", "Inf", "nan", "NaN", "atan2") || Sees('(')) return;
    const std::size_t behind = at_;
    const std::string_view next = Word();
    at_ = behind;
    if (next != "by" && next != "without") TakeSelector();  // else an aggregation: `sum by (le) (...)`
  }

  // Behind a metric's name, if it has one.
  void TakeSelector() {
    if (Sees('{')) SkipList('}');
    if (!Sees('[')) return Reach(kStale);
    TakeBrackets();
    if (subquery_) farthest_ = std::max(farthest_, kStale);
  }

  void TakeBrackets() {
    const std::size_t end = text_.find(']', at_);
    if (end == std::string_view::npos) return Refuse(text_.substr(at_));
    std::string range;
    for (const char c : text_.substr(at_ + 1, end - at_ - 1))
      if (std::isspace(static_cast<unsigned char>(c)) == 0) range += c;
    const std::size_t colon = range.find(':');
    const auto ms = DurationIn(std::string_view(range).substr(0, colon));
    const bool step = colon == std::string::npos || colon + 1 == range.size() || DurationIn(range.substr(colon + 1));
    if (!ms || !step) return Refuse(text_.substr(at_, end + 1 - at_));
    at_ = end + 1;
    if (colon == std::string::npos) return Reach(*ms);
    subqueries_ += *ms;
    subquery_ = true;
  }

  // Of what stands before it.
  void TakeOffset() {
    const bool forward = Sees('-');
    if (forward) ++at_;
    SkipBlanks();
    const std::string_view word = Word();
    const auto ms = DurationIn(word);
    if (!ms) return Refuse("offset " + std::string(word));
    if (forward) return;
    if (subquery_)
      subqueries_ += *ms;
    else
      Reach(last_ + *ms);
  }

  void Reach(std::int64_t ms) {
    farthest_ = std::max(farthest_, ms);
    last_ = ms;
    subquery_ = false;
  }

  void Refuse(std::string_view text) {
    at_ = text_.size();
    wrong_ = Error{ErrorKind::kInvalid, "", "", "\"" + Printable(std::string(text), 60) + "\" holds no duration",
                   "write durations as 5m, 1h30m, or as a number of seconds"};
  }

  const std::string_view text_;
  std::size_t at_ = 0;
  std::int64_t farthest_ = 0, subqueries_ = 0;  // ms
  std::int64_t last_ = 0;                       // ms: how far the latest selector reaches
  bool subquery_ = false;                       // the latest brackets were a subquery's
  std::optional<Error> wrong_;
};

}  // namespace

Result<std::chrono::milliseconds> LookBack(std::string_view promql) {
  return Walk(promql).All();
}

}  // namespace vmferry
