// SPDX-License-Identifier: Apache-2.0
#include "plugins/labels.h"

namespace vmferry {

std::string LabelsInWords(const std::map<std::string, std::string>& labels) {
  std::string text;
  for (const auto& [name, value] : labels) text += (text.empty() ? "" : ", ") + name + "=\"" + value + "\"";
  return "{" + text + "}";
}

}  // namespace vmferry
