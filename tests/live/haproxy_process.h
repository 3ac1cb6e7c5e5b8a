// SPDX-License-Identifier: Apache-2.0
//
// HaproxyProcess: a real haproxy in the foreground on free ports of 127.0.0.1, started, reloaded (a new process takes
// over, as `systemctl reload` does) and ended by a test. Its runtime API is asked here without the plugin, for the
// truth. Owner: the test; the destructor ends the process. A part that is missing throws, which fails the test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace vmferry::live {

struct HaproxyOptions {
  std::string algorithm = "roundrobin";
  std::string server_state_file;     // loaded at start; empty: none
  std::vector<std::string> servers;  // "server old 127.0.0.1:81 check"
};

class HaproxyProcess {
 public:
  // Its files go to `directory` and start with `name`. Returns when it answers.
  HaproxyProcess(const std::string& directory, const std::string& name, HaproxyOptions options);
  ~HaproxyProcess();
  HaproxyProcess(const HaproxyProcess&) = delete;
  HaproxyProcess& operator=(const HaproxyProcess&) = delete;

  std::string unix_address() const { return "unix:" + socket_; }
  std::string operator_address() const { return "unix:" + socket_ + ".operator"; }
  std::string tcp_address() const { return "tcp:127.0.0.1:" + std::to_string(api_port_); }
  std::string Url(const std::string& path) const;  // of the frontend

  // "ready", "drain", "maint" by the status column; the weight by `get weight`.
  std::string StateOf(const std::string& server) const;
  int WeightOf(const std::string& server) const;
  std::string Ask(const std::string& command) const;

  void Reload();
  void Kill();

 private:
  void WriteConfiguration(const HaproxyOptions& options) const;
  pid_t Start(const std::vector<std::string>& more) const;
  void AwaitAnswerOf(pid_t pid) const;

  std::string configuration_, socket_;
  int frontend_port_, api_port_;
  pid_t pid_ = -1;
};

}  // namespace vmferry::live
