// SPDX-License-Identifier: Apache-2.0
//
// ParallelFold: the fold of a run's stored events on several processors. What an application's events add up to does
// not depend on another application's, so each application belongs to one worker, which sees its events in order.
// A short run is folded without threads. Threading: one thread adds and finishes.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "state/result.h"
#include "state/run_state.h"

namespace vmferry {

class ParallelFold {
 public:
  explicit ParallelFold(const std::string& run);
  ~ParallelFold();
  ParallelFold(const ParallelFold&) = delete;
  ParallelFold& operator=(const ParallelFold&) = delete;

  // The next event of the run, as stored. Blocks while its worker is behind: a few hundred KiB are held at a time.
  void Add(std::string_view application, std::string_view header, std::string_view payload);
  // The state; kCorrupt with the first event that could not be read. Nothing is added after it.
  Result<RunState> Finish();

 private:
  class Worker;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::int64_t added_ = 0;
};

}  // namespace vmferry
