// SPDX-License-Identifier: Apache-2.0
#include "steps/window_check.h"

#include <algorithm>
#include <utility>

#include "plugins/metrics.h"
#include "steps/look_back.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{5000};

milliseconds WindowOf(const StepContext& context) {
  return DurationOf(context.parameters, "window", milliseconds(0));
}

// At least one: no sample is no success.
double LeastSamples(const StepContext& context) {
  return static_cast<double>(std::max<std::int64_t>(1, IntegerOf(context.parameters, "minSamples", 1)));
}

Result<MetricSamples> AskFor(const StepContext& context, Plugin& metrics, const char* parameter) {
  return Invoke(metrics, metrics::kQuery, MetricQuery{TextOf(context.parameters, parameter)}, context.call);
}

Error Complete(Error error, const Plugin& metrics, const std::string& object) {
  if (error.system.empty()) error.system = metrics.system();
  if (error.object.empty()) error.object = object;
  return error;
}

// kInvalid if a query reads more than the window: samples from before the switch would be among them.
Status CheckRanges(const StepContext& context, const Plugin& metrics) {
  const milliseconds window = WindowOf(context);
  for (const char* parameter : {"query", "samplesQuery"}) {
    const Result<milliseconds> looked = LookBack(TextOf(context.parameters, parameter));
    if (!looked) return Complete(looked.error(), metrics, parameter);
    const milliseconds range = *looked;
    if (range <= window) continue;
    return Error{ErrorKind::kInvalid, metrics.system(), parameter,
                 "it looks back " + DurationInWords(range) + ", longer than the window of " + DurationInWords(window) +
                     ": it would see what was before the traffic switch",
                 "shorten the range in the query, or lengthen `window`"};
  }
  return Ok();
}

}  // namespace

std::vector<ParameterSpec> WindowCheck::Parameters(const std::string& value) {
  std::vector<ParameterSpec> parameters = {
      Service("metricsService", "metrics", true, "the service that is asked"),
      Required("query", ParameterType::kText, "PromQL that gives one value: " + value),
      Required("samplesQuery", ParameterType::kText,
               "PromQL that gives one value: how many requests (or other events) the value was made from"),
      Required("minSamples", ParameterType::kInteger, "with fewer the value says nothing yet; at least 1"),
      Required("window", ParameterType::kDuration,
               "time after the traffic switch before the value counts; the queries may look back no farther (5m where a "
               "selector has no range), and the deadline must be longer"),
  };
  for (ParameterSpec& parameter : AllowanceParameters()) parameters.push_back(std::move(parameter));
  return parameters;
}

Measured WindowCheck::Ask(const StepContext& context, Plugin& metrics, double most) const {
  return Measure(AskFor(context, metrics, "query"), AskFor(context, metrics, "samplesQuery"),
                 Limit{most, LeastSamples(context)});
}

Result<Progress> WindowCheck::Apply(const StepContext& context) const {
  const Result<Plugin*> metrics = ServiceOf(context, "metricsService");
  if (!metrics) return metrics.error();
  const std::string object = "query " + TextOf(context.parameters, "query");
  const auto limit = LimitOf(context);
  if (!limit) return Complete(limit.error(), **metrics, spec().name);
  const Result<Bounds> bounds = BoundsOf(context, *limit);
  if (!bounds) return Complete(bounds.error(), **metrics, spec().name);
  const Status ranges = CheckRanges(context, **metrics);
  if (!ranges) return ranges.error();
  const milliseconds left = WindowOf(context) - context.elapsed;
  if (left > milliseconds(0))
    return Progress::NotYet(
        left, "the window of " + DurationInWords(WindowOf(context)) + " after the traffic switch is not over yet");
  const Measured measured = Ask(context, **metrics, bounds->most());
  if (measured.sample == SampleClass::kError) return Complete(*measured.error, **metrics, object);
  Json facts = FactsOf(measured.value, *limit);
  facts["samples"] = measured.samples;
  if (bounds->allowance) facts["baseline"] = bounds->Facts();
  if (measured.sample == SampleClass::kPass) return Progress::Done(std::move(facts));
  if (measured.sample != SampleClass::kFail)
    return Progress::NotYet(
        kPoll, (*metrics)->system() + ": " + object + ": " + std::string(Name(measured.sample)) + ": " + measured.why);
  return Error{ErrorKind::kConflict, (*metrics)->system(), object,
               what() + " is " + InWords(measured.value) + ", " +
                   ExceededInWords(*bounds, measured.value, [this](double value) { return InWords(value); }) +
                   " (from " + NumberInWords(measured.samples) + " samples)",
               "compare the target with the source in the dashboards before the next try"};
}

// What the queries give now is the source's, so that only their being queries counts; a baseline is not there yet.
Result<Forecast> WindowCheck::Predict(const StepContext& context) const {
  Forecast forecast;
  forecast.undo = "nothing to undo";
  const Result<Plugin*> metrics = ServiceOf(context, "metricsService");
  if (!metrics) {
    forecast.problems.push_back(metrics.error());
    return forecast;
  }
  const auto limit = LimitOf(context);
  if (!limit) forecast.problems.push_back(Complete(limit.error(), **metrics, spec().name));
  const auto allowance = AllowanceOf(context.parameters);
  if (!allowance) forecast.problems.push_back(Complete(allowance.error(), **metrics, spec().name));
  if (const Status ranges = CheckRanges(context, **metrics); !ranges) forecast.problems.push_back(ranges.error());
  forecast.will = DurationInWords(WindowOf(context)) + " after the traffic switch ask " + (*metrics)->system() +
                  " whether " + what() + " is at most " +
                  (limit && allowance
                       ? BoundsInWords(*limit, *allowance, [this](double value) { return InWords(value); })
                       : "?") +
                  ", with at least " + NumberInWords(LeastSamples(context)) + " samples";
  for (const char* parameter : {"query", "samplesQuery"}) {
    const Measured measured = OneNumber(AskFor(context, **metrics, parameter));
    if (measured.error) forecast.problems.push_back(Complete(*measured.error, **metrics, parameter));
  }
  return forecast;
}

}  // namespace vmferry
