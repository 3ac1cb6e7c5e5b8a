// SPDX-License-Identifier: Apache-2.0
//
// WorkPool: threads for calls that may block. Unlike boost::asio::thread_pool, which wakes a thread for each piece of
// work, it wakes one when told to, and that one the next: short pieces that come together are done by the threads that
// are awake already, and long ones still get all threads.
//
// Threading: Add and Wake from any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vmferry {

class WorkPool {
 public:
  using Work = std::function<void()>;
  explicit WorkPool(std::size_t threads);
  // Drops what has not begun and waits for what has.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  void Add(Work work);
  // After one or more Adds; without it, work waits for a thread that is awake.
  void Wake();

 private:
  void Serve();
  bool MustWake();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Work> queue_;
  std::size_t idle_ = 0;
  bool waking_ = false;  // a thread was woken and has not looked yet: holds while there is both work and an idle thread
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace vmferry
