// SPDX-License-Identifier: Apache-2.0
#include "state/append_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

AppendQueue::Prepared One(const std::string& application = "a") {
  return PrepareAll({MakeEvent("r", application)});
}

// Commits that wait until they are let through, and remember the sizes of the groups.
class Gate {
 public:
  AppendQueue::Commit Commit() {
    return [this](AppendQueue::Group& group) -> Status {
      std::unique_lock lock(mutex_);
      sizes_.push_back(group.size());
      reached_.notify_all();
      opened_.wait(lock, [this] { return open_; });
      return Ok();
    };
  }
  void AwaitGroups(std::size_t count) {
    std::unique_lock lock(mutex_);
    reached_.wait(lock, [&] { return sizes_.size() >= count; });
  }
  void Open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    opened_.notify_all();
  }
  std::vector<std::size_t> sizes() {
    const std::lock_guard lock(mutex_);
    return sizes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable reached_, opened_;
  bool open_ = false;
  std::vector<std::size_t> sizes_;
};

TEST(AppendQueue, WhatWaitsBehindACommitSharesTheNext) {
  Gate gate;
  std::vector<int> order;
  {
    AppendQueue queue(gate.Commit(), {});
    queue.Push(One(), [&](const auto&) { order.push_back(0); });
    gate.AwaitGroups(1);
    for (int i = 1; i <= 10; ++i) queue.Push(One(), [&order, i](const auto&) { order.push_back(i); });
    gate.Open();
  }
  EXPECT_EQ(gate.sizes(), (std::vector<std::size_t>{1, 10}));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

TEST(AppendQueue, GroupsAreBounded) {
  Gate gate;
  {
    AppendQueue queue(gate.Commit(), AppendLimits{.group_events = 4});
    queue.Push(One(), [](const auto&) {});
    gate.AwaitGroups(1);
    for (int i = 0; i < 10; ++i) queue.Push(One(), [](const auto&) {});
    gate.Open();
  }
  EXPECT_EQ(gate.sizes(), (std::vector<std::size_t>{1, 4, 4, 2}));
}

void ExpectThatAThirdPushWaits(const AppendLimits& limits) {
  Gate gate;
  AppendQueue queue(gate.Commit(), limits);
  queue.Push(One(), [](const auto&) {});
  gate.AwaitGroups(1);  // the first is being committed, so the queue is empty again
  queue.Push(One(), [](const auto&) {});
  std::atomic<bool> pushed = false;
  std::future<void> third = std::async(std::launch::async, [&] {
    queue.Push(One(), [](const auto&) {});
    pushed = true;
  });
  EXPECT_EQ(third.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  EXPECT_FALSE(pushed);
  gate.Open();
  third.wait();
}

TEST(AppendQueue, AFullQueueMakesThePusherWait) {
  ExpectThatAThirdPushWaits(AppendLimits{.queued_events = 1});
}
TEST(AppendQueue, QueuedBytesCountToo) {
  ExpectThatAThirdPushWaits(AppendLimits{.queued_bytes = 1});
}

TEST(AppendQueue, AnAcknowledgementMayAppendThoughTheQueueIsFull) {
  std::promise<void> done;
  AppendQueue queue([](AppendQueue::Group&) { return Ok(); }, AppendLimits{.queued_events = 1});
  queue.Push(One(), [&](const auto&) {
    for (int i = 0; i < 5; ++i)
      queue.Push(One(), [&done, i](const auto&) {
        if (i == 4) done.set_value();
      });
  });
  EXPECT_EQ(done.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(AppendQueue, ABlockingAppendOnItsOwnThreadIsRefusedInsteadOfHanging) {
  std::promise<std::string> said;
  AppendQueue queue([](AppendQueue::Group&) { return Ok(); }, {});
  queue.Push(One(), [&](const auto&) { said.set_value(queue.PushAndWait(One()).error().advice); });
  EXPECT_EQ(said.get_future().get(), "use AppendAsync there");
}

TEST(AppendQueue, AfterAFailedCommitNothingIsCommittedAnyMore) {
  int commits = 0;
  AppendQueue queue(
      [&](AppendQueue::Group&) -> Status {
        if (++commits == 1) return Ok();
        return Error{.kind = ErrorKind::kUnknownOutcome,
                     .system = "journal",
                     .object = "j.db",
                     .message = "I/O error",
                     .advice = "check the disk"};
      },
      {});
  EXPECT_TRUE(queue.PushAndWait(One()));
  EXPECT_EQ(Describe(queue.PushAndWait(One()).error()), "journal: j.db: unknown outcome: I/O error; check the disk");
  EXPECT_EQ(Describe(queue.PushAndWait(One()).error()),
            "journal: j.db: unavailable: refuses further events since an append failed: I/O error; check the disk");
  EXPECT_EQ(commits, 2);
}

TEST(AppendQueue, AnEventThatCannotBePreparedFailsAlone) {
  AppendQueue queue([](AppendQueue::Group&) { return Ok(); }, {});
  EXPECT_EQ(queue.PushAndWait(PrepareAll({MakeEvent("", "")})).error().kind, ErrorKind::kInvalid);
  EXPECT_TRUE(queue.PushAndWait(One()));
}

TEST(AppendQueue, ItsEndCommitsWhatStillWaits) {
  std::atomic<int> acknowledged = 0;
  {
    AppendQueue queue([](AppendQueue::Group&) { return Ok(); }, AppendLimits{.group_events = 3});
    for (int i = 0; i < 100; ++i) queue.Push(One(), [&](const auto& result) { acknowledged += result.ok() ? 1 : 0; });
  }
  EXPECT_EQ(acknowledged, 100);
}

}  // namespace
}  // namespace vmferry
