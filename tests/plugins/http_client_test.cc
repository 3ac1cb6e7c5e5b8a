// SPDX-License-Identifier: Apache-2.0
#include "plugins/http_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "tests/plugins/scripted_server.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using test::HttpAnswer;
using test::kClose;
using test::kHang;
using test::ScriptedServer;
using ::testing::HasSubstr;
using ::testing::Not;

HttpClient ClientOf(const ScriptedServer& server) {
  return {"web", *ParseUrl(server.url()), {}};
}
CallContext For(int ms) {
  return {{}, milliseconds(ms)};
}
HttpRequest Change() {
  HttpRequest request;
  request.method = "POST";
  request.body = "password=secret";
  request.changes = true;
  return request;
}

TEST(HttpClientTest, RequestAndAnswerArriveWhole) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(418, "short and stout", "X-Pot: tea\r\n"); });
  HttpClient client = ClientOf(server);
  HttpRequest request = Change();
  request.target = "/pot?x=1";
  request.headers = {{"Cookie", "a=b"}};
  const auto response = client.Do(request, For(5000));
  ASSERT_TRUE(response.ok()) << Describe(response.error());
  EXPECT_EQ(response->status, 418);
  EXPECT_EQ(response->body, "short and stout");
  EXPECT_EQ(response->Header("x-POT"), "tea");
  const std::string seen = server.requests().at(0);
  EXPECT_THAT(seen, HasSubstr("POST /pot?x=1 HTTP/1.1\r\n"));
  EXPECT_THAT(seen, HasSubstr("Cookie: a=b\r\n"));
  EXPECT_THAT(seen, HasSubstr("Host: 127.0.0.1:" + std::to_string(server.port())));
  EXPECT_THAT(seen, HasSubstr("password=secret"));
}

TEST(HttpClientTest, ConnectionIsUsedAgain) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, "x"); });
  HttpClient client = ClientOf(server);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client.Do(HttpRequest{}, For(5000)).ok());
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClientTest, ConnectionThatTheServerClosedIsReplacedAlsoForChanges) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, "x", "Connection: close\r\n"); });
  HttpClient client = ClientOf(server);
  EXPECT_TRUE(client.Do(Change(), For(5000)).ok());
  EXPECT_TRUE(client.Do(Change(), For(5000)).ok());
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClientTest, ReadOnAKeptConnectionThatDiesIsSentAgainOnce) {
  std::atomic<int> n = 0;
  ScriptedServer server([&](const std::string&) { return ++n == 2 ? kClose : HttpAnswer(200, "x"); });
  HttpClient client = ClientOf(server);
  EXPECT_TRUE(client.Do(HttpRequest{}, For(5000)).ok());
  EXPECT_TRUE(client.Do(HttpRequest{}, For(5000)).ok());
  EXPECT_EQ(n, 3);
}

TEST(HttpClientTest, ChangeIsNeverSentTwiceAndItsLossIsAnUnknownOutcome) {
  std::atomic<int> n = 0;
  ScriptedServer server([&](const std::string&) { return ++n == 2 ? kClose : HttpAnswer(200, "x"); });
  HttpClient client = ClientOf(server);
  EXPECT_TRUE(client.Do(Change(), For(5000)).ok());
  const auto lost = client.Do(Change(), For(5000));
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ(lost.error().system, "web");
  EXPECT_THAT(Describe(lost.error()), Not(HasSubstr("secret")));
  EXPECT_EQ(n, 2);
}

TEST(HttpClientTest, NoAnswerInTimeIsTimedOutForReadsAndUnknownForChanges) {
  ScriptedServer server([](const std::string&) { return kHang; });
  HttpClient client = ClientOf(server);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(client.Do(HttpRequest{}, For(100)).error().kind, ErrorKind::kTimedOut);
  EXPECT_EQ(client.Do(Change(), For(100)).error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST(HttpClientTest, StopRequestEndsACallAtOnce) {
  std::stop_source stop;
  ScriptedServer server([&](const std::string&) {
    stop.request_stop();
    return kHang;
  });
  HttpClient client = ClientOf(server);
  const auto response = client.Do(HttpRequest{}, {stop.get_token(), std::chrono::minutes(5)});
  EXPECT_EQ(response.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("stopped on request"));
}

TEST(HttpClientTest, RefusedAndUnresolvableHostsAreUnavailableEvenForChanges) {
  int port = 0;
  {
    port = ScriptedServer([](const std::string&) { return kClose; }).port();
  }
  HttpClient refused("web", *ParseUrl("http://127.0.0.1:" + std::to_string(port)), {});
  const auto no = refused.Do(Change(), For(5000));
  EXPECT_EQ(no.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(no.error().message, HasSubstr("refused"));
  HttpClient nowhere("web", *ParseUrl("http://nowhere.invalid"), {});
  const auto lost = nowhere.Do(Change(), For(5000));
  EXPECT_EQ(lost.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(lost.error().message, HasSubstr("nowhere.invalid"));
}

TEST(HttpClientTest, AnswerLargerThanAllowedIsCorruptOrCutAsAsked) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, std::string(300000, 'x')); });
  HttpClient client = ClientOf(server);
  HttpRequest request;
  request.max_body = 1000;
  EXPECT_EQ(client.Do(request, For(5000)).error().kind, ErrorKind::kCorrupt);
  request.truncate = true;
  EXPECT_EQ(client.Do(request, For(5000))->body.size(), 1000U);
  request.max_body = 300000;
  request.truncate = false;
  EXPECT_EQ(client.Do(request, For(5000))->body.size(), 300000U);
}

TEST(HttpClientTest, AnswerThatIsNotHttpIsCorrupt) {
  ScriptedServer server([](const std::string&) { return std::string("SSH-2.0-server\r\n\r\n"); });
  HttpClient client = ClientOf(server);
  EXPECT_EQ(client.Do(HttpRequest{}, For(5000)).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(client.Do(Change(), For(5000)).error().kind, ErrorKind::kUnknownOutcome);
}

TEST(HttpClientTest, ShortBodyIsAFailureNotAnEnd) {
  const std::string whole = HttpAnswer(200, std::string(5000, 'x'));
  ScriptedServer server([&](const std::string&) { return whole.substr(0, whole.size() - 1000); });
  HttpClient client = ClientOf(server);
  const auto response = client.Do(HttpRequest{}, For(5000));
  EXPECT_EQ(response.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("after 4000 of 5000 bytes"));
  EXPECT_EQ(client.Do(Change(), For(5000)).error().kind, ErrorKind::kUnknownOutcome);
}

TEST(HttpClientTest, ChunkedBodyIsReadToItsEndAndOnlyThenItIsOne) {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string body = head + "5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n";
  ScriptedServer server([&](const std::string& request) {
    return request.find("/cut") == std::string::npos ? body : body.substr(0, body.size() - 5) + "Connection: close";
  });
  HttpClient client = ClientOf(server);
  EXPECT_EQ(client.Do(HttpRequest{}, For(5000))->body, "hello, world");
  HttpRequest cut;
  cut.target = "/cut";
  EXPECT_FALSE(client.Do(cut, For(5000)).ok());
}

TEST(HttpClientTest, DownloadComesPieceByPieceAndOutlivesItsClient) {
  const std::string content(200000, 'y');
  ScriptedServer server([&](const std::string&) { return HttpAnswer(200, content); });
  auto client = std::make_unique<HttpClient>("web", *ParseUrl(server.url()), TlsTrust{});
  auto download = client->Open(HttpRequest{}, For(5000));
  ASSERT_TRUE(download.ok());
  EXPECT_EQ((*download)->content_length(), 200000U);
  client.reset();
  std::size_t total = 0;
  std::vector<std::byte> buffer(70000);
  for (;;) {
    const auto count = (*download)->Read(buffer, milliseconds(5000));
    ASSERT_TRUE(count.ok());
    if (*count == 0) break;
    total += *count;
  }
  EXPECT_EQ(total, content.size());
}

TEST(HttpClientTest, ThreadsUseConnectionsOfTheirOwn) {
  ScriptedServer server([](const std::string& request) { return HttpAnswer(200, request.substr(0, 10)); });
  HttpClient client = ClientOf(server);
  std::atomic<int> good = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      HttpRequest request;
      request.target = "/t" + std::to_string(t);
      for (int i = 0; i < 20; ++i) {
        const auto response = client.Do(request, For(5000));
        if (response && response->body == "GET /t" + std::to_string(t) + " HT") ++good;
      }
    });
  threads.clear();
  EXPECT_EQ(good, 80);
}

}  // namespace
}  // namespace vmferry
