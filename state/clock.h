// SPDX-License-Identifier: Apache-2.0
//
// Clock: the only source of time for the engine. Wall time is for people and for deadlines that must survive a
// restart; monotonic time orders what one engine did. Threading: implementations may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vmferry {

struct Instant {
  std::int64_t wall_ms = 0;       // milliseconds since 1970-01-01 UTC
  std::int64_t monotonic_ms = 0;  // milliseconds since an arbitrary start of this boot
};

class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant Now() const override;
};

// "2026-03-01T02:00:00.000Z"
std::string FormatWallTime(std::int64_t wall_ms);

}  // namespace vmferry
