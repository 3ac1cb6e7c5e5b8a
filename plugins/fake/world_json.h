// SPDX-License-Identifier: Apache-2.0
//
// WorldData as JSON: the file of a world, written by hand or by World. Keys are the members' names; what is missing
// has its default. A VM may be written in short: {"name": "web1", "disks_mib": [64, 64], "records": ["r1"]}, with
// optional "path", "mac", "power", "tools"; its disks are then formatted (guest_disk.h).
#pragma once

#include "plugins/fake/world_data.h"

namespace vmferry {

Json WorldToJson(const WorldData& world);
// kInvalid says what is wrong; nothing is thrown.
Result<WorldData> WorldFromJson(const Json& json);

// One VM, in full or in short. Throws Json::exception on a wrong shape.
FakeVm VmFromJson(const Json& json, std::size_t ordinal);

}  // namespace vmferry
