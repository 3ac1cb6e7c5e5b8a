// SPDX-License-Identifier: Apache-2.0
#include "plugins/text.h"

namespace vmferry {

std::string Joined(const std::vector<std::string>& texts, std::string_view between) {
  std::string joined;
  for (const std::string& text : texts) {
    if (&text != &texts.front()) joined += between;
    joined += text;
  }
  return joined;
}

}  // namespace vmferry
