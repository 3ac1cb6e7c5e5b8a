// SPDX-License-Identifier: Apache-2.0
//
// The catalogue as a page for people: steps/CATALOGUE.md is exactly this text. Pure.
#pragma once

#include <string>

#include "steps/step.h"

namespace vmferry {

std::string CatalogueMarkdown();

// One step kind: its section of the page, and the same for programs.
std::string StepText(const StepSpec& spec);
Json StepToJson(const StepSpec& spec);

}  // namespace vmferry
