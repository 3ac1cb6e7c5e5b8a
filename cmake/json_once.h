// SPDX-License-Identifier: Apache-2.0
//
// Precompiled into everything: Json's members are compiled in json_once.cc and not in each file that uses them, which
// saves a sixth of the time to build. They may still be inlined.
#pragma once

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;
