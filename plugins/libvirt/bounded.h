// SPDX-License-Identifier: Apache-2.0
//
// WithinTimeout: libvirt's calls block without a deadline and cannot be cancelled, so each runs on a thread of its own
// and the caller waits no longer than its CallContext allows. A call given up goes on to its end behind our back and
// its result is dropped: kTimedOut for a read, kUnknownOutcome for a write.
//
// Threading: `work` must own what it uses (shared pointers, copies), since it may outlive the caller.
#pragma once

#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "plugins/call.h"
#include "state/result.h"

namespace vmferry::libvirt {

// The Error for a call that was given up.
Error GivenUp(const std::string& system, const CallSpec& call, const CallContext& context);
// The Error for a call that threw.
Error Threw(const std::string& system, const CallSpec& call, const char* what);

// `long_call`: wait without a time limit, but still heed the stop token.
template <class T>
Result<T> WithinTimeout(const std::string& system, const CallSpec& call, const CallContext& context, bool long_call,
                        std::function<Result<T>()> work) {
  struct Shared {
    std::mutex mutex;
    std::condition_variable_any done;
    std::optional<Result<T>> result;
  };
  auto shared = std::make_shared<Shared>();
  std::thread thread([shared, work = std::move(work), system, call]() mutable {
    std::optional<Result<T>> result;
    try {
      result.emplace(work());
    } catch (const std::exception& e) {
      result.emplace(Threw(system, call, e.what()));
    }
    work = nullptr;  // what it holds is released before the caller goes on
    const std::scoped_lock lock(shared->mutex);
    shared->result = std::move(result);
    shared->done.notify_all();
  });

  std::unique_lock lock(shared->mutex);
  const auto ready = [&] { return shared->result.has_value(); };
  if (long_call)
    shared->done.wait(lock, context.stop, ready);
  else
    shared->done.wait_for(lock, context.stop, context.timeout, ready);
  const bool in_time = ready();
  lock.unlock();
  if (!in_time) {
    thread.detach();
    return GivenUp(system, call, context);
  }
  // Its end is waited for, so that no thread of ours is still ending while the process does.
  thread.join();
  return std::move(*shared->result);
}

}  // namespace vmferry::libvirt
