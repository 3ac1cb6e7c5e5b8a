// SPDX-License-Identifier: Apache-2.0
#include "runbooks/document.h"

#include <algorithm>

#include "runbooks/characters.h"

namespace vmferry {

using Kind = Value::Kind;

const MapMember* Value::Find(std::string_view key) const {
  const auto member = std::find_if(members.begin(), members.end(), [&](const MapMember& m) { return m.key == key; });
  return member == members.end() ? nullptr : &*member;
}

std::string_view KindName(const Value& value) {
  switch (value.kind) {
    case Kind::kText:
      return "text";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a map";
    default:
      return "nothing";
  }
}

Document::Document(std::string path, std::string text) : path_(std::move(path)), text_(std::move(text)) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text_.starts_with(kByteOrderMark)) text_.erase(0, kByteOrderMark.size());
  lines_.push_back(0);
  for (std::size_t i = 0; i < text_.size(); ++i)
    if (text_[i] == '\n') lines_.push_back(i + 1);
  root_.kind = Kind::kBroken;
}

int Document::LineOf(std::size_t at) const {
  return static_cast<int>(std::upper_bound(lines_.begin(), lines_.end(), at) - lines_.begin());
}

Position Document::PlaceOf(std::size_t at) const {
  const int line = LineOf(at);
  const std::string_view before = Line(line).substr(0, at - LineStart(line));
  return {line, static_cast<int>(CountCharacters(before)) + 1};
}

std::string_view Document::Line(int line) const {
  const std::size_t begin = LineStart(line);
  const std::size_t end = line < line_count() ? LineStart(line + 1) - 1 : text_.size();
  std::string_view text = std::string_view(text_).substr(begin, end - begin);
  if (text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

void Document::Conceal(const Value& value) const {
  const auto next = std::upper_bound(places_.begin(), places_.end(), value.at);
  std::size_t end = next == places_.end() ? text_.size() : *next;
  if (value.Is(Kind::kText) && text_.compare(value.at, value.text.size(), value.text) == 0)
    end = value.at + value.text.size();
  if (value.Is(Kind::kList) || value.Is(Kind::kMap)) end = text_.size();  // where it ends is not known: hide the rest
  concealed_.emplace_back(value.at, end);
}

}  // namespace vmferry
