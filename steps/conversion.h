// SPDX-License-Identifier: Apache-2.0
//
// Conversions of convert_image: one volume each, made by a worker of its own and sealed with the step's key.
#pragma once

#include <string>
#include <vector>

#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

// One volume to make. Journaled in the before-image.
struct Conversion {
  std::string workload;
  std::string pool;
  std::string from;
  std::string to;
  std::string sha256;  // of the content
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Conversion, workload, pool, from, to, sha256)

// Of all copies that final_data_sync made, in order; none for format raw. kInvalid if there are no copies.
Result<std::vector<Conversion>> ListConversions(const StepContext& context);
std::vector<Conversion> ConversionsFrom(const Json& before);  // the journaled list

std::string WorkerKey(const StepContext& context, const Conversion& conversion);

// Starts or polls the conversion of one volume; nothing pending once it is sealed.
Result<Pending> Convert(const StepContext& context, Plugin* target, const Conversion& conversion);

}  // namespace vmferry
