// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "flow" with the plugin tcp, over this machine's own TCP.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "plugins/tcp/tcp_flow.h"
#include "tests/contracts/flow_contract.h"

namespace vmferry::contracts {
namespace {

// A bound socket of 127.0.0.1 and its port: nobody else gets it meanwhile, whether it listens or not.
class Bound {
 public:
  explicit Bound(bool listens) : socket_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    EXPECT_TRUE(!listens || listen(socket_, 8) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~Bound() { close(socket_); }
  Bound(const Bound&) = delete;
  Bound& operator=(const Bound&) = delete;
  int port() const { return port_; }

 private:
  int socket_;
  int port_ = 0;
};

class TcpHarness final : public FlowHarness {
 public:
  TcpHarness() {
    PluginSetup setup;
    setup.name = "flows";
    plugin_ = TcpKind().make(setup).value();
  }
  Plugin& plugin() override { return *plugin_; }
  FlowRequest open() override { return {"127.0.0.1", listening_.port()}; }
  FlowRequest closed() override { return {"127.0.0.1", silent_.port()}; }
  FlowRequest unresolvable() override { return {"nowhere.invalid", 80}; }

 private:
  Bound listening_{true};
  Bound silent_{false};
  std::shared_ptr<Plugin> plugin_;
};

INSTANTIATE_TEST_SUITE_P(Live, FlowContract,
                         ::testing::Values(Maker<FlowHarness>{"tcp", [] { return std::make_unique<TcpHarness>(); }}),
                         MakerName());

}  // namespace
}  // namespace vmferry::contracts
