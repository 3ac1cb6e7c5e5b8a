// SPDX-License-Identifier: Apache-2.0
//
// ScriptedApi: a runtime API on a Unix socket for tests. It speaks as HAProxy 2.6.12 does (answers were recorded from
// it): one line a connection, commands separated by ';', an empty line after each answer. `set server` changes
// administrative bits and weights as HAProxy does. Beyond that it misbehaves as told.
// Owner: the test; the destructor ends the thread. Threading: members may be set while no call is under way.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vmferry::haproxy {

class TempDirectory {
 public:
  TempDirectory();
  ~TempDirectory();
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

std::string ReadText(const std::string& path);
std::string Recorded(const std::string& name);  // tests/plugins/haproxy/recorded/NAME

class ScriptedApi {
 public:
  enum class Manner {
    kAnswer,         // as HAProxy
    kHang,           // never answer
    kCut,            // close without carrying out
    kApplyAndCut,    // carry out, then close in mid-answer
    kApplyAndVanish  // carry out, answer, and take no more connections
  };
  explicit ScriptedApi(const std::string& socket_path);
  ~ScriptedApi();

  std::string level = "admin";
  bool sticky = false;  // accepts `set server` and changes nothing
  // Asked for every command; nullptr: kAnswer.
  std::function<Manner(const std::string& command)> manner;
  // A ready answer for a command; nullptr or "": the usual one.
  std::function<std::string(const std::string& command)> override_answer;

  struct Server {
    int admin = 0;
    int weight = 100;
    int initial_weight = 100;
    int operation = 2;
    int sessions = 0;
  };
  std::map<std::string, Server> servers{{"old", {}}, {"new", {5, 100, 100, 0, 0}}};

  std::vector<std::string> commands() const;
  std::string address() const { return "unix:" + path_; }

 private:
  void Listen();
  void Run();
  bool Handle(int connection);
  std::string Answer(const std::string& command);
  std::string Set(const std::string& rest);
  std::string ServersState() const;
  std::string Stat() const;

  std::string path_;
  int listener_ = -1;
  int wake_ = -1;
  mutable std::mutex mutex_;
  std::vector<std::string> commands_;
  std::thread thread_;
};

}  // namespace vmferry::haproxy
