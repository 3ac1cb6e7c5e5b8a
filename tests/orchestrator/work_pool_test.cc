// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>

namespace vmferry {
namespace {

TEST(WorkPool, OneWakeIsEnoughForAsManyCallsThatBlockAsThereAreThreads) {
  std::latch all(4);
  WorkPool pool(4);
  std::latch done(4);
  for (int i = 0; i < 4; ++i)
    pool.Add([&] {
      all.arrive_and_wait();  // none returns before all have begun
      done.count_down();
    });
  pool.Wake();
  done.wait();
}

TEST(WorkPool, WorkAddedWhileAThreadIsAwakeNeedsNoWake) {
  std::latch begun(1);
  std::latch added(1);
  std::latch second(1);
  WorkPool pool(1);
  pool.Add([&] {
    begun.count_down();
    added.wait();
  });
  pool.Wake();
  begun.wait();
  pool.Add([&] { second.count_down(); });
  added.count_down();
  second.wait();
}

TEST(WorkPool, EveryPieceOfWorkIsDoneOnce) {
  constexpr int kPieces = 20000;
  std::atomic<int> done{0};
  std::latch all(kPieces);
  WorkPool pool(8);
  for (int i = 0; i < kPieces; ++i) {
    pool.Add([&] {
      ++done;
      all.count_down();
    });
    if (i % 3 == 0 || i == kPieces - 1) pool.Wake();
  }
  all.wait();
  EXPECT_EQ(done, kPieces);
}

TEST(WorkPool, TheEndDropsWhatHasNotBegunAndWaitsForWhatHas) {
  std::latch begun(1);
  std::latch end(1);
  bool finished = false;
  bool late = false;
  const auto held = std::make_shared<int>(0);
  auto pool = std::make_unique<WorkPool>(1);
  pool->Add([&] {
    begun.count_down();
    end.wait();
    finished = true;
  });
  pool->Add([&late, held] { late = true; });
  pool->Wake();
  begun.wait();
  std::thread ending([&] { pool.reset(); });
  while (held.use_count() > 1) std::this_thread::yield();  // dropped at once, though the first still runs
  end.count_down();
  ending.join();
  EXPECT_TRUE(finished);
  EXPECT_FALSE(late);
}

}  // namespace
}  // namespace vmferry
