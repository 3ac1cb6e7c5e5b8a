// SPDX-License-Identifier: Apache-2.0
//
// FakePlugin: the calls of the fake, each a free function on a Scene, run under the world's mutex. Private to this
// folder; a role's functions and its Serve... are in one file (source_calls.cc, ...).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "plugins/fake/world.h"
#include "plugins/probe.h"
#include "plugins/stream.h"

namespace vmferry {

// What one call sees.
struct Scene {
  WorldData& world;
  const std::string& system;
  const std::string call;  // "source.ClaimVm"
};

Error Fail(const Scene& scene, ErrorKind kind, std::string object, std::string message, std::string advice = "");
// By inventory path, or by a bare name that is unique. Counts as a look at the VM: a requested shutdown comes nearer.
Result<FakeVm*> ResolveVm(const Scene& scene, const std::string& name);
// Ages a lease that stands in somebody's way; true if it still stands.
bool LeaseStillOpen(const Scene& scene, FakeVm& vm);
// True if a running domain has the volume among its disks or below them.
bool InUse(const WorldData& world, const std::string& pool, const std::string& volume);

// What does not come from the world itself.
struct FakeOptions {
  std::string password;
  std::int64_t bytes_per_second = 0;  // 0: the world's
};

class FakePlugin final : public CallTable {
 public:
  FakePlugin(std::string name, std::shared_ptr<World> world, FakeOptions options);
  std::string system() const override { return system_; }

 private:
  template <class Request, class Answer>
  using Act = Result<Answer> (*)(Scene&, const Request&);

  // Serves `call` by `act`, in the world.
  template <class Request, class Answer>
  void On(const Call<Request, Answer>& call, Act<Request, Answer> act) {
    Serve<Request, Answer>(call, [this, spec = call.spec, act](const Request& request, const CallContext& context) {
      return Perform<Answer>(spec, context, [&](Scene& scene) { return act(scene, request); });
    });
  }
  template <class Answer, class Function>
  Result<Answer> Perform(const CallSpec& spec, const CallContext& context, Function function);
  Status Admit(const Scene& scene, const CallContext& context) const;

  void ServeSource();
  void ServeExports();
  void ServeVolumes();
  void ServeDomains();
  void ServeLoadBalancer();
  void ServeDns();
  void ServeProbe();
  void ServeCommand();
  void ServeMonitoring();
  void ServeBackup();
  void ServeNetworks();
  void ServeGuests();

  const std::shared_ptr<World> world_;
  const std::string system_;
  const FakeOptions options_;
};

template <class Answer, class Function>
Result<Answer> FakePlugin::Perform(const CallSpec& spec, const CallContext& context, Function function) {
  std::optional<Result<Answer>> answer;
  const Status status = world_->Change([&](WorldData& world) {
    Scene scene{world, system_, std::string(spec.role) + "." + std::string(spec.name)};
    const Status admitted = Admit(scene, context);
    answer.emplace(admitted ? function(scene) : Result<Answer>(admitted.error()));
  });
  if (!status) return status.error();
  return std::move(*answer);
}

}  // namespace vmferry
