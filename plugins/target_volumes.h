// SPDX-License-Identifier: Apache-2.0
//
// Role "target platform", the call that lists volumes. It only reads.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

// A pool that is not there, or not active, is refused as by the other calls on volumes.
struct VolumeListQuery {
  std::string pool;
  std::string prefix;  // only volumes whose names begin so; empty: all
};
struct VolumeList {
  std::vector<std::string> volumes;  // names, sorted; without the seals that a platform keeps as volumes of its own
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeListQuery, pool, prefix)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(VolumeList, volumes)

namespace target {
inline constexpr Call<VolumeListQuery, VolumeList> kListVolumes{{"target", "ListVolumes", Access::kRead}};
}  // namespace target

}  // namespace vmferry
