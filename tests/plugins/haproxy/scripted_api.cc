// SPDX-License-Identifier: Apache-2.0
#include "tests/plugins/haproxy/scripted_api.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

namespace vmferry::haproxy {

TempDirectory::TempDirectory() {
  std::string name = (std::filesystem::temp_directory_path() / "vmferry-haproxy-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadText(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::string Recorded(const std::string& name) {
  return ReadText(std::string(VMFERRY_SOURCE_DIR) + "/tests/plugins/haproxy/recorded/" + name);
}

ScriptedApi::ScriptedApi(const std::string& socket_path) : path_(socket_path), wake_(eventfd(0, EFD_CLOEXEC)) {
  Listen();
  thread_ = std::thread([this] { Run(); });
}

ScriptedApi::~ScriptedApi() {
  eventfd_write(wake_, 1);
  thread_.join();
  if (listener_ >= 0) close(listener_);
  close(wake_);
}

void ScriptedApi::Listen() {
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path_.c_str());
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || listen(listener_, 8) != 0)
    throw std::runtime_error("cannot listen on " + path_);
}

void ScriptedApi::Run() {
  for (;;) {
    std::array<pollfd, 2> waits{{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}}};
    poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) return;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const bool go_on = Handle(connection);
    close(connection);
    if (go_on) continue;
    close(listener_);
    listener_ = -1;
    unlink(path_.c_str());
    pollfd wake{wake_, POLLIN, 0};
    poll(&wake, 1, -1);
    return;
  }
}

bool ScriptedApi::Handle(int connection) {
  std::string line;
  char c = 0;
  while (read(connection, &c, 1) == 1 && c != '\n') line += c;
  std::istringstream parts(line);
  std::string reply, command;
  bool vanish = false;
  while (std::getline(parts, command, ';')) {
    {
      const std::scoped_lock lock(mutex_);
      commands_.push_back(command);
    }
    const Manner how = manner ? manner(command) : Manner::kAnswer;
    if (how == Manner::kHang) {
      // Until the caller gives up, or the test ends.
      std::array<pollfd, 2> waits{{{wake_, POLLIN, 0}, {connection, POLLIN | POLLRDHUP, 0}}};
      poll(waits.data(), waits.size(), -1);
      return true;
    }
    if (how == Manner::kCut) return true;
    const std::string answer = Answer(command);
    vanish = vanish || how == Manner::kApplyAndVanish;
    reply += answer + (answer.empty() ? "\n" : "\n\n");
    if (how == Manner::kApplyAndCut) reply.resize(reply.size() / 2);
    if (how == Manner::kApplyAndCut) break;
  }
  if (send(connection, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) return true;
  return !vanish;
}

std::string ScriptedApi::Answer(const std::string& command) {
  if (override_answer)
    if (std::string text = override_answer(command); !text.empty()) return text;
  if (command == "show cli level") return level;
  if (command == "show servers state" || command == "show servers state web") return ServersState();
  if (command.starts_with("show servers state ")) return "Can't find backend.";
  if (command == "show stat web 4 -1") return Stat();
  if (command.starts_with("show stat ")) return "No such proxy.";
  if (command.starts_with("set server ")) return level == "admin" ? Set(command.substr(11)) : "Permission denied";
  return "Unknown command, but maybe one of the following ones is a better match:";
}

std::string ScriptedApi::Set(const std::string& rest) {
  std::istringstream words(rest);
  std::string target, what, value;
  words >> target >> what >> value;
  if (!target.starts_with("web/")) return "No such backend.";
  const auto server = servers.find(target.substr(4));
  if (server == servers.end()) return "No such server.";
  if (sticky) return "";
  int& admin = server->second.admin;
  if (what == "weight") server->second.weight = std::atoi(value.c_str());
  if (what != "state") return "";
  admin &= ~0x09;
  if (value == "maint") admin |= 0x01;
  if (value == "drain") admin |= 0x08;
  server->second.operation = value == "maint" ? 0 : 2;
  return "";
}

std::string ScriptedApi::ServersState() const {
  std::string text = Recorded("start.servers_state");
  text = text.substr(0, text.find('\n', 2));  // version and header as recorded
  int id = 0;
  for (const auto& [name, server] : servers)
    text += "\n3 web " + std::to_string(++id) + " " + name + " 127.0.0.1 " + std::to_string(server.operation) + " " +
            std::to_string(server.admin) + " " + std::to_string(server.weight) + " " +
            std::to_string(server.initial_weight) + " 1 6 3 4 6 0 0 0 - 8081 - 0 0 - - 0";
  return text;
}

std::string ScriptedApi::Stat() const {
  std::string text = "# pxname,svname,scur,status,tracked,addr,agent_status";
  for (const auto& [name, server] : servers)
    text += "\nweb," + name + "," + std::to_string(server.sessions) + "," + (server.operation == 2 ? "UP" : "MAINT") +
            ",,127.0.0.1:8081,";
  return text;
}

std::vector<std::string> ScriptedApi::commands() const {
  const std::scoped_lock lock(mutex_);
  return commands_;
}

}  // namespace vmferry::haproxy
