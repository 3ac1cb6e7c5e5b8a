// SPDX-License-Identifier: Apache-2.0
//
// How one Diagnostic is shown.
#include <algorithm>
#include <string>
#include <string_view>

#include "runbooks/characters.h"
#include "runbooks/check.h"

namespace vmferry {
namespace {

constexpr int kMaxShown = 120;  // characters of a source line
constexpr int kBefore = 80;     // of these before the caret, when the line is longer

struct Colours {
  std::string_view bold, red, green, off;
};

Colours ColoursFor(bool colour) {
  if (!colour) return {"", "", "", ""};
  return {"\x1b[1m", "\x1b[1;31m", "\x1b[1;32m", "\x1b[0m"};
}

struct Excerpt {
  std::string line;
  std::string padding;    // what brings the caret below its character
  bool has_caret = true;  // false: that character was a secret and is not shown
};

// The part of the source line around the caret. Tabs are copied into the padding, so that they are as wide there.
Excerpt CutAround(std::string_view source, int column) {
  const int first = column > kMaxShown ? column - kBefore : 1;
  Excerpt excerpt{first > 1 ? "..." : "", first > 1 ? "   " : "", false};
  int number = 1;
  for (std::size_t at = 0; at < source.size(); ++number) {
    const Character character = CharacterAt(source, at);
    if (number >= first + kMaxShown) {
      excerpt.line += "...";
      return excerpt;
    }
    if (number >= first) excerpt.line += source.substr(at, character.bytes);
    if (number >= first && number < column)
      excerpt.padding += character.code == '\t' ? "\t" : std::string(WidthOf(character.code), ' ');
    excerpt.has_caret = excerpt.has_caret || number == column;
    at += character.bytes;
  }
  excerpt.has_caret = excerpt.has_caret || number == column;
  return excerpt;
}

}  // namespace

std::string Render(const Diagnostic& diagnostic, bool colour) {
  const Colours colours = ColoursFor(colour);
  const std::string place =
      diagnostic.file + ":" + std::to_string(diagnostic.line) + ":" + std::to_string(diagnostic.column) + ": ";
  std::string text;
  const auto append = [&text](auto... parts) { ((text += parts), ...); };
  append(colours.bold, Tamed(place), colours.red, "error: ", colours.off, colours.bold, Tamed(diagnostic.message),
         colours.off, "\n");
  if (!diagnostic.source.empty()) {
    const std::string number = std::to_string(diagnostic.line);
    const std::string gutter = std::string(std::max<std::size_t>(number.size(), 4), ' ') + " | ";
    const Excerpt excerpt = CutAround(diagnostic.source, diagnostic.column);
    append(gutter.substr(0, gutter.size() - 3 - number.size()), number, " | ", excerpt.line, "\n");
    if (excerpt.has_caret) append(gutter, excerpt.padding, colours.green, "^", colours.off, "\n");
  }
  if (!diagnostic.hint.empty()) append("hint: ", Tamed(diagnostic.hint), "\n");
  return text;
}

Json DiagnosticToJson(const Diagnostic& diagnostic) {
  return Json{{"file", Tamed(diagnostic.file)}, {"line", diagnostic.line}, {"column", diagnostic.column},
              {"message", diagnostic.message},  {"hint", diagnostic.hint}, {"source", diagnostic.source}};
}

}  // namespace vmferry
