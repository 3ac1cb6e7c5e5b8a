// SPDX-License-Identifier: Apache-2.0
#include "tests/live/haproxy_process.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "tests/plugins/http/test_server.h"

extern char** environ;

namespace vmferry::live {
namespace {

constexpr std::chrono::seconds kPatience{30};

// Asks a Unix socket one line; "" when nobody answers.
std::string AskSocket(const std::string& path, const std::string& line) {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s", path.c_str());
  std::string answer;
  const std::string command = line + "\n";
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      send(fd, command.data(), command.size(), MSG_NOSIGNAL) > 0) {
    std::array<char, 4096> buffer;
    for (ssize_t count; (count = recv(fd, buffer.data(), buffer.size(), 0)) > 0;)
      answer.append(buffer.data(), static_cast<std::size_t>(count));
  }
  close(fd);
  return answer;
}

void AwaitEnd(pid_t pid) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (waitpid(pid, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error("haproxy does not end");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

HaproxyProcess::HaproxyProcess(const std::string& directory, const std::string& name, HaproxyOptions options)
    : configuration_(directory + "/" + name + ".cfg"),
      socket_(directory + "/" + name + ".sock"),
      frontend_port_(testing_http::FreePort()),
      api_port_(testing_http::FreePort()) {
  WriteConfiguration(options);
  pid_ = Start({});
  AwaitAnswerOf(pid_);
}

HaproxyProcess::~HaproxyProcess() {
  try {
    Kill();
  } catch (const std::exception&) {  // the test has failed by then
  }
}

void HaproxyProcess::WriteConfiguration(const HaproxyOptions& options) const {
  std::ofstream out(configuration_);
  out << "global\n  stats socket " << socket_ << " mode 600 level admin expose-fd listeners\n  stats socket " << socket_
      << ".operator mode 600 level operator\n  stats socket ipv4@127.0.0.1:" << api_port_
      << " level admin\n  hard-stop-after 1s\n";
  if (!options.server_state_file.empty()) out << "  server-state-file " << options.server_state_file << "\n";
  out << "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
      << "  option http-server-close\n  option abortonclose\n";
  if (!options.server_state_file.empty()) out << "  load-server-state-from-file global\n";
  out << "frontend entry\n  bind 127.0.0.1:" << frontend_port_ << "\n  default_backend web\nbackend web\n  balance "
      << options.algorithm << "\n  option httpchk GET /healthz\n";
  for (const std::string& server : options.servers) out << "  " << server << "\n";
}

pid_t HaproxyProcess::Start(const std::vector<std::string>& more) const {
  std::vector<std::string> argv{"haproxy", "-q", "-db", "-f", configuration_};
  argv.insert(argv.end(), more.begin(), more.end());
  std::vector<char*> pointers;
  for (std::string& word : argv) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  // Debian keeps it in /usr/sbin, which an ordinary user's PATH lacks.
  pid_t pid = -1;
  if (posix_spawn(&pid, "/usr/sbin/haproxy", nullptr, nullptr, pointers.data(), environ) != 0 &&
      posix_spawnp(&pid, "haproxy", nullptr, nullptr, pointers.data(), environ) != 0)
    throw std::runtime_error("haproxy is not installed; the live tests need it");
  return pid;
}

void HaproxyProcess::AwaitAnswerOf(pid_t pid) const {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (AskSocket(socket_, "show info").find("\nPid: " + std::to_string(pid) + "\n") == std::string::npos) {
    int status = 0;
    if (waitpid(pid, &status, WNOHANG) == pid)
      throw std::runtime_error("haproxy ended at its start: " + configuration_);
    if (std::chrono::steady_clock::now() > until) throw std::runtime_error("haproxy does not answer");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

std::string HaproxyProcess::Url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(frontend_port_) + path;
}

std::string HaproxyProcess::Ask(const std::string& command) const {
  return AskSocket(socket_, command);
}

std::string HaproxyProcess::StateOf(const std::string& server) const {
  std::istringstream lines(Ask("show stat web 4 -1"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("web," + server + ",")) continue;
    if (line.find(",MAINT") != std::string::npos) return "maint";
    return line.find(",DRAIN") != std::string::npos ? "drain" : "ready";
  }
  return "missing";
}

int HaproxyProcess::WeightOf(const std::string& server) const {
  return std::atoi(Ask("get weight web/" + server).c_str());
}

void HaproxyProcess::Reload() {
  const pid_t old = pid_;
  pid_ = Start({"-x", socket_, "-sf", std::to_string(old)});
  AwaitEnd(old);
  AwaitAnswerOf(pid_);
}

void HaproxyProcess::Kill() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  AwaitEnd(pid_);
  pid_ = -1;
}

}  // namespace vmferry::live
