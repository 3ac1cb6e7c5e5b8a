// SPDX-License-Identifier: Apache-2.0
#include "plugins/dns.h"

namespace vmferry {

std::string InWords(const RecordSet& records) {
  if (records.values.empty()) return "no records";
  std::string text;
  for (const std::string& value : records.values) text += (text.empty() ? "" : ", ") + value;
  return text + " (TTL " + std::to_string(records.ttl) + " s)";
}

}  // namespace vmferry
