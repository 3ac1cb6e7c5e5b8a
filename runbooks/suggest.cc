// SPDX-License-Identifier: Apache-2.0
#include "runbooks/suggest.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

constexpr std::size_t kMaxListed = 16;

std::string Plain(std::string_view word) {
  std::string plain;
  for (const char c : word)
    if (c != '_' && c != '-' && c != ' ') plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

}  // namespace

std::size_t EditDistance(std::string_view from, std::string_view to, std::size_t limit) {
  const std::size_t difference = from.size() > to.size() ? from.size() - to.size() : to.size() - from.size();
  if (difference > limit) return limit + 1;
  std::vector<std::size_t> before_last(to.size() + 1);
  std::vector<std::size_t> last(to.size() + 1);
  std::vector<std::size_t> row(to.size() + 1);
  for (std::size_t j = 0; j <= to.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        row[j] = std::min(row[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(row);
  }
  return std::min(last[to.size()], limit + 1);
}

std::optional<std::string> Nearest(std::string_view word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 100;  // longer ones are no names
  if (word.size() > kLongest) return std::nullopt;
  const std::string plain = Plain(word);
  const std::string* nearest = nullptr;
  std::size_t smallest = 0;
  for (const std::string& candidate : known) {
    const std::string other = Plain(candidate);
    const std::size_t limit = std::max<std::size_t>(1, std::max(plain.size(), other.size()) / 3);
    const std::size_t distance = EditDistance(plain, other, limit);
    if (distance > limit || distance >= other.size() || (nearest != nullptr && distance >= smallest)) continue;
    nearest = &candidate;
    smallest = distance;
  }
  return nearest == nullptr ? std::nullopt : std::optional<std::string>(*nearest);
}

std::string SuggestHint(std::string_view word, const std::vector<std::string>& known, std::string_view otherwise) {
  if (const auto nearest = Nearest(word, known)) return "did you mean " + Quoted(*nearest) + "?";
  if (known.empty() || known.size() > kMaxListed) return std::string(otherwise);
  return (known.size() == 1 ? "known is " : "known are ") + ListOf(known);
}

std::string PresentHint(std::string_view word, const std::vector<std::string>& present, std::string_view purpose) {
  const auto nearest = Nearest(word, present);
  const std::string question = nearest ? "did you mean " + Quoted(*nearest) + "?" : "";
  if (present.empty()) return "the site has nothing " + std::string(purpose);
  if (nearest && (present.size() == 1 || present.size() > kMaxListed)) return question;
  if (present.size() > kMaxListed) return "the site has others " + std::string(purpose);
  return (nearest ? question + " The" : "the") + " site has " + ListOf(present) + " " + std::string(purpose);
}

std::string ListOf(const std::vector<std::string>& words, std::string_view last_joint) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? last_joint : ", ";
    text += Quoted(words[i]);
  }
  return text;
}

}  // namespace vmferry
