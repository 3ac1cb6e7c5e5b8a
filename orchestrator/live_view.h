// SPDX-License-Identifier: Apache-2.0
//
// Live views of a run: lines with a progress bar for each working application on a terminal, plain lines elsewhere,
// JSON lines for programs. A view belongs to the thread of the engine or client that feeds it.
#pragma once

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "orchestrator/watcher.h"
#include "orchestrator/words.h"

namespace vmferry {

// How a command writes: chosen once from its options and its terminal.
struct Output {
  bool json = false;
  bool terminal = false;  // bars may be drawn and redrawn
  Style style;
  static Output ForStdout(bool json);
};

// Rate and remaining time of a meter, from the moments it was seen.
class RateMeter {
 public:
  // REQUIRES: now_ms does not fall.
  void See(const Meter& meter, std::int64_t now_ms);
  double per_second() const { return per_second_; }
  // Nothing while unknown.
  std::chrono::milliseconds remaining() const;

 private:
  std::int64_t first_ms_ = -1;
  std::uint64_t first_done_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t total_ = 0;
  double per_second_ = 0;
};

// "[#########-----------]  45%  21.6 of 48.0 MiB  120.0 MiB/s  1.2 s left", or the meter's text.
std::string MeterLine(const Meter& meter, const RateMeter& rate, int bar_width);

// A view of one run (others are ignored; an empty `run` takes the first it sees).
std::unique_ptr<Watcher> MakeLiveView(std::string run, const Output& output, std::FILE* out);

}  // namespace vmferry
