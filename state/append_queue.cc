// SPDX-License-Identifier: Apache-2.0
#include "state/append_queue.h"

#include <utility>

namespace vmferry {
namespace {

struct Size {
  std::size_t events = 0, bytes = 0;
};

Size SizeOf(const AppendQueue::Prepared& prepared) {
  Size size;
  if (!prepared) return size;
  size.events = prepared->size();
  for (const SealedEvent& sealed : *prepared) size.bytes += sealed.payload.size();
  return size;
}

Error RefusedSince(const Error& first) {
  Error error = first;
  error.kind = ErrorKind::kUnavailable;  // this one was certainly not written
  error.message = "refuses further events since an append failed: " + first.message;
  return error;
}

}  // namespace

AppendQueue::AppendQueue(Commit commit, AppendLimits limits)
    : commit_(std::move(commit)), limits_(limits), thread_([this] { Run(); }) {}

AppendQueue::~AppendQueue() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  work_.notify_one();
  thread_.join();
}

bool AppendQueue::Full() const {
  return events_ >= limits_.queued_events || bytes_ >= limits_.queued_bytes;
}

void AppendQueue::Push(Prepared events, Done done) {
  const Size size = SizeOf(events);
  bool wake = false;
  {
    std::unique_lock lock(mutex_);
    if (!OnOwnThread()) space_.wait(lock, [this] { return !Full(); });
    wake = queue_.empty();
    queue_.push_back(Append{std::move(events), std::move(done)});
    events_ += size.events;
    bytes_ += size.bytes;
  }
  if (wake) work_.notify_one();
}

Result<std::vector<Event>> AppendQueue::PushAndWait(Prepared events) {
  if (OnOwnThread())
    return Error{.kind = ErrorKind::kInternal,
                 .system = "journal",
                 .object = "",
                 .message = "Append was called on the journal's own thread, where it would wait for itself",
                 .advice = "use AppendAsync there"};
  std::mutex mutex;
  std::condition_variable ready;
  std::optional<Result<std::vector<Event>>> result;
  Push(std::move(events), [&](Result<std::vector<Event>> outcome) {
    const std::lock_guard lock(mutex);
    result.emplace(std::move(outcome));
    ready.notify_one();  // under the lock: the waiter's stack frame may be gone right after it
  });
  std::unique_lock lock(mutex);
  ready.wait(lock, [&] { return result.has_value(); });
  return *std::move(result);
}

AppendQueue::Group AppendQueue::TakeGroup() {
  Group group;
  {
    std::unique_lock lock(mutex_);
    work_.wait(lock, [this] { return !queue_.empty() || ending_; });
    for (std::size_t taken = 0; !queue_.empty() && taken < limits_.group_events;) {
      const Size size = SizeOf(queue_.front().events);
      taken += size.events;
      events_ -= size.events;
      bytes_ -= size.bytes;
      group.push_back(std::move(queue_.front()));
      queue_.pop_front();
    }
  }
  space_.notify_all();
  return group;
}

void AppendQueue::Acknowledge(Group& group, const Status& status) {
  for (Append& append : group) {
    if (!append.events) {
      append.done(append.events.error());
    } else if (!status) {
      append.done(status.error());
    } else {
      std::vector<Event> events;
      events.reserve(append.events->size());
      for (SealedEvent& sealed : *append.events) events.push_back(std::move(sealed.event));
      append.events = std::vector<SealedEvent>();  // a large wave's bytes are gone before anybody goes on
      append.done(std::move(events));
    }
  }
}

void AppendQueue::Run() {
  for (Group group = TakeGroup(); !group.empty(); group = TakeGroup()) {
    const Status status = broken_ ? Status(RefusedSince(*broken_)) : commit_(group);
    if (!status && !broken_) broken_ = status.error();
    Acknowledge(group, status);
  }
}

}  // namespace vmferry
