// SPDX-License-Identifier: Apache-2.0
#include "plugins/tcp/tcp_flow.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <initializer_list>
#include <system_error>
#include <utility>

#include "plugins/connection.h"
#include "plugins/flow.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

bool Says(const std::string& message, std::initializer_list<int> codes) {
  return std::any_of(codes.begin(), codes.end(), [&](int code) {
    return message.find(std::generic_category().message(code)) != std::string::npos;
  });
}

// What a connection that did not come about proves; empty: nothing.
std::string OutcomeOf(const std::string& message) {
  if (Says(message, {ECONNREFUSED, ECONNRESET})) return "refused";
  if (Says(message, {ETIMEDOUT})) return "filtered";
  if (Says(message, {EHOSTUNREACH, EACCES, EPERM})) return "rejected";
  return "";
}

class TcpFlow final : public CallTable {
 public:
  explicit TcpFlow(std::string name) : name_(std::move(name)) {
    Serve<FlowRequest, FlowReply>(flow::kTry,
                                  [this](const auto& request, const auto& context) { return Try(request, context); });
  }
  std::string system() const override { return name_ + " (tcp)"; }

 private:
  Result<FlowReply> Try(const FlowRequest& request, const CallContext& context) const {
    const std::string object = "tcp " + request.host + ":" + std::to_string(request.port);
    if (request.host.empty() || request.port <= 0 || request.port > 65535 || request.timeout_ms <= 0)
      return Error{ErrorKind::kInvalid, system(), object, "not an address that can be tried", "write it HOST:PORT"};
    Deadline deadline(std::min(milliseconds(request.timeout_ms), context.timeout), context.stop);
    const Url server{false, request.host, std::to_string(request.port), "/"};
    const auto connection = Connection::Open(server, nullptr, deadline);
    if (connection) return FlowReply{true, "connected", ""};
    Error error = connection.error();
    const std::string outcome = deadline.stopped() ? "" : OutcomeOf(error.message);
    // Silence counts only when it lasted as long as was asked for.
    if (outcome == "filtered" && context.timeout < milliseconds(request.timeout_ms))
      return Error{ErrorKind::kUnavailable, system(), object,
                   "no answer within " + std::to_string(context.timeout.count()) + " ms, which was all that was left of " +
                       std::to_string(request.timeout_ms) + " ms",
                   "it is tried again"};
    if (!outcome.empty()) return FlowReply{false, outcome, error.message};
    error.system = system();
    error.object = object;
    return error;
  }

  const std::string name_;
};

}  // namespace

PluginKind TcpKind() {
  PluginKind kind;
  kind.name = "tcp";
  kind.purpose = "tries TCP connections from this machine, to see which flows a network lets through";
  kind.roles = {"flow"};
  kind.make = [](const PluginSetup& setup) -> Result<std::shared_ptr<Plugin>> {
    return std::shared_ptr<Plugin>(std::make_shared<TcpFlow>(setup.name));
  };
  return kind;
}

}  // namespace vmferry
