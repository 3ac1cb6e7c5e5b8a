// SPDX-License-Identifier: Apache-2.0
#include "runbooks/problems.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "runbooks/characters.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

// Lines longer than this are no text a person wrote; the message and its place must do.
constexpr std::size_t kMaxSourceBytes = 1000;

Diagnostic Cut(const Document& document, std::size_t at, const std::string& message, const std::string& hint) {
  const Position place = document.PlaceOf(at);
  Diagnostic diagnostic{document.path(), place.line, place.column, message, hint, ""};
  if (document.Line(place.line).size() <= kMaxSourceBytes)
    diagnostic.source = Tamed(WithoutSecrets(document, place.line));
  return diagnostic;
}

auto Order(const Diagnostic& diagnostic) {
  return std::tie(diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.message, diagnostic.hint);
}

}  // namespace

bool Problems::Full(const Document& document) const {
  const auto count = counts_.find(&document);
  return count != counts_.end() && count->second > kMaxPerDocument;
}

void Problems::Add(const Document& document, std::size_t at, std::string message, std::string hint) {
  const int count = ++counts_[&document];
  if (count == kMaxPerDocument + 1)
    found_.push_back({&document, 0, "more than " + std::to_string(kMaxPerDocument) + " problems; the rest is not shown",
                      "correct these first"});
  if (count <= kMaxPerDocument) found_.push_back({&document, at, std::move(message), std::move(hint)});
}

std::vector<Diagnostic> Problems::All() const {
  std::vector<Diagnostic> all;
  all.reserve(found_.size());
  for (const Found& found : found_) all.push_back(Cut(*found.document, found.at, found.message, found.hint));
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return Order(a) < Order(b); });
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace vmferry
