// SPDX-License-Identifier: Apache-2.0
//
// Contradictions: parameters of a step that fit one by one and make no sense together. The checker reports them before
// anything is run; the steps refuse them as well. Pure functions.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "steps/step.h"

namespace vmferry {

struct Contradiction {
  std::string message;
  std::string hint;
};

// Of the parameters as a plan holds them, standards included; empty for steps that know none.
std::vector<Contradiction> Contradictions(std::string_view step, const Json& parameters);

// Of a part's deadline that would never come, since the step's own, `deadline`, comes first.
std::vector<Contradiction> DeadlineContradictions(std::string_view step, const Json& parameters,
                                                  std::chrono::milliseconds deadline);

// The first of the parameters' as an Error.
Status RequireNoContradiction(std::string_view step, const Json& parameters);

}  // namespace vmferry
