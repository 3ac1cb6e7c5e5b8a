// SPDX-License-Identifier: Apache-2.0
//
// sustained_latency_regression: one sample of the application's latency against its objective, or against what it was on
// the source. The range in the query says over how long a sample is taken; too few requests in it are no verdict.
#include <algorithm>
#include <limits>
#include <optional>

#include "plugins/metrics.h"
#include "steps/baseline.h"
#include "steps/catalogue.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/look_back.h"
#include "steps/measure.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec("sustained_latency_regression",
                                "Samples the application's latency at the metrics server; fails when it is beyond its objective.",
                                std::chrono::seconds(30));
  spec.parameters = {
      Service("metricsService", "metrics", true, "the service that is asked"),
      Required("query", ParameterType::kText, "PromQL that gives one value: latency in seconds"),
      Required("samplesQuery", ParameterType::kText, "PromQL that gives one value: how many requests it was made from"),
      Required("minSamples", ParameterType::kInteger, "with fewer the value says nothing; at least 1"),
      Optional("slo", ParameterType::kDuration, "", "the longest it may be; this or notWorseThan, or both"),
  };
  for (ParameterSpec& parameter : AllowanceParameters()) spec.parameters.push_back(std::move(parameter));
  AddRuleParameters(spec, {.every = "30s"});
  spec.reads = "the two queries at the metrics server; the journaled baseline";
  spec.example =
      "rollbackCriteria:\n  - sustained_latency_regression:\n      metricsService: prometheus\n      query: "
      "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job=\"shop\"}[5m])))\n"
      "      samplesQuery: sum(increase(http_request_duration_seconds_count{job=\"shop\"}[5m]))\n"
      "      minSamples: 200\n      slo: 300ms\n"
      "      notWorseThan: {factor: 1.5, baseline: 30m, minSamples: 20} # than the median of that time\n";
  return spec;
}

std::string Milliseconds(double seconds) {
  return NumberInWords(seconds * 1000) + "ms";
}

std::optional<double> Objective(const StepContext& context) {
  if (Member(context.parameters, "slo").is_null()) return std::nullopt;
  return static_cast<double>(IntegerOf(context.parameters, "slo", 0)) / 1000;
}

SampleVerdict VerdictOf(SampleClass sample) {
  switch (sample) {
    case SampleClass::kPass: return SampleVerdict::kPass;
    case SampleClass::kFail: return SampleVerdict::kFail;
    case SampleClass::kNoData: return SampleVerdict::kNoData;
    default: return SampleVerdict::kInconclusive;
  }
}

class SustainedLatencyRegression final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Sample> Judge(const StepContext& context, const std::string& value, const std::string& samples) const override {
    const std::optional<double> objective = Objective(context);
    // A file holds no baseline; beside an objective it is not needed.
    const Result<Bounds> bounds = objective ? Bounds{objective, std::nullopt, {}} : BoundsOf(context, objective);
    if (!bounds) return bounds.error();
    const Measured measured = Measure(One(value), One(samples), Limit{bounds->most(), LeastOf(context)});
    if (measured.error) return *measured.error;
    return SampleOf(measured, *bounds);
  }

 protected:
  Result<milliseconds> SeesBack(const StepContext& context) const override {
    milliseconds farthest(0);
    for (const char* query : {"query", "samplesQuery"}) {
      const Result<milliseconds> back = LookBack(TextOf(context.parameters, query));
      if (!back) return Complete(context, back.error());
      farthest = std::max(farthest, *back);
    }
    return farthest;
  }

  Result<Sample> Take(const StepContext& context) const override {
    const Result<Bounds> bounds = BoundsOf(context, Objective(context));
    if (!bounds) return Complete(context, bounds.error());
    return TakeWithin(context, *bounds);
  }

  // The baseline is not there yet: only the objective can be held against it.
  Result<Sample> Foretaste(const StepContext& context) const override {
    const auto allowance = AllowanceOf(context.parameters);
    if (!allowance) return Complete(context, allowance.error());
    const std::optional<double> objective = Objective(context);
    if (objective) return TakeWithin(context, Bounds{objective, std::nullopt, {}});
    Result<Sample> sample = TakeWithin(context, Bounds{std::numeric_limits<double>::max(), std::nullopt, {}});
    if (!sample || sample->verdict != SampleVerdict::kPass) return sample;
    sample->verdict = SampleVerdict::kInconclusive;
    sample->why = "latency is " + Milliseconds(sample->facts["latencyMs"].get<double>() / 1000) +
                  "; there is no baseline yet to compare it with";
    return sample;
  }

  std::string InWords(const StepContext& context) const override {
    const auto allowance = AllowanceOf(context.parameters);
    return "ask for the latency, which may be at most " +
           BoundsInWords(Objective(context), allowance ? *allowance : std::nullopt, Milliseconds) +
           ", from at least " + std::to_string(IntegerOf(context.parameters, "minSamples", 1)) + " samples";
  }

 private:
  static MetricSamples One(const std::string& number) { return {{MetricSample{{}, number, 0}}, ""}; }

  static Error Complete(const StepContext& context, Error error) {
    const Result<Plugin*> metrics = ServiceOf(context, "metricsService");
    if (error.system.empty() && metrics) error.system = (*metrics)->system();
    return error;
  }

  static Result<Sample> TakeWithin(const StepContext& context, const Bounds& bounds) {
    const Result<Plugin*> metrics = ServiceOf(context, "metricsService");
    if (!metrics) return metrics.error();
    const auto ask = [&](const char* query) {
      return Invoke(**metrics, metrics::kQuery, MetricQuery{TextOf(context.parameters, query)}, context.call);
    };
    const Measured measured = Measure(ask("query"), ask("samplesQuery"), Limit{bounds.most(), LeastOf(context)});
    if (measured.error) return Complete(context, *measured.error);
    return SampleOf(measured, bounds);
  }

  static double LeastOf(const StepContext& context) {
    return static_cast<double>(std::max<std::int64_t>(1, IntegerOf(context.parameters, "minSamples", 1)));
  }

  static Sample SampleOf(const Measured& measured, const Bounds& bounds) {
    Sample sample;
    sample.verdict = VerdictOf(measured.sample);
    sample.facts = {{"latencyMs", measured.value * 1000}, {"samples", measured.samples}};
    if (bounds.allowance) sample.facts["baseline"] = bounds.Facts();
    sample.why = measured.why;
    if (sample.verdict == SampleVerdict::kFail)
      sample.why = "latency is " + Milliseconds(measured.value) + ", " +
                   ExceededInWords(bounds, measured.value, Milliseconds) + " (from " +
                   NumberInWords(measured.samples) + " samples)";
    return sample;
  }
};

}  // namespace

const Step& SustainedLatencyRegressionCriterion() {
  static const SustainedLatencyRegression step;
  return step;
}

}  // namespace vmferry
