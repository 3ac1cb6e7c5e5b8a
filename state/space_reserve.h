// SPDX-License-Identifier: Apache-2.0
//
// SpaceReserve: space on the journal's disk that nobody else can take while an engine works. It is given back when the
// disk is full, so that what is under way can still be written down.
// Threading: one thread at a time. A process that dies gives its reserve back, since the file has no name.
#pragma once

#include <cstdint>
#include <string>

#include "state/result.h"

namespace vmferry {

class SpaceReserve {
 public:
  SpaceReserve() = default;
  ~SpaceReserve() { Release(); }
  SpaceReserve(const SpaceReserve&) = delete;
  SpaceReserve& operator=(const SpaceReserve&) = delete;

  // Allocates `bytes` in the directory of `path`; an Error that says how much to free if they are not there.
  Status Hold(const std::string& path, std::int64_t bytes);
  // Gives the space back; false if none was held.
  bool Release();

 private:
  int descriptor_ = -1;
};

}  // namespace vmferry
