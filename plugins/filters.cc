// SPDX-License-Identifier: Apache-2.0
#include "plugins/filters.h"

#include <utility>

namespace vmferry {
namespace {

std::string FullName(const CallSpec& call) {
  return std::string(call.role) + "." + std::string(call.name);
}

// A filter is a function from a call and the plugin behind it to a reply.
class Filter final : public Plugin {
 public:
  using Body = std::function<Result<Reply>(Plugin&, const CallSpec&, const Json&, const CallContext&)>;
  Filter(std::shared_ptr<Plugin> inner, Body body) : inner_(std::move(inner)), body_(std::move(body)) {}
  std::string system() const override { return inner_->system(); }
  Result<Reply> Invoke(const CallSpec& call, const Json& request, const CallContext& context) override {
    return body_(*inner_, call, request, context);
  }

 private:
  std::shared_ptr<Plugin> inner_;
  Body body_;
};

Result<Reply> LoseAnswer(Plugin& inner, const CallSpec& call, const Json& request, const CallContext& context) {
  const Result<Reply> ignored = inner.Invoke(call, request, context);
  const ErrorKind kind = call.access == Access::kWrite ? ErrorKind::kUnknownOutcome : ErrorKind::kUnavailable;
  return Error{kind, inner.system(), "", FullName(call) + ": the answer was lost (simulated)", ""};
}

}  // namespace

std::shared_ptr<Plugin> ReadOnly(std::shared_ptr<Plugin> inner) {
  return std::make_shared<Filter>(
      std::move(inner),
      [](Plugin& plugin, const CallSpec& call, const Json& request, const CallContext& context) -> Result<Reply> {
        if (call.access == Access::kRead) return plugin.Invoke(call, request, context);
        return Error{ErrorKind::kDenied, plugin.system(), "",
                     "dry run: " + FullName(call) + " may change something and was refused",
                     "only an effect step of a real run may do this"};
      });
}

std::shared_ptr<Plugin> Logged(std::shared_ptr<Plugin> inner, std::function<void(const CallLine&)> sink) {
  return std::make_shared<Filter>(
      std::move(inner),
      [sink = std::move(sink)](Plugin& plugin, const CallSpec& call, const Json& request,
                               const CallContext& context) -> Result<Reply> {
        const auto start = std::chrono::steady_clock::now();
        Result<Reply> reply = plugin.Invoke(call, request, context);
        CallLine line;
        line.system = plugin.system();
        line.call = call;
        line.took = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
        if (!reply) line.error = reply.error();
        sink(line);
        return reply;
      });
}

std::shared_ptr<Plugin> Faulty(std::shared_ptr<Plugin> inner, FaultPicker pick) {
  return std::make_shared<Filter>(
      std::move(inner),
      [pick = std::move(pick)](Plugin& plugin, const CallSpec& call, const Json& request,
                               const CallContext& context) -> Result<Reply> {
        const Fault fault = pick(call, request);
        if (fault.kind == Fault::Kind::kNone) return plugin.Invoke(call, request, context);
        if (fault.kind == Fault::Kind::kLostAnswer) return LoseAnswer(plugin, call, request, context);
        return Error{fault.error, plugin.system(), "", FullName(call) + " failed (simulated)", ""};
      });
}

std::shared_ptr<Plugin> Counted(std::shared_ptr<Plugin> inner, std::shared_ptr<CallCounts> counts) {
  return std::make_shared<Filter>(
      std::move(inner), [counts = std::move(counts)](Plugin& plugin, const CallSpec& call, const Json& request,
                                                     const CallContext& context) {
        counts->Add(call);
        return plugin.Invoke(call, request, context);
      });
}

void CallCounts::Add(const CallSpec& call) {
  const std::scoped_lock lock(mutex_);
  ++calls_[FullName(call)];
  ++total_;
  if (call.access == Access::kWrite) ++writes_;
}

std::uint64_t CallCounts::Of(const CallSpec& call) const {
  const std::scoped_lock lock(mutex_);
  const auto found = calls_.find(FullName(call));
  return found == calls_.end() ? 0 : found->second;
}

std::uint64_t CallCounts::writes() const {
  const std::scoped_lock lock(mutex_);
  return writes_;
}

std::uint64_t CallCounts::total() const {
  const std::scoped_lock lock(mutex_);
  return total_;
}

}  // namespace vmferry
