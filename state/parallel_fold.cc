// SPDX-License-Identifier: Apache-2.0
#include "state/parallel_fold.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "state/chain.h"

namespace vmferry {
namespace {

constexpr std::size_t kBatchBytes = std::size_t{64} << 10;
constexpr std::size_t kBatchesWaiting = 4;  // of a worker
constexpr unsigned kMostWorkers = 4;        // reading the file keeps no more than that busy

// Rows one after the other: far fewer allocations than a string for each header and payload.
struct Batch {
  struct Row {
    std::int64_t number = 0;  // of the run's events
    std::size_t header_bytes = 0;
    std::size_t payload_bytes = 0;
  };
  std::vector<Row> rows;
  std::string text;
};

}  // namespace

class ParallelFold::Worker {
 public:
  explicit Worker(const std::string& run) { state_.run = run; }
  ~Worker() { Stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  void Add(std::int64_t number, std::string_view header, std::string_view payload) {
    filling_.rows.push_back({number, header.size(), payload.size()});
    filling_.text.append(header).append(payload);
    if (filling_.text.size() >= kBatchBytes) HandOver();
  }

  // Folds what is left, by its thread if it came to have one.
  void Finish() {
    if (!thread_.joinable()) return Fold(std::exchange(filling_, {}));
    HandOver();
    Stop();
  }

  RunState& state() { return state_; }
  std::int64_t failed_at() const { return failed_at_; }  // the number of the row that `error` is about
  const std::optional<Error>& error() const { return error_; }

 private:
  void HandOver() {
    if (!thread_.joinable()) thread_ = std::thread([this] { Work(); });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_.size() < kBatchesWaiting; });
    waiting_.push_back(std::exchange(filling_, {}));
    changed_.notify_all();
  }

  void Stop() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void Work() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return ended_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const Batch batch = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      changed_.notify_all();
      Fold(batch);
    }
  }

  void Fold(const Batch& batch) {
    std::string_view rest = batch.text;
    for (const Batch::Row& row : batch.rows) {
      if (error_) return;
      const std::string_view header = rest.substr(0, row.header_bytes);
      const std::string_view payload = rest.substr(row.header_bytes, row.payload_bytes);
      rest.remove_prefix(row.header_bytes + row.payload_bytes);
      const Result<Event> event = DecodeToFold(header, payload);
      if (event) {
        Fold(*event);
        continue;
      }
      error_ = event.error();
      failed_at_ = row.number;
    }
  }

  void Fold(const Event& event) {
    if (event.application.empty()) return vmferry::Fold(state_, event);
    ApplicationState*& application = known_[event.application];
    if (!application) application = &state_.applications[event.application];
    vmferry::Fold(*application, event);
  }

  Batch filling_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  bool ended_ = false;
  // The thread's own while it runs.
  RunState state_;
  std::unordered_map<std::string, ApplicationState*> known_;  // faster to ask than the sorted map
  std::optional<Error> error_;
  std::int64_t failed_at_ = 0;
};

ParallelFold::ParallelFold(std::string run) : run_(std::move(run)) {
  const unsigned workers = std::clamp(std::thread::hardware_concurrency(), 1U, kMostWorkers);
  for (unsigned i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>(run_));
}

ParallelFold::~ParallelFold() = default;

void ParallelFold::Add(std::string_view application, std::string_view header, std::string_view payload) {
  const std::size_t worker = application.empty() ? 0 : std::hash<std::string_view>()(application) % workers_.size();
  workers_[worker]->Add(added_++, header, payload);
}

Result<RunState> ParallelFold::Finish() {
  for (const auto& worker : workers_) worker->Finish();
  const Worker* failed = nullptr;
  for (const auto& worker : workers_)
    if (worker->error() && (!failed || worker->failed_at() < failed->failed_at())) failed = worker.get();
  if (failed) return *failed->error();
  RunState state = std::move(workers_.front()->state());  // the run's own chain is its
  for (const auto& worker : workers_) state.applications.merge(worker->state().applications);
  return state;
}

}  // namespace vmferry
