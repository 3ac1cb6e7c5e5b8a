// SPDX-License-Identifier: Apache-2.0
//
// Baseline: a number measured before the cutover and journaled, against which later checks hold the target ("not worse
// than"). One with a name is what target_monitoring_ready found in one look; one without is the median of what the
// comparing query itself gave on the source, over a time right before the cutover (steps/source_measured.h). A number
// that was not measured well is no baseline, and without one nothing that needs it succeeds. Threading: as StepContext.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/call.h"
#include "steps/contradictions.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kRecordsBaselines = "target_monitoring_ready";

// An entry of the parameter `baselines`: "NAME = PROMQL".
struct BaselineQuery {
  std::string name, promql;
};
// Nothing for what is none; a name is of letters, digits, `_` and `-`.
std::optional<BaselineQuery> BaselineQueryOf(std::string_view text);

struct Baseline {
  std::string name;
  double value = 0;            // in the unit of its query; finite, at least 0
  double samples = 0;          // that it was made from
  std::int64_t window_ms = 0;  // how far its query looked back
  std::int64_t at_ms = 0;      // the metrics server's time of the measurement
};

// The parameters baselines, baselineSamplesQuery and baselineMinSamples.
std::vector<ParameterSpec> BaselineParameters();
// Measures all of them now, as facts {NAME: {query, value, samples, windowMs, atMs}}; what could not be measured well
// goes into `problems`.
Json RecordBaselines(const StepContext& context, Plugin& metrics, std::vector<Error>& problems);

// How much worse than a baseline is accepted: at most its value times `factor`, plus `margin`.
struct Allowance {
  std::string baseline = {};            // its name; empty: it is measured over `window`, right before the cutover
  std::chrono::milliseconds window{0};
  double factor = 1;                    // at least 1
  double margin = 0;                    // in the unit of the value
  std::string Title() const;            // "p95", "of 30m before the cutover"
};

// Of the journaled facts; kNotFound says which step must record it, kCorrupt that there is no number.
Result<Baseline> JournaledBaseline(const StepContext& context, const Allowance& allowance);

// The parameters notWorseThan and baseline; of a plan before `notWorseThan` was a map it is a text, the factor.
std::vector<ParameterSpec> AllowanceParameters();
// Nothing if notWorseThan is not given; kInvalid (without system) if it makes no sense.
Result<std::optional<Allowance>> AllowanceOf(const Json& parameters);

// How much a number may be at most: by a limit of its own, by a baseline, or by both.
struct Bounds {
  std::optional<double> absolute;
  std::optional<Allowance> allowance;
  Baseline baseline;  // of the allowance

  double relative() const { return baseline.value * allowance->factor + allowance->margin; }
  double most() const;
  Json Facts() const;  // of the baseline; null without one
};
// Reads the journal. An Error without system if the bounds make no sense, there is none, or the baseline is missing.
Result<Bounds> BoundsOf(const StepContext& context, std::optional<double> absolute);

using NumberWords = std::function<std::string(double)>;
// "more than 300ms", "more than 180ms: 1.2 times the baseline p95, which was 150ms"
std::string ExceededInWords(const Bounds& bounds, double value, const NumberWords& words);
// "300ms" or "1.2 times the baseline p95 (recorded by target_monitoring_ready)" or both: before anything was measured.
std::string BoundsInWords(std::optional<double> absolute, const std::optional<Allowance>& allowance,
                          const NumberWords& words);

// Of the step that records baselines, and of those that compare with them.
std::vector<Contradiction> BaselineContradictions(std::string_view step, const Json& parameters);

}  // namespace vmferry
