// SPDX-License-Identifier: Apache-2.0
#include "state/parallel_fold.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
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
    std::size_t hash = 0;     // of the application's name
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

  void Add(std::int64_t number, std::size_t hash, std::string_view header, std::string_view payload) {
    filling_.rows.push_back({number, hash, header.size(), payload.size()});
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
    if (error_) return;
    std::string_view rest = batch.text;
    for (const Batch::Row& row : batch.rows) {
      const std::string_view header = rest.substr(0, row.header_bytes);
      const std::string_view payload = rest.substr(row.header_bytes, row.payload_bytes);
      rest.remove_prefix(row.header_bytes + row.payload_bytes);
      if (const Status decoded = DecodeToFold(header, payload, event_); !decoded) {
        error_ = decoded.error();
        failed_at_ = row.number;
        return;
      }
      Fold(row.hash);
    }
  }

  void Fold(std::size_t hash) {
    if (event_.application.empty()) return vmferry::Fold(state_, event_);
    vmferry::Fold(Find(hash, event_.application), event_);
  }

  ApplicationState& Find(std::size_t hash, const std::string& application) {
    const auto [begin, end] = known_.equal_range(hash);
    for (auto known = begin; known != end; ++known)
      if (known->second->first == application) return known->second->second;
    const auto added = state_.applications.try_emplace(application).first;
    known_.emplace(hash, added);
    return added->second;
  }

  Batch filling_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> waiting_;
  bool ended_ = false;
  // The thread's own while it runs.
  RunState state_;
  Event event_;  // the last one; the next is read into it
  // By the hash of its name: asking it touches less memory than asking the sorted map, whose entries these are.
  std::unordered_multimap<std::size_t, std::map<std::string, ApplicationState>::iterator> known_;
  std::optional<Error> error_;
  std::int64_t failed_at_ = 0;
};

ParallelFold::ParallelFold(const std::string& run) {
  const unsigned workers = std::clamp(std::thread::hardware_concurrency(), 1U, kMostWorkers);
  for (unsigned i = 0; i < workers; ++i) workers_.push_back(std::make_unique<Worker>(run));
}

ParallelFold::~ParallelFold() = default;

void ParallelFold::Add(std::string_view application, std::string_view header, std::string_view payload) {
  const std::size_t hash = std::hash<std::string_view>()(application);
  const std::size_t worker = application.empty() ? 0 : hash % workers_.size();
  workers_[worker]->Add(added_++, hash, header, payload);
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
