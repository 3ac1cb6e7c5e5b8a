// SPDX-License-Identifier: Apache-2.0
//
// "Did you mean": the known word nearest to a written one. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmferry {

// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other (optimal string
// alignment distance), or `limit` + 1 if it takes more than `limit`.
std::size_t EditDistance(std::string_view from, std::string_view to, std::size_t limit);

// The nearest of `known`, when it is near enough to be meant: a third of its letters may differ; upper and lower case,
// `_` and `-` do not count.
std::optional<std::string> Nearest(std::string_view word, const std::vector<std::string>& known);

// "did you mean `smoke_test`?"; else "known are `a`, `b`" when the list is short enough to help; else `otherwise`.
std::string SuggestHint(std::string_view word, const std::vector<std::string>& known, std::string_view otherwise = "");

// For a word that names one of `present`, things of the author's own: "did you mean `web`? The site has `web` and
// `dns`".
std::string PresentHint(std::string_view word, const std::vector<std::string>& present, std::string_view purpose);

// "`a`, `b` and `c`"
std::string ListOf(const std::vector<std::string>& words, std::string_view last_joint = " and ");

}  // namespace vmferry
