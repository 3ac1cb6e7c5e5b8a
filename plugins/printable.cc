// SPDX-License-Identifier: Apache-2.0
#include "plugins/printable.h"

#include <nlohmann/json.hpp>

namespace vmferry {

std::string Printable(std::string_view text, std::size_t limit) {
  std::string plain(text.substr(0, limit));
  // A sequence cut in the middle by the limit is not the sender's fault: drop it.
  if (text.size() > limit)
    while (!plain.empty() && (static_cast<unsigned char>(text[plain.size()]) & 0xC0) == 0x80) plain.pop_back();
  for (char& c : plain)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7F) c = ' ';
  using nlohmann::json;
  return json::parse(json(plain).dump(-1, ' ', false, json::error_handler_t::replace)).get<std::string>();
}

}  // namespace vmferry
