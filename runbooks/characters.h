// SPDX-License-Identifier: Apache-2.0
//
// Characters of UTF-8 text: where they begin, how wide a terminal draws them, and which ones must not reach it. Pure
// functions; any thread. Source: RFC 3629 (UTF-8), Unicode Standard Annex 11 (width), 9 (direction controls).
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vmferry {

struct Character {
  char32_t code = 0;
  std::size_t bytes = 1;
  bool valid = false;  // false: these bytes are not UTF-8; `bytes` is 1
};
// REQUIRES: at < text.size()
Character CharacterAt(std::string_view text, std::size_t at);

// Offset of the first byte that is not UTF-8; npos if there is none.
std::size_t FindInvalidUtf8(std::string_view text);

// Offset of the first control character other than tab, line feed and carriage return + line feed; npos if none.
std::size_t FindControl(std::string_view text);

std::size_t CountCharacters(std::string_view text);

// Columns a terminal uses: 0 for combining marks, 2 for East Asian wide characters and most pictographs, else 1.
int WidthOf(char32_t code);

// One line that can do no harm to a terminal: controls, line breaks and direction overrides become U+FFFD; tabs stay.
std::string Tamed(std::string_view text);

}  // namespace vmferry
