// SPDX-License-Identifier: Apache-2.0
#include "plugins/http/http_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stop_token>

#include "plugins/probe.h"
#include "tests/plugins/http/test_server.h"

namespace vmferry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::StartsWith;
using testing_http::Authority;
using testing_http::Respond;
using testing_http::TestServer;

class HttpProbeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // SSL_write of the test's own server
    plugin_ = *HttpKind().make(PluginSetup{"web", Json::object(), nullptr});
  }
  Result<ProbeReply> Probe(const ProbeRequest& request) { return Invoke(*plugin_, probe::kProbe, request, context_); }
  static ProbeRequest For(const std::string& url) {
    ProbeRequest request;
    request.url = url;
    return request;
  }

  std::shared_ptr<Plugin> plugin_;
  CallContext context_{{}, 20s};
  TestServer plain_{[](const std::string& head) -> std::string {
    if (head.starts_with("GET /healthz ")) return Respond("200 OK", "all is well\n");
    if (head.starts_with("GET /long "))
      return Respond("200 OK", std::string(255, 'x') + "\xc3\xa4" + std::string(300, 'y'));
    if (head.starts_with("GET /huge ")) return Respond("200 OK", std::string(1500 * 1024, 'x') + "needle");
    if (head.starts_with("GET /bytes ")) return Respond("200 OK", "\x1b[31mred\xff");
    if (head.starts_with("GET /login "))
      return Respond("302 Found", "", "Location: http://127.0.0.1:1/in?token=secret\r\n");
    if (head.starts_with("GET /rubbish ")) return "this is not HTTP\r\n\r\n";
    if (head.starts_with("GET /cut ")) return "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this";
    if (head.starts_with("GET /slow ")) return "";
    return Respond("404 Not Found", "nothing here");
  }};
};

TEST_F(HttpProbeTest, ExpectedStatusAndBodyAreHealthy) {
  ProbeRequest request = For(plain_.Url("/healthz"));
  request.expect_body = "is well";
  request.max_latency_ms = 15000;
  const auto reply = Probe(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_TRUE(reply->healthy) << reply->why;
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body, "all is well\n");
  EXPECT_GE(reply->latency_ms, 0);
}

TEST_F(HttpProbeTest, AWrongStatusIsSaidInWords) {
  const auto reply = Probe(For(plain_.Url("/nothing")));
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->why, "status 404 Not Found instead of 200");
}

TEST_F(HttpProbeTest, AWrongBodyIsSaidInWords) {
  ProbeRequest request = For(plain_.Url("/healthz"));
  request.expect_body = "QEMU";
  const auto reply = Probe(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->why, "the body does not contain \"QEMU\"");
  EXPECT_EQ(reply->body, "all is well\n");
}

TEST_F(HttpProbeTest, AnExpectedErrorStatusIsHealthy) {
  ProbeRequest request = For(plain_.Url("/nothing"));
  request.expect_status = 404;
  EXPECT_TRUE(Probe(request)->healthy);
}

TEST_F(HttpProbeTest, ARedirectIsReportedWithoutItsQueryAndNotFollowed) {
  const auto reply = Probe(For(plain_.Url("/login")));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->why, "status 302 Found (a redirect to http://127.0.0.1:1/in, not followed) instead of 200");
  EXPECT_EQ(plain_.requests().size(), 1u);
}

TEST_F(HttpProbeTest, ARefusedConnectionIsAnUnhealthyApplication) {
  const auto reply = Probe(For("http://127.0.0.1:" + std::to_string(testing_http::FreePort()) + "/"));
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_EQ(reply->status, 0);
  EXPECT_THAT(reply->why, StartsWith("no answer: unavailable: "));
  EXPECT_THAT(reply->why, HasSubstr("efused"));
}

TEST_F(HttpProbeTest, NoAnswerInTimeIsUnhealthyAndTheProbeReturns) {
  context_.timeout = 500ms;
  const auto start = std::chrono::steady_clock::now();
  const auto reply = Probe(For(plain_.Url("/slow")));
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_THAT(reply->why, StartsWith("no answer: timed out: "));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST_F(HttpProbeTest, SlowerThanAllowedIsUnhealthy) {
  const TestServer tardy([](const std::string&) {
    const auto until = std::chrono::steady_clock::now() + 60ms;
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return Respond("200 OK", "");
  });
  ProbeRequest request = For(tardy.Url("/"));
  request.max_latency_ms = 20;
  const auto reply = Probe(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_GE(reply->latency_ms, 60);
  EXPECT_THAT(reply->why, HasSubstr(" ms instead of at most 20 ms"));
}

TEST_F(HttpProbeTest, AnAnswerThatWouldBeMuchTooLateIsNotWaitedFor) {
  ProbeRequest request = For(plain_.Url("/slow"));
  request.max_latency_ms = 50;
  const auto start = std::chrono::steady_clock::now();
  const auto reply = Probe(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->healthy);
  EXPECT_THAT(reply->why, StartsWith("no answer: timed out: "));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 20s);
}

TEST_F(HttpProbeTest, RubbishAndCutAnswersAreUnhealthy) {
  for (const char* path : {"/rubbish", "/cut"}) {
    const auto reply = Probe(For(plain_.Url(path)));
    ASSERT_TRUE(reply.ok()) << path;
    EXPECT_FALSE(reply->healthy) << path;
    EXPECT_THAT(reply->why, StartsWith("no answer: ")) << path;
  }
}

TEST_F(HttpProbeTest, TheShownBodyIsShortAndWholeCharacters) {
  const auto reply = Probe(For(plain_.Url("/long")));
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->body, std::string(255, 'x'));
  EXPECT_EQ(Probe(For(plain_.Url("/bytes")))->body, " [31mred\xef\xbf\xbd");
}

TEST_F(HttpProbeTest, OnlyTheFirstMebibyteIsLookedAt) {
  ProbeRequest request = For(plain_.Url("/huge"));
  request.expect_body = "needle";
  const auto reply = Probe(request);
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->why, "the body does not contain \"needle\" in its first MiB");
}

TEST_F(HttpProbeTest, TheHostHeaderMayBeAnotherAndCannotCarryMoreHeaders) {
  ProbeRequest request = For(plain_.Url("/healthz?x=1"));
  request.host_header = "shop.example.com";
  ASSERT_TRUE(Probe(request).ok());
  EXPECT_THAT(plain_.requests().at(0), StartsWith("GET /healthz?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(plain_.requests().at(0), HasSubstr("Host: shop.example.com\r\n"));
  request.host_header = "a\r\nX-Evil: 1";
  EXPECT_EQ(Probe(request).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Probe(For(plain_.Url("/a b"))).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Probe(For("ftp://127.0.0.1/")).error().kind, ErrorKind::kInvalid);
}

TEST_F(HttpProbeTest, AStopRequestIsAnErrorAndNoVerdict) {
  std::stop_source stop;
  stop.request_stop();
  context_.stop = stop.get_token();
  const auto reply = Probe(For(plain_.Url("/slow")));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
}

class HttpsProbeTest : public HttpProbeTest {
 protected:
  void SetUp() override {
    HttpProbeTest::SetUp();
    char name[] = "/tmp/vmferry-ca-XXXXXX";
    const int fd = mkstemp(name);
    ASSERT_GE(fd, 0);
    close(fd);
    ca_file_ = name;
    std::ofstream(ca_file_) << authority_.certificate();
  }
  void TearDown() override { std::remove(ca_file_.c_str()); }
  ProbeRequest Trusting(const std::string& ca_file, const std::string& thumbprint) {
    ProbeRequest request = For(secure_.Url("/"));
    request.ca_file = ca_file;
    request.thumbprint = thumbprint;
    return request;
  }

  Authority authority_{"the test's CA"};
  testing_http::KeyPair pair_ = authority_.Issue("IP:127.0.0.1");
  TestServer secure_{[](const std::string&) { return Respond("200 OK", "over TLS"); }, pair_};
  std::string ca_file_;
};

TEST_F(HttpsProbeTest, ACertificateOfTheGivenCaIsAccepted) {
  const auto reply = Probe(Trusting(ca_file_, ""));
  ASSERT_TRUE(reply.ok()) << Describe(reply.error());
  EXPECT_TRUE(reply->healthy) << reply->why;
  EXPECT_EQ(reply->body, "over TLS");
}

TEST_F(HttpsProbeTest, ThePinnedCertificateIsAccepted) {
  const auto reply = Probe(Trusting("", testing_http::Thumbprint(pair_.certificate)));
  ASSERT_TRUE(reply.ok()) << Describe(reply.error());
  EXPECT_TRUE(reply->healthy) << reply->why;
}

TEST_F(HttpsProbeTest, AnotherCaIsDeniedAndNoRequestIsSent) {
  std::ofstream(ca_file_) << Authority("another CA").certificate();
  const auto reply = Probe(Trusting(ca_file_, ""));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kDenied);
  EXPECT_THAT(reply.error().system, HasSubstr("https://127.0.0.1:"));
  EXPECT_TRUE(secure_.requests().empty());
}

TEST_F(HttpsProbeTest, TheSystemsCasDoNotKnowOurs) {
  EXPECT_EQ(Probe(Trusting("", "")).error().kind, ErrorKind::kDenied);
}

TEST_F(HttpsProbeTest, AnotherThumbprintIsDeniedAndNoRequestIsSent) {
  const auto reply = Probe(Trusting("", std::string(64, 'a')));
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kDenied);
  EXPECT_TRUE(secure_.requests().empty());
}

TEST_F(HttpsProbeTest, ACertificateForAnotherNameOrAnEarlierTimeIsDenied) {
  for (const auto& pair : {authority_.Issue("DNS:other.example.com"), authority_.Issue("IP:127.0.0.1", -1)}) {
    const TestServer other([](const std::string&) { return Respond("200 OK", ""); }, pair);
    ProbeRequest request = For(other.Url("/"));
    request.ca_file = ca_file_;
    const auto reply = Probe(request);
    ASSERT_FALSE(reply.ok());
    EXPECT_EQ(reply.error().kind, ErrorKind::kDenied);
    EXPECT_TRUE(other.requests().empty());
  }
}

TEST_F(HttpsProbeTest, AMissingCaFileOrBadThumbprintIsInvalid) {
  EXPECT_EQ(Probe(Trusting("/nowhere/ca.pem", "")).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Probe(Trusting("", "AB:CD")).error().kind, ErrorKind::kInvalid);
}

TEST_F(HttpProbeTest, ATcpProbeConnectsAndSaysWhyNot) {
  const auto ask = [&](const std::string& address) {
    return Invoke(*plugin_, probe::kTcpProbe, TcpProbeRequest{address, 15000}, context_);
  };
  const auto open = ask("127.0.0.1:" + std::to_string(plain_.port()));
  ASSERT_TRUE(open.ok());
  EXPECT_TRUE(open->healthy) << open->why;
  const auto closed = ask("127.0.0.1:" + std::to_string(testing_http::FreePort()));
  ASSERT_TRUE(closed.ok()) << "a refused connection is an answer";
  EXPECT_FALSE(closed->healthy);
  EXPECT_THAT(closed->why, HasSubstr("no answer: unavailable: cannot reach 127.0.0.1"));
  for (const char* address : {"127.0.0.1", "127.0.0.1:", "127.0.0.1:80/x", "127.0.0.1:port", "[::1]"}) {
    const auto invalid = ask(address);
    ASSERT_FALSE(invalid.ok()) << address;
    EXPECT_EQ(invalid.error().kind, ErrorKind::kInvalid) << address;
  }
}

}  // namespace
}  // namespace vmferry
