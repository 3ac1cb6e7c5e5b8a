// SPDX-License-Identifier: Apache-2.0
//
// Filters: plugins around a plugin. Each sees every call of every role at the one interception point, Plugin::Invoke,
// and may be stacked on others in any order: ReadOnly(Logged(plugin)).
// Threading: as Plugin; callbacks may be called from several threads at once and must not throw.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "plugins/call.h"

namespace vmferry {

// Refuses every call marked write with kDenied before it gets anywhere: what a dry run and a check get.
std::shared_ptr<Plugin> ReadOnly(std::shared_ptr<Plugin> inner);

// One finished call. No request and no reply: they may be large, or private.
struct CallLine {
  std::string system;
  CallSpec call;
  std::chrono::microseconds took{0};
  std::optional<Error> error;
};
std::shared_ptr<Plugin> Logged(std::shared_ptr<Plugin> inner, std::function<void(const CallLine&)> sink);

// What goes wrong with one call, for tests and simulation.
struct Fault {
  enum class Kind {
    kNone,
    kBefore,      // fails with `error`; the plugin behind is not asked
    kLostAnswer,  // the plugin behind does it, then the answer is lost: kUnknownOutcome for a write, kUnavailable else
  };
  Kind kind = Kind::kNone;
  ErrorKind error = ErrorKind::kUnavailable;
};
using FaultPicker = std::function<Fault(const CallSpec& call, const Json& request)>;
std::shared_ptr<Plugin> Faulty(std::shared_ptr<Plugin> inner, FaultPicker pick);

// How often each call was made, by "role.Name". Any thread.
class CallCounts {
 public:
  void Add(const CallSpec& call);
  std::uint64_t Of(const CallSpec& call) const;
  std::uint64_t writes() const;
  std::uint64_t total() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::uint64_t> calls_;
  std::uint64_t writes_ = 0;
  std::uint64_t total_ = 0;
};
std::shared_ptr<Plugin> Counted(std::shared_ptr<Plugin> inner, std::shared_ptr<CallCounts> counts);

}  // namespace vmferry
