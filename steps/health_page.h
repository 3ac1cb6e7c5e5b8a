// SPDX-License-Identifier: Apache-2.0
//
// A page of the application that tells whether it is well: what a step expects of it, and asking it through the service
// named by the parameter `probe`. Threading: as steps.
#pragma once

#include <string>
#include <vector>

#include "plugins/probe.h"
#include "steps/step.h"

namespace vmferry {

// The parameters of what is expected: status, body, maxLatency, caFile, thumbprint.
void AddPageParameters(std::vector<ParameterSpec>& parameters);
// What is expected of the page at `url`; status 200 by a step without such parameters.
ProbeRequest PageRequest(const StepContext& context, const std::string& url);
// "for status 200 and "ok" in the body within 2s"
std::string ExpectedInWords(const ProbeRequest& request);
// Asks once. "URL is not healthy: why", or empty if it is.
Result<std::string> PageComplaint(const StepContext& context, const std::string& url);

}  // namespace vmferry
