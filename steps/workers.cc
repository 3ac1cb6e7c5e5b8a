// SPDX-License-Identifier: Apache-2.0
#include "steps/workers.h"

#include <exception>
#include <utility>

#include "state/digest.h"

namespace vmferry {
namespace {

Result<Json> RunBody(const WorkerBody& body, std::stop_token stop, WorkerReport& report) {
  try {
    return body(std::move(stop), report);
  } catch (const std::exception& e) {
    return Error{ErrorKind::kInternal, "vmferry", "a worker", e.what(), "report this as a bug of vmferry"};
  }
}

}  // namespace

// `result` is written by the worker's thread before `finished` and read by others only after it.
struct Workers::Worker {
  WorkerReport report;
  Result<Json> result = Json();
  std::atomic<bool> finished{false};
  std::jthread thread;  // last: joined before the rest goes
};

Workers::Workers() : id_(RandomHex(8)) {}

Workers::~Workers() {
  const std::lock_guard lock(mutex_);
  for (auto& [key, worker] : workers_) worker->thread.request_stop();
  workers_.clear();
}

WorkerView Workers::Poll(const std::string& key, const WorkerBody& body) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Worker>& slot = workers_[key];
  if (!slot) {
    slot = std::make_unique<Worker>();
    slot->thread = std::jthread([worker = slot.get(), body](std::stop_token stop) {
      worker->result = RunBody(body, std::move(stop), worker->report);
      worker->finished.store(true, std::memory_order_release);
    });
  }
  WorkerView view;
  view.finished = slot->finished.load(std::memory_order_acquire);
  view.done = slot->report.done;
  view.total = slot->report.total;
  if (view.finished) view.result = slot->result;
  return view;
}

bool Workers::Running(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto worker = workers_.find(key);
  return worker != workers_.end() && !worker->second->finished.load(std::memory_order_acquire);
}

bool Workers::Stop(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto worker = workers_.find(key);
  if (worker == workers_.end()) return true;
  worker->second->thread.request_stop();
  if (!worker->second->finished.load(std::memory_order_acquire)) return false;
  workers_.erase(worker);  // its thread is past its last statement: joining it does not wait
  return true;
}

}  // namespace vmferry
