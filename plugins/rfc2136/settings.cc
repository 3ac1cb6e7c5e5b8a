// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc2136/settings.h"

#include <algorithm>
#include <utility>

#include "plugins/printable.h"
#include "plugins/rfc2136/message.h"
#include "plugins/text.h"

namespace vmferry {
namespace {

// "HOST", "HOST:PORT", "[IPV6]:PORT" or an IPv6 address.
Result<Url> ParseServer(const std::string& text) {
  const auto colons = std::count(text.begin(), text.end(), ':');
  const bool bracketed = text.starts_with('[');
  const bool has_port = bracketed ? text.find("]:") != std::string::npos : colons == 1;
  const std::string address = !bracketed && colons > 1 ? "[" + text + "]" : text;
  auto url = ParseUrl("http://" + address + (has_port ? "" : ":53"));
  if (url && url->target == "/") return url;
  return Error{ErrorKind::kInvalid, "", "server " + Printable(text, 100), "is no address of a server",
               "write HOST or HOST:PORT"};
}

std::vector<std::string> Texts(const PluginSetup& setup, const std::string& setting) {
  std::vector<std::string> texts;
  for (const Json& item : setup.settings.value(setting, Json::array()))
    texts.push_back(item.is_string() ? item.get<std::string>() : item.dump());
  return texts;
}

}  // namespace

Result<Rfc2136Settings> ReadRfc2136Settings(const PluginSetup& setup) {
  Rfc2136Settings settings;
  settings.name = setup.name;
  settings.secrets = setup.secrets;
  for (const std::string& text : Texts(setup, "servers")) {
    auto server = ParseServer(text);
    if (!server) return server.error();
    settings.servers.push_back(std::move(*server));
  }
  for (const std::string& text : Texts(setup, "zones")) {
    auto zone = NormalName(text);
    if (!zone) return zone.error();
    settings.zones.push_back(std::move(*zone));
  }
  if (settings.servers.empty() || settings.zones.empty())
    return Error{ErrorKind::kInvalid, "", "", "it names no servers, or no zones", "list them in the site file"};
  auto key = NormalName(setup.settings.value("keyName", std::string()));
  if (!key)
    return Error{ErrorKind::kInvalid, "", "setting keyName", key.error().message, "give the key's name on the servers"};
  settings.key_name = std::move(*key);
  settings.algorithm = setup.settings.value("keyAlgorithm", TsigAlgorithms().front());
  const std::vector<std::string>& known = TsigAlgorithms();
  if (std::find(known.begin(), known.end(), settings.algorithm) == known.end())
    return Error{ErrorKind::kInvalid, "", "setting keyAlgorithm",
                 "\"" + Printable(settings.algorithm, 40) + "\" is not offered", "the algorithms are " + Joined(known)};
  settings.key_secret = setup.settings.value("keySecret", std::string());
  return settings;
}

}  // namespace vmferry
