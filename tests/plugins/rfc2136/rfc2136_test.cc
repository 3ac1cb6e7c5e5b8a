// SPDX-License-Identifier: Apache-2.0
//
// The plugin rfc2136 where no name server is needed, or a bad one. What real ones do to it: tests/lab/e2e/dns_test.py.
#include "plugins/rfc2136/rfc2136.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <thread>

#include "plugins/dns.h"
#include "plugins/rfc2136/message.h"

namespace vmferry {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

constexpr char kSecret[] = "c2VjcmV0IG9mIHRoZSB0ZXN0";

// Answers each message over TCP with what a script makes of it; "" closes without an answer, kSilent says nothing.
const std::string kSilent = "silent";
class BadServer {
 public:
  explicit BadServer(std::function<std::string(const std::string&)> script) : script_(std::move(script)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 8) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no port");
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](std::stop_token stop) { Run(stop); });
  }
  ~BadServer() {
    thread_.request_stop();
    thread_.join();
    close(listener_);
  }
  BadServer(const BadServer&) = delete;
  BadServer& operator=(const BadServer&) = delete;
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

 private:
  void Run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd set{listener_, POLLIN, 0};
      if (poll(&set, 1, 20) <= 0) continue;
      const int peer = accept(listener_, nullptr, nullptr);
      Converse(peer, stop);
      close(peer);
    }
  }
  void Converse(int peer, const std::stop_token& stop) const {
    std::string request;
    std::array<char, 4096> buffer;
    while (request.size() < 2 || request.size() < 2 + Length(request)) {
      const ssize_t count = recv(peer, buffer.data(), buffer.size(), 0);
      if (count <= 0) return;
      request.append(buffer.data(), static_cast<std::size_t>(count));
    }
    const std::string answer = script_(request.substr(2));
    while (answer == kSilent && !stop.stop_requested()) {
      pollfd set{peer, POLLIN, 0};
      if (poll(&set, 1, 20) > 0) return;  // the client has gone
    }
    if (answer.empty() || answer == kSilent) return;
    const std::string framed{static_cast<char>(answer.size() >> 8U), static_cast<char>(answer.size() & 0xFFU)};
    (void)send(peer, framed.data(), framed.size(), MSG_NOSIGNAL);
    (void)send(peer, answer.data(), answer.size(), MSG_NOSIGNAL);
  }
  static std::size_t Length(const std::string& framed) {
    const auto byte = [&](std::size_t at) { return std::size_t{static_cast<unsigned char>(framed[at])}; };
    return byte(0) << 8U | byte(1);
  }

  std::function<std::string(const std::string&)> script_;
  const int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int port_ = 0;
  std::jthread thread_;
};

Json Settings(const std::string& server) {
  return {{"servers", {server}},       {"zones", {"example.com", "eu.example.com"}},
          {"keyName", "vmferry.test"}, {"keySecret", "env:SECRET"}};
}

Result<std::shared_ptr<Plugin>> Make(const Json& settings, const std::string& secret = kSecret) {
  return Rfc2136Kind().make(
      PluginSetup{"names", settings, [secret](const std::string&) { return Result<std::string>(secret); }});
}

Result<RecordFacts> Ask(Plugin& plugin, const RecordQuery& query, std::chrono::milliseconds timeout = 20s) {
  CallContext context;
  context.timeout = timeout;
  return Invoke(plugin, dns::kDescribeRecords, query, context);
}

Error ErrorOf(const Result<RecordFacts>& result) {
  EXPECT_FALSE(result.ok());
  return result ? Error{} : result.error();
}

// The request's id and question, as an answer without a signature.
std::string UnsignedAnswer(const std::string& request) {
  const std::size_t name_end = request.find('\0', 12);
  std::string answer = request.substr(0, name_end + 5);
  answer[2] = static_cast<char>(0x84);  // QR, AA
  answer[11] = 0;                       // no TSIG
  return answer;
}

TEST(Rfc2136, RefusesSettingsThatCannotWork) {
  const std::vector<std::tuple<std::string, Json, std::string>> cases{
      {"servers", Json::array(), "no servers"},
      {"servers", {"http://ns1"}, "no address of a server"},
      {"zones", {"exa mple.com"}, "is no domain name"},
      {"keyName", "", "is no domain name"},
      {"keyAlgorithm", "hmac-md5", "is not offered"},
  };
  for (const auto& [name, value, words] : cases) {
    Json settings = Settings("127.0.0.1");
    settings[name] = value;
    const auto made = Make(settings);
    ASSERT_FALSE(made) << name << " " << value;
    EXPECT_EQ(made.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(Describe(made.error()), HasSubstr(words));
  }
}

TEST(Rfc2136, TakesServersWithAndWithoutPorts) {
  Json settings = Settings("127.0.0.1");
  settings["servers"] = {"ns1.example.com", "10.0.0.1:5353", "[::1]:54", "fd00::1"};
  const auto made = Make(settings);
  ASSERT_TRUE(made) << Describe(made.error());
  EXPECT_EQ((*made)->system(), "names (rfc2136 ns1.example.com:53, 10.0.0.1:5353, [::1]:54, [fd00::1]:53)");
}

TEST(Rfc2136, RefusesWhatItCannotAskForBeforeItAsks) {
  const auto plugin = *Make(Settings("127.0.0.1:1"));  // nobody listens
  const std::vector<std::pair<RecordQuery, std::string>> cases{
      {{"shop.example.org", "A", {}}, "in none of the zones of this entry: example.com, eu.example.com"},
      {{"notexample.com", "A", {}}, "in none of the zones"},
      {{"shop example.com", "A", {}}, "is no domain name"},
      {{"a..example.com", "A", {}}, "is no domain name"},
      {{"shop.example.com", "NS", {}}, "records of type \"NS\" are not handled"},
      {{"shop.example.com", "A", {"10.0.0.256"}}, "\"10.0.0.256\" cannot be the value of an A record"},
      {{"shop.example.com", "A", {"10.0.0.1\n10.0.0.2"}}, "cannot be the value"},
      {{"shop.example.com", "AAAA", {"10.0.0.1"}}, "cannot be the value of an AAAA record"},
  };
  for (const auto& [query, words] : cases) {
    const Error error = ErrorOf(Ask(*plugin, query));
    EXPECT_EQ(error.kind, ErrorKind::kInvalid) << Describe(error);
    EXPECT_THAT(Describe(error), HasSubstr(words));
    EXPECT_THAT(error.object, HasSubstr("record "));
  }
}

TEST(Rfc2136, NobodyListeningIsUnavailable) {
  const Error error = ErrorOf(Ask(**Make(Settings("127.0.0.1:1")), {"shop.example.com", "A", {}}));
  EXPECT_EQ(error.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(error.object, HasSubstr("record shop.example.com A, server 127.0.0.1:1"));
}

TEST(Rfc2136, ASecretThatIsNoBase64IsRefusedAndNotRepeated) {
  const Error error = ErrorOf(Ask(**Make(Settings("127.0.0.1:1"), "top!secret"), {"shop.example.com", "A", {}}));
  EXPECT_EQ(error.kind, ErrorKind::kInvalid);
  EXPECT_THAT(error.message, HasSubstr("not base64"));
  EXPECT_THAT(Describe(error), Not(HasSubstr("top!secret")));
}

TEST(Rfc2136, AnUnsignedAnswerIsNotBelieved) {
  BadServer server(UnsignedAnswer);
  const Error error = ErrorOf(Ask(**Make(Settings(server.address())), {"shop.example.com", "A", {}}));
  EXPECT_EQ(error.kind, ErrorKind::kDenied);
  EXPECT_THAT(error.message, HasSubstr("(NOERROR) is not signed with key vmferry.test"));
}

TEST(Rfc2136, AnAnswerThatOnlyRepeatsTheRequestsSignatureIsNotBelieved) {
  BadServer server([](std::string request) {
    request[2] = static_cast<char>(0x84);
    return request;
  });
  const Error error = ErrorOf(Ask(**Make(Settings(server.address())), {"shop.example.com", "A", {}}));
  EXPECT_EQ(error.kind, ErrorKind::kDenied) << Describe(error);
}

TEST(Rfc2136, AnswersToSomethingElseAndRubbishAreCorrupt) {
  const std::vector<std::function<std::string(const std::string&)>> scripts{
      [](const std::string&) { return std::string("rubbish"); },
      [](const std::string& request) { return request; },  // a question is no answer
      [](const std::string& request) {
        std::string answer = UnsignedAnswer(request);
        answer[0] = static_cast<char>(answer[0] ^ 1);  // another id
        return answer;
      },
      [](const std::string& request) {
        std::string answer = UnsignedAnswer(request);
        answer[13] = 'x';  // another name
        return answer;
      }};
  for (const auto& script : scripts) {
    BadServer server(script);
    const Error error = ErrorOf(Ask(**Make(Settings(server.address())), {"shop.example.com", "A", {}}));
    EXPECT_EQ(error.kind, ErrorKind::kCorrupt) << Describe(error);
  }
}

TEST(Rfc2136, ACutConnectionIsUnavailableAndSilenceEndsWithTheCallsTime) {
  BadServer cutting([](const std::string&) { return std::string(); });
  const Error cut = ErrorOf(Ask(**Make(Settings(cutting.address())), {"shop.example.com", "A", {}}));
  EXPECT_EQ(cut.kind, ErrorKind::kUnavailable);
  EXPECT_THAT(cut.message, HasSubstr("closed the connection"));
  BadServer silent([](const std::string&) { return kSilent; });
  const auto began = std::chrono::steady_clock::now();
  const Error quiet = ErrorOf(Ask(**Make(Settings(silent.address())), {"shop.example.com", "A", {}}, 200ms));
  EXPECT_EQ(quiet.kind, ErrorKind::kTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 9s) << "before its own patience ends";
}

// Whatever the server does with it: it can take away nothing but a value that is not there.
TEST(Rfc2136, AnUpdateThatOnlyAsksHasNothingToChange) {
  const TsigKey key{"vmferry.test", "hmac-sha256", kSecret};
  const auto counts = [&](const std::string& type, const RecordSet& there) {
    const auto message = MakeIdleUpdate("example.com", "shop.example.com", type, there, key);
    EXPECT_TRUE(message.ok());
    const auto number = [&](std::size_t at) { return message->wire.at(at) << 8 | message->wire.at(at + 1); };
    EXPECT_EQ(message->wire.at(2) >> 3 & 15, 5) << "an update (RFC 2136 section 1.3)";
    return std::pair{number(6), number(8)};  // prerequisites, updates (section 2.2)
  };
  for (const char* type : {"A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TXT"}) {
    SCOPED_TRACE(type);
    EXPECT_EQ(counts(type, {}), std::pair(1, 1));
  }
  EXPECT_EQ(counts("A", {{"10.0.0.1", "10.0.0.2"}, 300}), std::pair(2, 1));
  EXPECT_EQ(counts("A", {{"0.0.0.0"}, 300}), std::pair(1, 0)) << "the value is there, and is not taken away";
  EXPECT_EQ(counts("AAAA", {{"::"}, 300}), std::pair(1, 0));
}

TEST(Rfc2136, AnAnswerToWhatOnlyAsksMustBeSignedAndLeavesNoDoubt) {
  const auto plugin = [](BadServer& server) { return Make(Settings(server.address())).value(); };
  const auto ask = [](Plugin& names) {
    return Invoke(names, dns::kCheckSetRecords, RecordSetName{"shop.example.com", "A"}, CallContext{});
  };
  BadServer unsigned_server(UnsignedAnswer);
  EXPECT_EQ(ask(*plugin(unsigned_server)).error().kind, ErrorKind::kDenied);
  BadServer cut([](const std::string&) { return std::string(); });
  EXPECT_EQ(ask(*plugin(cut)).error().kind, ErrorKind::kUnavailable);
}

TEST(Rfc2136, AStopEndsTheWait) {
  BadServer silent([](const std::string&) { return kSilent; });
  std::stop_source stop;
  CallContext context;
  context.stop = stop.get_token();
  std::jthread stopper([&] {
    std::this_thread::sleep_for(100ms);
    stop.request_stop();
  });
  const auto plugin = *Make(Settings(silent.address()));
  const auto began = std::chrono::steady_clock::now();
  const auto answer = Invoke(*plugin, dns::kDescribeRecords, RecordQuery{"shop.example.com", "A", {}}, context);
  EXPECT_EQ(ErrorOf(answer).kind, ErrorKind::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 9s);
}

}  // namespace
}  // namespace vmferry
