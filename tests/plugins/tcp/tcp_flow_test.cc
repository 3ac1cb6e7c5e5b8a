// SPDX-License-Identifier: Apache-2.0
#include "plugins/tcp/tcp_flow.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "plugins/flow.h"

namespace vmferry {
namespace {

// A socket on loopback; with `backlog` below 0 nobody listens on it.
class Port {
 public:
  explicit Port(int backlog) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (backlog >= 0) {
      EXPECT_EQ(listen(fd_, backlog), 0);
    }
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    number_ = ntohs(address.sin_port);
  }
  ~Port() { close(fd_); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  int number() const { return number_; }

 private:
  int fd_;
  int number_ = 0;
};

std::shared_ptr<Plugin> Make() {
  return *TcpKind().make(PluginSetup{"tcp", Json::object(), nullptr});
}

Result<FlowReply> Try(const std::string& host, int port, int timeout_ms = 10000) {
  return Invoke(*Make(), flow::kTry, FlowRequest{host, port, timeout_ms}, CallContext{});
}

TEST(TcpFlow, AListenerIsConnected) {
  const Port port(5);
  const auto reply = Try("127.0.0.1", port.number());
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_TRUE(reply->connected);
  EXPECT_EQ(reply->outcome, "connected");
}

TEST(TcpFlow, APortWithoutListenerIsRefused) {
  const Port port(-1);
  const auto reply = Try("127.0.0.1", port.number());
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_FALSE(reply->connected);
  EXPECT_EQ(reply->outcome, "refused");
  EXPECT_NE(reply->why.find("Connection refused"), std::string::npos) << reply->why;
}

// A listener whose queue is full answers nothing, like a filter that drops.
class Silent {
 public:
  Silent() {
    for (int i = 0; i < 4; ++i) {
      waiting_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(port_.number()));
      (void)connect(waiting_.back(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    }
  }
  ~Silent() {
    for (const int fd : waiting_) close(fd);
  }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;
  int number() const { return port_.number(); }

 private:
  const Port port_{0};
  std::vector<int> waiting_;
};

// A try that had less time than it was to have took the silence for a filter, so that a slow start proved a denied
// flow. It proves nothing now.
TEST(TcpFlow, SilenceInTooShortATimeProvesNothing) {
  const Silent port;
  CallContext context;
  context.timeout = std::chrono::milliseconds(200);
  const auto reply = Invoke(*Make(), flow::kTry, FlowRequest{"127.0.0.1", port.number(), 3000}, context);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(reply.error().message.find("all that was left of 3000 ms"), std::string::npos) << reply.error().message;
}

TEST(TcpFlow, SilenceIsFiltered) {
  const Silent port;
  const auto begun = std::chrono::steady_clock::now();
  const auto reply = Try("127.0.0.1", port.number(), 300);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, std::chrono::milliseconds(250));
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_FALSE(reply->connected);
  EXPECT_EQ(reply->outcome, "filtered");
}

TEST(TcpFlow, ANameThatDoesNotResolveProvesNothing) {
  const auto reply = Try("no-such-host.invalid", 80);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_EQ(reply.error().system, "tcp (tcp)");
  EXPECT_EQ(reply.error().object, "tcp no-such-host.invalid:80");
}

TEST(TcpFlow, AStopProvesNothing) {
  CallContext context;
  std::stop_source stop;
  stop.request_stop();
  context.stop = stop.get_token();
  const Port port(5);
  const auto reply = Invoke(*Make(), flow::kTry, FlowRequest{"127.0.0.1", port.number(), 1000}, context);
  EXPECT_TRUE(!reply || reply->connected) << "never taken for a denied flow";
}

}  // namespace
}  // namespace vmferry
