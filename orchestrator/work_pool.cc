// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/work_pool.h"

#include <utility>

namespace vmferry {

WorkPool::WorkPool(std::size_t threads) {
  threads_.reserve(threads);
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { Serve(); });
}

WorkPool::~WorkPool() {
  std::deque<Work> dropped;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    dropped.swap(queue_);
  }
  dropped.clear();
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkPool::Add(Work work) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
}

void WorkPool::Wake() {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = MustWake();
  }
  if (wake) work_.notify_one();
}

// With the mutex held. True: the caller notifies.
bool WorkPool::MustWake() {
  if (waking_ || queue_.empty() || idle_ == 0) return false;
  waking_ = true;
  return true;
}

void WorkPool::Serve() {
  std::unique_lock lock(mutex_);
  for (;;) {
    while (queue_.empty() && !ending_) {
      ++idle_;
      work_.wait(lock);
      --idle_;
      waking_ = false;
    }
    if (ending_) return;
    Work work = std::move(queue_.front());
    queue_.pop_front();
    const bool wake = MustWake();
    lock.unlock();
    if (wake) work_.notify_one();
    work();
    work = nullptr;  // what it holds goes without the mutex
    lock.lock();
  }
}

}  // namespace vmferry
