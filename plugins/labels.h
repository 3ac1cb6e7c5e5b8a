// SPDX-License-Identifier: Apache-2.0
//
// Labels of series and alerts, for texts. A pure function.
#pragma once

#include <map>
#include <string>

namespace vmferry {

// As PromQL writes them: {job="shop", instance="10.0.0.5:80"}, in order.
std::string LabelsInWords(const std::map<std::string, std::string>& labels);

}  // namespace vmferry
