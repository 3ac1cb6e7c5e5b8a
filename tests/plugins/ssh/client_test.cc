// SPDX-License-Identifier: Apache-2.0
//
// How the plugin `ssh` calls its client. tests/live/ssh_live_test.cc asks a real sshd.
#include "plugins/ssh/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/command.h"
#include "plugins/program.h"
#include "plugins/ssh/ssh.h"

namespace vmferry::ssh {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;

const Json kSettings{{"host", "app1.example.com"},
                     {"port", 2222},
                     {"user", "shop"},
                     {"identityFile", "/keys/id"},
                     {"knownHostsFile", "/keys/known_hosts"},
                     {"command", {"/usr/local/sbin/shop", "stop"}}};

std::string Problem(const std::string& name, const Json& value) {
  PluginSetup setup{"stop", kSettings, nullptr};
  setup.settings[name] = value;
  const auto made = SshKind().make(setup);
  return made ? "accepted" : made.error().message;
}

TEST(SshClient, ItsWordsAskNobodyAndTrustOnlyWhatIsDeclared) {
  const auto host = ReadHost(PluginSetup{"stop", kSettings, nullptr});
  ASSERT_TRUE(host) << Describe(host.error());
  const std::vector<std::string> argv = Argv(*host, {"/bin/echo", "a b"}, "/var/tmp/log");
  EXPECT_EQ(argv.front(), "/usr/bin/ssh");
  for (const char* option : {"BatchMode=yes", "StrictHostKeyChecking=yes", "UserKnownHostsFile=/keys/known_hosts",
                             "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "IdentityAgent=none",
                             "ClearAllForwardings=yes", "ForwardAgent=no", "ForwardX11=no", "PermitLocalCommand=no",
                             "ConnectTimeout=10"})
    EXPECT_THAT(argv, Contains(option));
  EXPECT_THAT(argv, AllOf(Contains("-F"), Contains("none"), Contains("-a"), Contains("-x"), Contains("/var/tmp/log")));
  const std::vector<std::string> end(argv.end() - 7, argv.end());
  EXPECT_EQ(end, (std::vector<std::string>{"-p", "2222", "-l", "shop", "--", "app1.example.com", "'/bin/echo' 'a b'"}));
}

TEST(SshClient, EachWordReachesAPosixShellAsItIs) {
  const std::vector<std::string> words{"", "a b", "it's", "''", "$HOME", "`id`", "$(id)", "a\nb", "*", "\\", "!!", "-n",
                                       "; rm -rf /", "\"", "~", "#", "caf\xc3\xa9"};
  const std::string line = QuotedForShell(words);
  const ProgramLimits limits{std::chrono::steady_clock::now() + std::chrono::seconds(20), {}};
  const auto ended = RunProgram({"/bin/sh", "-c", "printf '<%s>' " + line}, {}, limits);
  ASSERT_TRUE(ended) << Describe(ended.error());
  std::string expected;
  for (const std::string& word : words) expected += "<" + word + ">";
  EXPECT_EQ(ended->output, expected);
}

TEST(SshClient, WhatSshWouldTakeForSomethingElseIsRefused) {
  for (const char* host : {"", "-oProxyCommand=id", "a b", "a;b", "user@host", "ssh://a"})
    EXPECT_THAT(Problem("host", host), HasSubstr("`host`")) << host;
  for (const char* user : {"", "-l", "a b", "a@b"}) EXPECT_THAT(Problem("user", user), HasSubstr("`user`")) << user;
  for (const char* path : {"", "keys/id", "/keys/a b", "/keys/%h", "/keys/$HOME", "/keys/\"id\""}) {
    EXPECT_THAT(Problem("identityFile", path), HasSubstr("`identityFile`")) << path;
    EXPECT_THAT(Problem("knownHostsFile", path), HasSubstr("`knownHostsFile`")) << path;
  }
  for (const int port : {0, -1, 65536}) EXPECT_THAT(Problem("port", port), HasSubstr("`port`"));
  EXPECT_THAT(Problem("command", Json::array()), HasSubstr("`command`"));
  EXPECT_THAT(Problem("command", {"/bin/true", std::string("a\0b", 3)}), HasSubstr("NUL"));
  EXPECT_THAT(Problem("timeout", 31000), HasSubstr("`timeout`"));
  EXPECT_EQ(Problem("host", "fe80::1"), "accepted");
  EXPECT_EQ(Problem("timeout", 5000), "accepted");
}

TEST(SshClient, ItsLogTellsWhetherTheProgramMayHaveBegun) {
  EXPECT_FALSE(WasAuthenticated("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n"));
  EXPECT_FALSE(WasAuthenticated("shop@app1: Permission denied (publickey).\r\n"));
  EXPECT_TRUE(WasAuthenticated("Authenticated to app1 ([10.0.0.5]:22) using \"publickey\".\r\n"
                               "Connection to app1 closed by remote host.\r\n"));
  EXPECT_TRUE(WasDenied("shop@app1: Permission denied (publickey).\r\n"));
  EXPECT_TRUE(WasDenied("No ED25519 host key is known for [127.0.0.1]:22 and you have requested strict checking.\r\n"));
  EXPECT_FALSE(WasDenied("ssh: connect to host 127.0.0.1 port 1: Connection refused\r\n"));
}

TEST(SshClient, ARunNeedsAWorkDirectoryAndAGoodKey) {
  PluginSetup setup{"stop", kSettings, nullptr};
  auto made = SshKind().make(setup);
  ASSERT_TRUE(made);
  auto run = Invoke(**made, command::kBeginRun, CommandRunRequest{"k1", {}}, CallContext{});
  ASSERT_FALSE(run);
  EXPECT_EQ(run.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(run.error().message, HasSubstr("workDirectory"));
  setup.settings["workDirectory"] = "/nonexistent";
  made = SshKind().make(setup);
  for (const char* key : {"", "../k", "a b", "K"})
    EXPECT_EQ(Invoke(**made, command::kReadRun, CommandKey{key}, CallContext{}).error().kind, ErrorKind::kInvalid);
}

}  // namespace
}  // namespace vmferry::ssh
