// SPDX-License-Identifier: Apache-2.0
#include "plugins/ssh/client.h"

#include <algorithm>
#include <cstring>

namespace vmferry::ssh {
namespace {

constexpr int kConnectSeconds = 10;

bool IsPlain(const std::string& text, const char* more) {
  const auto plain = [more](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || std::strchr(more, c) != nullptr;
  };
  return !text.empty() && text.front() != '-' && std::all_of(text.begin(), text.end(), plain);
}

// ssh expands % and ${}, and takes blanks and quotes for its own.
bool IsPath(const std::string& text) {
  const auto bad = [](char c) { return static_cast<unsigned char>(c) <= ' ' || std::strchr("%$\"'\\#", c) != nullptr; };
  return text.starts_with('/') && std::none_of(text.begin(), text.end(), bad);
}

std::string TextOf(const Json& settings, const char* name, const std::string& otherwise = "") {
  const auto value = settings.find(name);
  return value != settings.end() && value->is_string() ? value->get<std::string>() : otherwise;
}

bool Says(std::string_view text, std::initializer_list<std::string_view> phrases) {
  return std::any_of(phrases.begin(), phrases.end(),
                     [&](std::string_view phrase) { return text.find(phrase) != std::string_view::npos; });
}

}  // namespace

Result<Host> ReadHost(const PluginSetup& setup) {
  const auto invalid = [&](const std::string& message, const std::string& advice) {
    return Error{ErrorKind::kInvalid, setup.name + " (ssh)", "", message, advice};
  };
  Host host;
  host.program = TextOf(setup.settings, "program", host.program);
  host.host = TextOf(setup.settings, "host");
  host.user = TextOf(setup.settings, "user");
  host.identity_file = TextOf(setup.settings, "identityFile");
  host.known_hosts_file = TextOf(setup.settings, "knownHostsFile");
  const Json port = setup.settings.value("port", Json(22));
  if (!IsPlain(host.host, ".-_:")) return invalid("`host` must be a host's name or address", "app1.example.com");
  if (!IsPlain(host.user, ".-_")) return invalid("`user` must be the name of a user on the host", "the one who may run it");
  if (!port.is_number_integer() || port.get<int>() < 1 || port.get<int>() > 65535)
    return invalid("`port` must be between 1 and 65535", "22");
  host.port = port.get<int>();
  for (const auto& [name, path] : {std::pair{"identityFile", host.identity_file},
                                   std::pair{"knownHostsFile", host.known_hosts_file}})
    if (!IsPath(path))
      return invalid("`" + std::string(name) + "` must be an absolute path without blanks, quotes, %, $, # and \\",
                     "put the file elsewhere");
  if (!host.program.starts_with('/')) return invalid("`program` must be an absolute path", "/usr/bin/ssh");
  return host;
}

std::string QuotedForShell(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) {
    line += line.empty() ? "'" : " '";
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += "'";
  }
  return line;
}

std::vector<std::string> Argv(const Host& host, const std::vector<std::string>& command, const std::string& log) {
  std::vector<std::string> argv{host.program, "-F", "none", "-T", "-a", "-x", "-i", host.identity_file};
  if (!log.empty()) argv.insert(argv.end(), {"-E", log});
  for (const std::string& option : std::vector<std::string>{
           "BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=" + host.known_hosts_file,
           "GlobalKnownHostsFile=/dev/null", "UpdateHostKeys=no", "IdentitiesOnly=yes", "IdentityAgent=none",
           "PreferredAuthentications=publickey", "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no",
           "PermitLocalCommand=no", "ControlMaster=no", "ControlPath=none", "EscapeChar=none", "ConnectionAttempts=1",
           "ConnectTimeout=" + std::to_string(kConnectSeconds), "ServerAliveInterval=5", "ServerAliveCountMax=3",
           std::string("LogLevel=") + (log.empty() ? "ERROR" : "VERBOSE")})
    argv.insert(argv.end(), {"-o", option});
  argv.insert(argv.end(), {"-p", std::to_string(host.port), "-l", host.user, "--", host.host, QuotedForShell(command)});
  return argv;
}

bool WasAuthenticated(std::string_view log) {
  return Says(log, {"Authenticated to "});
}

bool WasDenied(std::string_view words) {
  return Says(words, {"Permission denied", "Host key verification failed", "host key is known", "HOST IDENTIFICATION",
                      "Too many authentication failures", "no mutual signature"});
}

}  // namespace vmferry::ssh
