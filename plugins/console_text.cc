// SPDX-License-Identifier: Apache-2.0
#include "plugins/console_text.h"

#include "plugins/printable.h"

namespace vmferry {
namespace {

constexpr char kEscape = 0x1B;

bool IsBetween(char c, unsigned char first, unsigned char last) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= first && byte <= last;
}

// The place behind the escape sequence that begins at `at`: ESC [ ... final, ESC ] ... BEL or ESC \\, or ESC and one more.
std::size_t BehindEscape(std::string_view raw, std::size_t at) {
  ++at;
  if (at >= raw.size()) return at;
  const char kind = raw[at++];
  if (kind == '[') {
    while (at < raw.size() && IsBetween(raw[at], 0x20, 0x3F)) ++at;
    return at < raw.size() && IsBetween(raw[at], 0x40, 0x7E) ? at + 1 : at;
  }
  if (kind != ']') {
    if (!IsBetween(kind, 0x20, 0x7E)) return at - 1;
    return IsBetween(kind, 0x20, 0x2F) && at < raw.size() && IsBetween(raw[at], 0x30, 0x7E) ? at + 1 : at;
  }
  while (at < raw.size() && raw[at] != '\n' && raw[at] != 0x07 && raw[at] != kEscape) ++at;
  if (at + 1 < raw.size() && raw[at] == kEscape && raw[at + 1] == '\\') return at + 2;
  return at < raw.size() && raw[at] == 0x07 ? at + 1 : at;
}

}  // namespace

std::string ConsoleText(std::string_view raw) {
  std::string text, line;
  const auto end_line = [&] {
    while (line.ends_with(' ')) line.pop_back();
    if (!line.empty()) text += Printable(line, kLongestConsoleLine) + "\n";
    line.clear();
  };
  for (std::size_t at = 0; at < raw.size();) {
    const char c = raw[at];
    if (c == kEscape) {
      at = BehindEscape(raw, at);
      continue;
    }
    ++at;
    if (c == '\n' || c == '\r') end_line();
    else if (c == '\t') line += ' ';
    else if (!IsBetween(c, 0, 0x1F) && c != 0x7F) line += c;
  }
  end_line();
  return text;
}

}  // namespace vmferry
