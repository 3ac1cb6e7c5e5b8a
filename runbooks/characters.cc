// SPDX-License-Identifier: Apache-2.0
#include "runbooks/characters.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace vmferry {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct Range {
  char32_t first;
  char32_t last;
};

bool Within(const Range* begin, const Range* end, char32_t code) {
  return std::any_of(begin, end, [code](const Range& range) { return code >= range.first && code <= range.last; });
}

unsigned char ByteAt(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

// How many bytes a sequence has that begins with `byte`; 0: none begins so.
std::size_t SequenceLength(unsigned char byte) {
  if (byte < 0x80) return 1;
  if (byte >= 0xC2 && byte <= 0xDF) return 2;
  if (byte >= 0xE0 && byte <= 0xEF) return 3;
  if (byte >= 0xF0 && byte <= 0xF4) return 4;
  return 0;
}

bool IsControl(char32_t code) {
  return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

// Separators of lines and paragraphs, and what turns the direction of writing.
bool IsTreacherous(char32_t code) {
  static constexpr std::array<Range, 5> kRanges{
      {{0x061C, 0x061C}, {0x200E, 0x200F}, {0x2028, 0x202E}, {0x2066, 0x2069}, {0xFEFF, 0xFEFF}}};
  return Within(kRanges.data(), kRanges.data() + kRanges.size(), code);
}

}  // namespace

Character CharacterAt(std::string_view text, std::size_t at) {
  const unsigned char first = ByteAt(text, at);
  const std::size_t length = SequenceLength(first);
  if (length == 1) return {first, 1, true};
  if (length == 0 || at + length > text.size()) return {first, 1, false};
  char32_t code = first & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const unsigned char next = ByteAt(text, at + i);
    if ((next & 0xC0) != 0x80) return {first, 1, false};
    code = (code << 6) | (next & 0x3FU);
  }
  static constexpr std::array<char32_t, 5> kSmallest{0, 0, 0x80, 0x800, 0x10000};
  const bool valid = code >= kSmallest[length] && code <= 0x10FFFF && (code < 0xD800 || code > 0xDFFF);
  return valid ? Character{code, length, true} : Character{first, 1, false};
}

std::size_t FindInvalidUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Character character = CharacterAt(text, at);
    if (!character.valid) return at;
    at += character.bytes;
  }
  return std::string_view::npos;
}

std::size_t FindControl(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Character character = CharacterAt(text, at);
    const bool line_end = character.code == '\r' && at + 1 < text.size() && text[at + 1] == '\n';
    if (IsControl(character.code) && character.code != '\t' && character.code != '\n' && !line_end) return at;
    at += character.bytes;
  }
  return std::string_view::npos;
}

std::size_t CountCharacters(std::string_view text) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size(); at += CharacterAt(text, at).bytes) ++count;
  return count;
}

int WidthOf(char32_t code) {
  static constexpr std::array<Range, 6> kNone{
      {{0x0300, 0x036F}, {0x1AB0, 0x1AFF}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}, {0xFE20, 0xFE2F}}};
  static constexpr std::array<Range, 9> kTwo{{{0x1100, 0x115F},
                                              {0x2E80, 0xA4CF},
                                              {0xAC00, 0xD7A3},
                                              {0xF900, 0xFAFF},
                                              {0xFE30, 0xFE6F},
                                              {0xFF00, 0xFF60},
                                              {0xFFE0, 0xFFE6},
                                              {0x1F300, 0x1FAFF},
                                              {0x20000, 0x3FFFD}}};
  if (Within(kNone.data(), kNone.data() + kNone.size(), code)) return 0;
  return Within(kTwo.data(), kTwo.data() + kTwo.size(), code) ? 2 : 1;
}

std::string Tamed(std::string_view text) {
  std::string tame;
  tame.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const Character character = CharacterAt(text, at);
    const bool harmless =
        character.valid && (character.code == '\t' || !IsControl(character.code)) && !IsTreacherous(character.code);
    tame += harmless ? text.substr(at, character.bytes) : kReplacement;
    at += character.bytes;
  }
  return tame;
}

}  // namespace vmferry
