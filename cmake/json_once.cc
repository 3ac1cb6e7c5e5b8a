// SPDX-License-Identifier: Apache-2.0
#include "cmake/json_once.h"

template class nlohmann::basic_json<>;
