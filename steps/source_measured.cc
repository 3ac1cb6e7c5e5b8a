// SPDX-License-Identifier: Apache-2.0
//
// source_measured: how the application did on the source in the time right before the cutover, by the very queries that
// the target will be held against. The metrics server evaluates a query as of many moments of that time and gives the
// median, which a single outlier does not move, and how many of the moments had a value.
// Source: prometheus.io/docs/prometheus/latest/querying/basics (subqueries) and .../functions (quantile_over_time).
#include "steps/source_measured.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "plugins/metrics.h"
#include "plugins/printable.h"
#include "steps/baseline.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/measure.h"
#include "steps/parameters.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kEvery{30000};  // where the comparing step has no interval of its own

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kSourceMeasured;
  spec.purpose = "Measures on the source what the target must not be worse than.";
  spec.implicit = true;
  spec.reads = "the medians of the comparing queries at the metrics server";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "# added before the cutover of a runbook in which something has `notWorseThan: {factor: 1.2, baseline: 30m}`; "
      "not written in runbooks\n";
  return spec;
}

std::string Seconds(std::int64_t ms) {
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + "s" : std::to_string(ms) + "ms";
}

// NaN is not at least 0, so that what was measured from nothing takes no part.
std::string Over(const char* before, const Json& measurement) {
  return before + ("((" + TextOf(measurement, "query")) + ") >= 0)[" + Seconds(measurement.at("windowMs")) + ":" +
         Seconds(measurement.at("everyMs")) + "])";
}

Error About(const Json& measurement, const Plugin& metrics, Error error) {
  if (error.system.empty()) error.system = metrics.system();
  error.object = "baseline " + Allowance{.window = milliseconds(measurement.at("windowMs").get<std::int64_t>())}.Title() +
                 " for " + TextOf(measurement, "for");
  return error;
}

// Its facts, or why there is no baseline.
Result<Json> MeasureOver(const StepContext& context, Plugin& metrics, const Json& measurement) {
  const auto ask = [&](const char* before) {
    return Invoke(metrics, metrics::kQuery, MetricQuery{Over(before, measurement)}, context.call);
  };
  const auto clock = Invoke(metrics, metrics::kClock, MetricsClockQuery{}, context.call);
  if (!clock) return clock.error();
  const Measured measured =
      Measure(ask("quantile_over_time(0.5, "), ask("count_over_time("),
              Limit{std::numeric_limits<double>::max(), measurement.at("minSamples").get<double>()});
  if (measured.error) return About(measurement, metrics, *measured.error);
  if (measured.sample != SampleClass::kPass)
    return About(measurement, metrics,
                 Error{ErrorKind::kConflict, "", "", std::string(Name(measured.sample)) + ": " + measured.why,
                       "begin when the source has served requests for so long, or correct the query " +
                           Printable(TextOf(measurement, "query"), 200)});
  return Json{{"query", measurement.at("query")},
              {"value", measured.value},
              {"samples", measured.samples},
              {"windowMs", measurement.at("windowMs")},
              {"atMs", clock->now_ms}};
}

class SourceMeasuredStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    findings.facts["baselines"] = Json::array();
    for (const Json& measurement : Member(context.parameters, "measurements")) {
      findings.will += (findings.will.empty() ? "measure the baseline for " : ", and that for ") +
                       TextOf(measurement, "for") + ", the median of the " +
                       DurationInWords(milliseconds(measurement.at("windowMs").get<std::int64_t>())) +
                       " before the cutover";
      const Result<Plugin*> metrics = context.systems->Find(TextOf(measurement, "metricsService"));
      const Result<Json> measured = metrics ? MeasureOver(context, **metrics, measurement) : metrics.error();
      if (measured)
        findings.facts["baselines"].push_back(*measured);
      else
        findings.problems.push_back(measured.error());
    }
    return findings;
  }
};

}  // namespace

Json MeasurementFor(std::string_view name, const Json& parameters) {
  const Json& given = Member(parameters, "notWorseThan");
  if (!Member(given, "baseline").is_number()) return {};
  return {{"for", std::string(name)},
          {"metricsService", TextOf(parameters, "metricsService")},
          {"query", TextOf(parameters, "query")},
          {"windowMs", IntegerOf(given, "baseline", 0)},
          {"everyMs", std::max<std::int64_t>(1000, IntegerOf(parameters, "every", kEvery.count()))},
          {"minSamples", IntegerOf(given, "minSamples", 1)}};
}

std::optional<Contradiction> TooFewValues(const Json& parameters) {
  const Json measurement = MeasurementFor("", parameters);
  if (measurement.is_null()) return std::nullopt;
  const milliseconds window(measurement.at("windowMs").get<std::int64_t>());
  const milliseconds every(measurement.at("everyMs").get<std::int64_t>());
  const std::int64_t most = window / every, wanted = measurement.at("minSamples").get<std::int64_t>();
  if (wanted <= most) return std::nullopt;
  return Contradiction{"`notWorseThan` wants " + std::to_string(wanted) + " values of " + DurationInWords(window) +
                           ", in which there are " + std::to_string(most) + ", one every " + DurationInWords(every),
                       "lengthen `baseline`, or lower `minSamples`"};
}

Json MeasuredSource(const Json& facts, const std::string& query, milliseconds window) {
  for (const Json& baseline : Member(facts, "baselines"))
    if (Member(baseline, "query") == query && Member(baseline, "windowMs") == window.count()) return baseline;
  return {};
}

const Step& SourceMeasured() {
  static const SourceMeasuredStep step;
  return step;
}

}  // namespace vmferry
