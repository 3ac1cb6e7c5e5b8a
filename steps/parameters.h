// SPDX-License-Identifier: Apache-2.0
//
// Parameters of steps: declaring them in a StepSpec, and reading them in a step. Pure functions. The checker has
// made sure of types and of what is required, so reading never fails: absent means the fallback.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "steps/step.h"

namespace vmferry {

ParameterSpec Required(std::string name, ParameterType type, std::string purpose);
ParameterSpec Optional(std::string name, ParameterType type, std::string standard, std::string purpose);
// Required when `standard` is empty.
ParameterSpec Choice(std::string name, std::vector<std::string> choices, std::string standard, std::string purpose);
ParameterSpec Service(std::string name, std::string role, bool required, std::string purpose);

std::string TextOf(const Json& parameters, std::string_view name, std::string_view fallback = "");
std::int64_t IntegerOf(const Json& parameters, std::string_view name, std::int64_t fallback);
std::chrono::milliseconds DurationOf(const Json& parameters, std::string_view name, std::chrono::milliseconds fallback);

// Members of a handle or of facts, which may be null or lack them.
const Json& Member(const Json& json, std::string_view name);

}  // namespace vmferry
