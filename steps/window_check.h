// SPDX-License-Identifier: Apache-2.0
//
// WindowCheck: what the post-checks on metrics have in common. One number of the metrics server is held against a limit
// over a window that begins after the traffic switch: before it is over there is no answer, since samples of the source
// would be among those judged. The limit is absolute, or relative to what was measured of the source
// (steps/baseline.h), or both. A number beyond the limit fails at once; too few samples and no data wait for more until
// the step's deadline.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "steps/baseline.h"
#include "steps/check.h"
#include "steps/measure.h"

namespace vmferry {

class WindowCheck : public Check {
 public:
  Result<Progress> Apply(const StepContext& context) const final;
  Result<Forecast> Predict(const StepContext& context) const final;

 protected:
  // metricsService, query, samplesQuery, minSamples, window, notWorseThan and baseline. `value`: what the query's value
  // is, with its unit.
  static std::vector<ParameterSpec> Parameters(const std::string& value);

  // The absolute limit, in the unit of the query; nothing if none is given; kInvalid (without system) if the parameter
  // makes no sense.
  virtual Result<std::optional<double>> LimitOf(const StepContext& context) const = 0;
  virtual std::string what() const = 0;                 // "the 95th percentile of latency"
  virtual std::string InWords(double value) const = 0;  // "250ms"
  virtual Json FactsOf(double value, std::optional<double> limit) const = 0;  // in the words of the step

 private:
  Measured Ask(const StepContext& context, Plugin& metrics, double most) const;
};

}  // namespace vmferry
