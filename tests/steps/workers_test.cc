// SPDX-License-Identifier: Apache-2.0
#include "steps/workers.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <future>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace vmferry {
namespace {

// Ends when told to, or when asked to stop.
struct Gate {
  std::mutex mutex;
  std::condition_variable_any changed;
  bool open = false;
  std::atomic<int> entered{0};

  WorkerBody Body(Json result) {
    return [this, result](std::stop_token stop, WorkerReport& report) -> Result<Json> {
      ++entered;
      report.total = 10;
      report.done = 4;
      std::unique_lock lock(mutex);
      if (changed.wait(lock, stop, [this] { return open; })) return result;
      return Error{ErrorKind::kUnavailable, "test", "", "stopped", ""};
    };
  }
  void Open() {
    const std::lock_guard lock(mutex);
    open = true;
    changed.notify_all();
  }
};

WorkerView Await(Workers& workers, const std::string& key, const WorkerBody& body) {
  WorkerView view = workers.Poll(key, body);
  for (; !view.finished; view = workers.Poll(key, body)) std::this_thread::yield();
  return view;
}

TEST(Workers, RunABodyOnceHoweverOftenPolled) {
  Gate gate;
  Workers workers;
  const WorkerBody body = gate.Body(7);
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(workers.Poll("k", body).finished);
  EXPECT_TRUE(workers.Running("k"));
  gate.Open();
  const WorkerView view = Await(workers, "k", body);
  EXPECT_EQ(view.result.value(), 7);
  EXPECT_EQ(view.done, 4u);
  EXPECT_EQ(view.total, 10u);
  EXPECT_EQ(gate.entered, 1);
  EXPECT_FALSE(workers.Running("k"));
}

TEST(Workers, StopDoesNotBlockAndForgetsOnceEnded) {
  Gate gate;
  Workers workers;
  const WorkerBody body = gate.Body(7);
  (void)workers.Poll("k", body);
  while (!workers.Stop("k")) std::this_thread::yield();
  EXPECT_TRUE(workers.Stop("k"));
  EXPECT_FALSE(workers.Running("k"));
  gate.Open();
  EXPECT_EQ(Await(workers, "k", body).result.value(), 7);  // started anew
}

TEST(Workers, AStoppedBodysErrorIsItsResult) {
  Gate gate;
  Workers workers;
  const WorkerBody body = gate.Body(7);
  (void)workers.Poll("k", body);
  while (workers.Running("k")) workers.Stop("k");
  const WorkerView view = Await(workers, "other", [](std::stop_token, WorkerReport&) -> Result<Json> {
    return Error{ErrorKind::kCorrupt, "s", "o", "m", "a"};
  });
  EXPECT_EQ(view.result.error().kind, ErrorKind::kCorrupt);
}

TEST(Workers, AnEscapedExceptionIsAnInternalError) {
  Workers workers;
  const WorkerView view = Await(
      workers, "k", [](std::stop_token, WorkerReport&) -> Result<Json> { throw std::runtime_error("out of luck"); });
  ASSERT_FALSE(view.result);
  EXPECT_EQ(view.result.error().kind, ErrorKind::kInternal);
  EXPECT_EQ(view.result.error().message, "out of luck");
}

TEST(Workers, TheDestructorStopsAllAndWaits) {
  Gate gate;
  {
    Workers workers;
    (void)workers.Poll("a", gate.Body(1));
    (void)workers.Poll("b", gate.Body(2));
  }
  EXPECT_LE(gate.entered, 2);  // reached: no worker is left
}

TEST(Workers, EachHasAnIdOfItsOwn) {
  Workers one, two;
  EXPECT_NE(one.id(), two.id());
  EXPECT_FALSE(one.id().empty());
}

}  // namespace
}  // namespace vmferry
