// SPDX-License-Identifier: Apache-2.0
#include "tests/live/libvirt_lab.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <span>
#include <sstream>

#include "plugins/libvirt/libvirt_plugin.h"

namespace vmferry::live {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::cerr << "libvirt live test: " << why << std::endl;
  std::_Exit(1);
}

const std::map<std::string, std::string>& LabEnv() {
  static const std::map<std::string, std::string> env = [] {
    const char* path = std::getenv("VMFERRY_LAB_ENV");
    if (path == nullptr) Die("VMFERRY_LAB_ENV is not set; start the lab and name its env file");
    std::ifstream file(path);
    if (!file) Die(std::string("cannot read ") + path);
    std::map<std::string, std::string> values;
    for (std::string line; std::getline(file, line);)
      if (const auto equals = line.find('='); equals != std::string::npos) {
        std::string value = line.substr(equals + 1);
        if (value.size() >= 2 && (value.front() == '\'' || value.front() == '"') && value.back() == value.front())
          value = value.substr(1, value.size() - 2);
        values[line.substr(0, equals)] = value;
      }
    return values;
  }();
  return env;
}

}  // namespace

bool LabHas(const std::string& key) {
  return LabEnv().count(key) != 0;
}

std::string LabValue(const std::string& key) {
  const auto found = LabEnv().find(key);
  if (found == LabEnv().end()) Die("the lab's env file has no " + key);
  return found->second;
}

std::string FileBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) Die("cannot read " + path);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

std::string GuestImage() {
  if (LabHas("GUEST_IMAGE")) return LabValue("GUEST_IMAGE");
  const std::string command = std::string("'") + VMFERRY_SOURCE_DIR + "/tests/lab/make-guest.sh'";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string last;
  char line[4096];
  while (pipe != nullptr && std::fgets(line, sizeof line, pipe) != nullptr) last = line;
  if (pipe == nullptr || ::pclose(pipe) != 0) Die(command + " failed");
  last.erase(last.find_last_not_of('\n') + 1);
  return last;
}

std::shared_ptr<Plugin> NewPlugin() {
  return PluginAt(LabValue("LIBVIRT_URI"));
}

std::shared_ptr<Plugin> PluginAt(const std::string& uri) {
  auto made = LibvirtKind().make(PluginSetup{"kvm", Json{{"uri", uri}}, nullptr});
  if (!made) Die(Describe(made.error()));
  return *made;
}

std::string Http(int port, const std::string& method, const std::string& path, const std::string& body) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string response;
  const std::string request =
      method + " " + path + " HTTP/1.0\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char buffer[4096];
    for (ssize_t got = 0; (got = ::recv(fd, buffer, sizeof buffer, 0)) > 0;)
      response.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  return response;
}

std::string Noise(std::size_t bytes) {
  std::mt19937_64 random(42);
  std::string noise(bytes, '\0');
  for (std::size_t i = 0; i + 8 <= bytes; i += 8) {
    const std::uint64_t word = random() | 1;
    std::memcpy(noise.data() + i, &word, 8);
  }
  return noise;
}

Status Upload(Plugin& plugin, const std::string& pool, const std::string& volume, std::uint64_t offset,
              const std::string& bytes) {
  auto writer = Open<VolumeWriter>(plugin, target::kWriteVolume, WriteVolumeRequest{pool, volume, offset, 0}, {});
  if (!writer) return writer.error();
  constexpr std::size_t kPiece = 1024 * 1024;
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    const auto piece = std::as_bytes(std::span(bytes)).subspan(at, std::min(kPiece, bytes.size() - at));
    if (Status written = (*writer)->Write(offset + at, piece); !written) return written;
  }
  return (*writer)->Finish();
}

}  // namespace vmferry::live
