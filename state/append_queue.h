// SPDX-License-Identifier: Apache-2.0
//
// AppendQueue: the journal's thread. It takes the first append that waits, drains what waits behind it, has the group
// made durable by one commit, and acknowledges all of it in order.
//
// Threading: Push and PushAndWait from any thread; `commit` and every `done` run on the queue's own thread, one at a
// time. Back-pressure: a full queue makes the pusher wait, except on the queue's own thread (a `done` that appends),
// where waiting would never end. What failure looks like: the first failed commit is final; its group and everything
// after it gets the error, nothing is tried again. The destructor commits what still waits.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "state/chain.h"
#include "state/result.h"

namespace vmferry {

struct AppendLimits {
  std::size_t queued_events = 16384;
  std::size_t queued_bytes = std::size_t{64} << 20;
  std::size_t group_events = 2048;  // of one commit: keeps the acknowledgement of the first from waiting for the last
};

class AppendQueue {
 public:
  using Done = std::function<void(Result<std::vector<Event>>)>;
  using Prepared = Result<std::vector<SealedEvent>>;
  struct Append {
    Prepared events;  // or why they could not be prepared
    Done done;        // must not throw
  };
  using Group = std::vector<Append>;
  // Seals and stores all events of the group or none.
  using Commit = std::function<Status(Group& group)>;

  AppendQueue(Commit commit, AppendLimits limits);
  ~AppendQueue();
  AppendQueue(const AppendQueue&) = delete;
  AppendQueue& operator=(const AppendQueue&) = delete;

  void Push(Prepared events, Done done);
  Result<std::vector<Event>> PushAndWait(Prepared events);

 private:
  bool Full() const;
  bool OnOwnThread() const { return std::this_thread::get_id() == thread_.get_id(); }
  Group TakeGroup();  // empty: the end
  void Acknowledge(Group& group, const Status& status);
  void Run();

  const Commit commit_;
  const AppendLimits limits_;
  std::optional<Error> broken_;  // the queue's thread only
  std::mutex mutex_;
  std::condition_variable work_, space_;
  std::deque<Append> queue_;
  std::size_t events_ = 0, bytes_ = 0;  // queued
  bool ending_ = false;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace vmferry
