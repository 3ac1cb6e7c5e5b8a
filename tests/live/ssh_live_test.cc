// SPDX-License-Identifier: Apache-2.0
//
// The plugin `ssh` on a real sshd, which each test has for itself: run as the user of the test with a configuration and
// keys of its own, on a free port of 127.0.0.1. Root's sshd wants /run/sshd, so it gets a /run of its own.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "plugins/command.h"
#include "plugins/program.h"
#include "plugins/ssh/ssh.h"
#include "tests/live/temp_directory.h"

namespace vmferry::live {
namespace {

using ::testing::HasSubstr;
using std::chrono::milliseconds;

std::string RunTool(const std::vector<std::string>& argv) {
  const ProgramLimits limits{std::chrono::steady_clock::now() + std::chrono::seconds(60), {}};
  const auto ended = RunProgram(argv, {}, limits);
  if (!ended || ended->exit_code != 0)
    throw std::runtime_error(argv[0] + ": " + (ended ? ended->output : Describe(ended.error())));
  return ended->output;
}

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd, reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  close(fd);
  return ntohs(address.sin_port);
}

bool Accepts(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool accepted = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return accepted;
}

bool Await(const std::function<bool()>& condition) {
  for (int look = 0; look < 3000; ++look, std::this_thread::sleep_for(milliseconds(10)))
    if (condition()) return true;
  return false;
}

class SshLive : public ::testing::Test {
 protected:
  SshLive() : port_(FreePort()), user_(getpwuid(geteuid())->pw_name) {
    for (const char* key : {"host", "user", "stranger"})
      RunTool({"/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", File(key)});
    std::filesystem::copy_file(File("user.pub"), File("authorized"));
    std::ofstream(File("known")) << "[127.0.0.1]:" << port_ << " " << Text("host.pub");
    std::ofstream(File("sshd_config")) << "ListenAddress 127.0.0.1:" << port_ << "\nHostKey " << File("host")
                                       << "\nAuthorizedKeysFile " << File("authorized")
                                       << "\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
                                          "KbdInteractiveAuthentication no\nAllowAgentForwarding yes\nX11Forwarding no\n";
    Start();
  }
  ~SshLive() override { Stop(); }

  void Start() {
    const std::string log = File("sshd.log"), config = File("sshd_config");
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      if (geteuid() == 0)
        execl("/usr/bin/unshare", "unshare", "-m", "/bin/sh", "-c",
              "mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -E \"$1\" -f \"$2\"", "sh",
              log.c_str(), config.c_str(), nullptr);
      execl("/usr/sbin/sshd", "/usr/sbin/sshd", "-D", "-E", log.c_str(), "-f", config.c_str(), nullptr);
      _exit(127);
    }
    EXPECT_TRUE(Await([this] { return Accepts(port_); })) << Text("sshd.log");
  }
  // With all its sessions: the connections break.
  void Stop() {
    if (pid_ <= 0) return;
    for (const std::string& session : Sessions()) kill(std::stoi(session), SIGKILL);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }
  // The processes below our sshd.
  std::vector<std::string> Sessions() const {
    std::vector<std::string> found;
    for (std::vector<std::string> level{std::to_string(pid_)}; !level.empty();) {
      std::vector<std::string> next;
      for (const std::string& parent : level) {
        std::ifstream in("/proc/" + parent + "/task/" + parent + "/children");
        for (std::string child; in >> child;) next.push_back(child);
      }
      found.insert(found.end(), next.begin(), next.end());
      level = next;
    }
    return found;
  }

  std::string File(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string Text(const std::string& name) const {
    std::ostringstream text;
    text << std::ifstream(File(name)).rdbuf();
    return text.str();
  }
  std::shared_ptr<Plugin> Plug(const Json& command, const Json& more = Json::object()) const {
    PluginSetup setup{"stop", Json::object(), nullptr};
    setup.settings = {{"host", "127.0.0.1"},           {"port", port_},
                      {"user", user_},                 {"identityFile", File("user")},
                      {"knownHostsFile", File("known")}, {"command", command},
                      {"workDirectory", File("work")}};
    setup.settings.update(more);
    const auto made = SshKind().make(setup);
    EXPECT_TRUE(made) << Describe(made.error());
    return *made;
  }
  static Result<CommandReply> Check(Plugin& plugin, const std::vector<std::string>& arguments = {}) {
    return Invoke(plugin, command::kCheck, CommandRequest{arguments}, CallContext{});
  }
  static CommandRun Look(Plugin& plugin) {
    const auto run = Invoke(plugin, command::kReadRun, CommandKey{"k1"}, CallContext{});
    EXPECT_TRUE(run) << Describe(run.error());
    return run ? *run : CommandRun{};
  }
  static void Begin(Plugin& plugin, const std::vector<std::string>& arguments = {}) {
    const auto run = Invoke(plugin, command::kBeginRun, CommandRunRequest{"k1", arguments}, CallContext{});
    EXPECT_TRUE(run) << Describe(run.error());
  }
  static CommandRun End(Plugin& plugin) {
    EXPECT_TRUE(Await([&] { return Look(plugin).state != "running"; }));
    return Look(plugin);
  }

  TempDirectory directory_;
  const int port_;
  const std::string user_;
  pid_t pid_ = -1;
};

TEST_F(SshLive, WordsReachTheProgramAsTheyAre) {
  const auto reply = Check(*Plug({"/usr/bin/printf", "<%s>"}), {"a b", "$HOME", "'; rm -rf /'", "", "`id`", "it's"});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 0);
  EXPECT_EQ(reply->output, "<a b><$HOME><'; rm -rf /'><><`id`><it's>");
}

TEST_F(SshLive, AnotherExitCodeIsAReplyWithWhatWasPrinted) {
  const auto reply = Check(*Plug({"/bin/sh", "-c", "echo out; echo err >&2; exit 3"}));
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->exit_code, 3);
  EXPECT_EQ(reply->output, "out err");
}

TEST_F(SshLive, NothingOfOursGoesAlong) {
  setenv("SSH_AUTH_SOCK", "/tmp/an-agent", 1);
  setenv("DISPLAY", ":0", 1);
  const auto reply = Check(*Plug({"/bin/sh", "-c", "echo [$SSH_AUTH_SOCK$DISPLAY]; cat"}));
  unsetenv("SSH_AUTH_SOCK");
  unsetenv("DISPLAY");
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->output, "[]") << "and its input is empty";
}

TEST_F(SshLive, AHostOfAnotherKeyIsNotTalkedTo) {
  std::ofstream(File("known")) << "[127.0.0.1]:" << port_ << " " << Text("stranger.pub");
  auto reply = Check(*Plug({"/bin/true"}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kDenied) << Describe(reply.error());
  std::ofstream(File("known"), std::ios::trunc);
  reply = Check(*Plug({"/bin/true"}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kDenied) << Describe(reply.error());
  EXPECT_EQ(Text("known"), "") << "no key is added";
}

TEST_F(SshLive, AKeyThatTheHostDoesNotKnowIsDenied) {
  const auto reply = Check(*Plug({"/bin/true"}, {{"identityFile", File("stranger")}}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(reply.error().message, HasSubstr("Permission denied"));
  EXPECT_THAT(reply.error().advice, HasSubstr("knownHostsFile"));
}

TEST_F(SshLive, AHostThatIsNotThereIsUnavailableToACheckAndRefusesARun) {
  Stop();
  const auto plugin = Plug({"/bin/sh", "-c", "echo ran >> " + File("log")});
  const auto reply = Check(*plugin);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(reply.error().message, HasSubstr("Connection refused"));
  Begin(*plugin);
  const CommandRun refused = End(*plugin);
  EXPECT_EQ(refused.state, "refused");
  EXPECT_THAT(refused.output, HasSubstr("Connection refused"));
  Start();
  Begin(*plugin);  // again, under the same key
  EXPECT_EQ(End(*plugin).state, "ended");
  EXPECT_EQ(Text("log"), "ran\n");
}

TEST_F(SshLive, ACheckThatDoesNotEndIsCutOff) {
  const auto reply = Check(*Plug({"/bin/sh", "-c", "echo waiting; exec sleep 15"}, {{"timeout", 1500}}));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kTimedOut);
}

TEST_F(SshLive, ARunIsBegunOnceAndFoundByTheNextProcess) {
  const Json command{"/bin/sh", "-c", "echo \"ran $1\" >> " + File("log") + "; echo said; exit 4", "sh"};
  Begin(*Plug(command), {"it's $HOME"});
  const CommandRun run = End(*Plug(command));
  EXPECT_EQ(run.state, "ended");
  EXPECT_EQ(run.exit_code, 4);
  EXPECT_EQ(run.output, "said") << "what ssh itself says is not among it";
  Begin(*Plug(command));
  EXPECT_EQ(Text("log"), "ran it's $HOME\n");
  EXPECT_TRUE(Invoke(*Plug(command), command::kEnsureEnded, CommandKey{"k1"}, CallContext{}));
  EXPECT_EQ(Look(*Plug(command)).state, "not started");
}

TEST_F(SshLive, AConnectionThatBreaksMidwayLeavesTheOutcomeUnknown) {
  const auto plugin = Plug({"/bin/sh", "-c", "echo half; echo begun >> " + File("log") + "; sleep 60"});
  Begin(*plugin);
  ASSERT_TRUE(Await([&] { return Text("log") == "begun\n"; }));
  // What is still on its way when the connection breaks never arrives.
  ASSERT_TRUE(Await([&] { return Look(*plugin).output.find("half") != std::string::npos; }));
  EXPECT_EQ(Look(*plugin).state, "running");
  Stop();
  const CommandRun run = End(*plugin);
  EXPECT_EQ(run.state, "lost") << run.output;
  EXPECT_THAT(run.output, HasSubstr("it may go on"));
  EXPECT_THAT(run.output, HasSubstr("it had printed: half"));
  const auto again = Invoke(*plugin, command::kBeginRun, CommandRunRequest{"k1", {}}, CallContext{});
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, "lost") << "it is not begun again";
}

TEST_F(SshLive, AProgramThatSays255CannotBeToldFromABrokenConnection) {
  const auto plugin = Plug({"/bin/sh", "-c", "exit 255"});
  Begin(*plugin);
  EXPECT_EQ(End(*plugin).state, "lost");
  EXPECT_EQ(Check(*plugin).error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry::live
