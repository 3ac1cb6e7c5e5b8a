// SPDX-License-Identifier: Apache-2.0
#include "steps/smoke_probes.h"

#include "plugins/url.h"
#include "steps/parameters.h"

namespace vmferry {
namespace {

// "HOST:PORT" or "[ADDRESS]:PORT", nothing more.
bool IsHostAndPort(const std::string& text) {
  if (text.find_first_of("/?#@ ") != std::string::npos) return false;
  const std::size_t colon = text.rfind(':');
  const bool bare = text.starts_with('[') ? text.find(']') + 1 == colon : text.find(':') == colon;
  if (colon == std::string::npos || !bare) return false;
  const Result<Url> url = ParseUrl("http://" + text);
  return url && std::stoi(url->port) > 0;
}

// What is wrong with it; empty: nothing.
std::string Wrong(const std::string& probe) {
  if (IsHttpProbe(probe)) return ParseUrl(probe).ok() ? "" : "is no http or https address without a login";
  if (probe.starts_with(kTcpPrefix))
    return IsHostAndPort(probe.substr(kTcpPrefix.size())) ? "" : "is not tcp://HOST:PORT";
  if (probe.starts_with(kCommandPrefix)) return CommandProbe(probe).empty() ? "names no service" : "";
  return "is of no kind that is known";
}

}  // namespace

bool IsHttpProbe(std::string_view probe) {
  return probe.starts_with("http://") || probe.starts_with("https://");
}

std::string CommandProbe(const std::string& probe) {
  return probe.starts_with(kCommandPrefix) ? probe.substr(kCommandPrefix.size()) : "";
}

std::vector<Contradiction> ProbeContradictions(const Json& parameters) {
  std::vector<Contradiction> found;
  std::size_t number = 0;
  for (const Json& probe : Member(parameters, "probes")) {
    ++number;
    const std::string wrong = probe.is_string() ? Wrong(probe.get<std::string>()) : "is no text";
    if (!wrong.empty())
      found.push_back({"`probes`: entry " + std::to_string(number) + " " + wrong,
                       "write http://..., https://..., tcp://HOST:PORT or command:SERVICE; a login would be printed and kept"});
  }
  return found;
}

}  // namespace vmferry
