// SPDX-License-Identifier: Apache-2.0
//
// Workers: long work (copying, converting) beside the engine. A step's Apply starts a worker under its idempotency
// key, polls it, and finds it again by the same key. Workers live in the process: after a crash Poll starts anew, and
// the body goes on from what it left outside (a half-written volume).
//
// Threading: all calls from any thread. The destructor asks every worker to stop and waits for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>

#include "plugins/call.h"
#include "state/result.h"

namespace vmferry {

// The worker's side: what it reports and when it must end.
struct WorkerReport {
  std::atomic<std::uint64_t> done{0};
  std::atomic<std::uint64_t> total{0};
};
using WorkerBody = std::function<Result<Json>(std::stop_token stop, WorkerReport& report)>;

struct WorkerView {
  bool finished = false;
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  Result<Json> result = Json();  // when finished
};

class Workers {
 public:
  Workers();
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  // Random, of this object: a handle that carries another id was made by a process that is gone, workers and all.
  const std::string& id() const { return id_; }
  // Starts `body` in a thread of its own unless a worker of this key runs or has finished; says how it stands.
  WorkerView Poll(const std::string& key, const WorkerBody& body);
  bool Running(const std::string& key) const;
  // Asks the worker to stop; true once it has ended (or never was), and then its result is forgotten, so that the
  // next Poll starts anew. Never blocks.
  bool Stop(const std::string& key);

 private:
  struct Worker;
  const std::string id_;
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<Worker>> workers_;
};

}  // namespace vmferry
