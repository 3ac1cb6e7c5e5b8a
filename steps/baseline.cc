// SPDX-License-Identifier: Apache-2.0
#include "steps/baseline.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "plugins/metrics.h"
#include "plugins/printable.h"
#include "steps/look_back.h"
#include "steps/measure.h"
#include "steps/parameters.h"
#include "steps/source_measured.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::string_view kErrorRate = "error_rate_below_threshold";
constexpr std::array<std::string_view, 3> kCompare{"p95_latency_within_slo", kErrorRate,
                                                   "sustained_latency_regression"};
constexpr std::size_t kMostDigits = 6;

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

bool IsBaselineName(std::string_view name) {
  return !name.empty() && name.size() <= 60 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

bool AreDigits(std::string_view text) {
  return !text.empty() && text.size() <= kMostDigits &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

// "1.2", "2": a plain decimal of at least 1; nothing for anything else.
std::optional<double> FactorOf(std::string_view text) {
  const std::size_t point = text.find('.');
  const bool plain = AreDigits(text.substr(0, point)) &&
                     (point == std::string_view::npos || AreDigits(text.substr(point + 1)));
  const std::optional<double> factor = plain ? NumberOf(text) : std::nullopt;
  return factor && *factor >= 1 ? factor : std::nullopt;
}

std::string Quoted(const std::string& text) {
  return "\"" + Printable(text, 40) + "\"";
}

// What was measured is a number from enough samples, or `problems` gets to know why not.
std::optional<Measured> MeasureOne(const StepContext& context, Plugin& metrics, const BaselineQuery& query,
                                   std::vector<Error>& problems) {
  const auto ask = [&](const std::string& promql) -> Result<MetricSamples> {
    auto answer = Invoke(metrics, metrics::kQuery, MetricQuery{promql}, context.call);
    if (!answer || answer->warnings.empty()) return answer;
    return Error{ErrorKind::kUnavailable, metrics.system(), "",
                 "the server warns that this may not be all: " + answer->warnings, "wait until all of it answers"};
  };
  const auto least = std::max<std::int64_t>(1, IntegerOf(context.parameters, "baselineMinSamples", 1));
  const Measured measured = Measure(ask(query.promql), ask(TextOf(context.parameters, "baselineSamplesQuery")),
                                    Limit{std::numeric_limits<double>::max(), static_cast<double>(least)});
  const std::string object = "baseline " + query.name;
  if (measured.error) {
    Error error = *measured.error;
    if (error.system.empty()) error.system = metrics.system();
    error.object = object;
    problems.push_back(std::move(error));
  } else if (measured.sample != SampleClass::kPass) {
    problems.push_back(Error{ErrorKind::kConflict, metrics.system(), object,
                             std::string(Name(measured.sample)) + ": " + measured.why,
                             "begin while the source serves requests, or correct its query " + query.promql});
  } else if (measured.value < 0) {
    problems.push_back(Error{ErrorKind::kConflict, metrics.system(), object,
                             "it is " + NumberInWords(measured.value) + ", below 0", "correct its query"});
  } else {
    return measured;
  }
  return std::nullopt;
}

std::vector<BaselineQuery> QueriesOf(const Json& parameters) {
  std::vector<BaselineQuery> queries;
  for (const Json& entry : Member(parameters, "baselines"))
    if (auto query = BaselineQueryOf(entry.get<std::string>())) queries.push_back(std::move(*query));
  return queries;
}

void CheckQueries(const Json& parameters, std::vector<Contradiction>& found) {
  const Json& entries = Member(parameters, "baselines");
  std::set<std::string> names;
  for (const Json& entry : entries) {
    const std::string text = entry.get<std::string>();
    const auto query = BaselineQueryOf(text);
    if (!query)
      found.push_back({Quoted(text) + " is no baseline", "write `NAME = PROMQL`, like `p95 = max(latency_seconds)`"});
    else if (!names.insert(query->name).second)
      found.push_back({"two baselines are called " + query->name, "give each a name of its own"});
  }
  if (entries.empty()) return;
  if (TextOf(parameters, "baselineSamplesQuery").empty())
    found.push_back({"`baselines` without `baselineSamplesQuery`",
                     "say how many requests they are made from: `baselineSamplesQuery: PROMQL`"});
  if (IntegerOf(parameters, "baselineMinSamples", 0) < 1)
    found.push_back({"`baselines` need `baselineMinSamples`, at least 1",
                     "say with how many samples a baseline means something: `baselineMinSamples: 200`"});
}

}  // namespace

std::optional<BaselineQuery> BaselineQueryOf(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return std::nullopt;
  const std::string_view name = Trimmed(text.substr(0, equals)), promql = Trimmed(text.substr(equals + 1));
  if (!IsBaselineName(name) || promql.empty() || promql.front() == '=') return std::nullopt;
  return BaselineQuery{std::string(name), std::string(promql)};
}

std::vector<ParameterSpec> BaselineParameters() {
  return {
      Optional("baselines", ParameterType::kTextList, "",
               "what is measured of the source now and journaled, for checks with `notWorseThan`: `NAME = PROMQL`, "
               "each of which gives one value"),
      Optional("baselineSamplesQuery", ParameterType::kText, "",
               "needed for baselines: PromQL that gives one value: how many requests they are made from"),
      Optional("baselineMinSamples", ParameterType::kInteger, "",
               "needed for baselines: with fewer samples one is none, and the check fails; at least 1"),
  };
}

Json RecordBaselines(const StepContext& context, Plugin& metrics, std::vector<Error>& problems) {
  Json facts = Json::object();
  const Status sense = RequireNoContradiction(kRecordsBaselines, context.parameters);
  if (!sense) problems.push_back(sense.error());
  const std::vector<BaselineQuery> queries = QueriesOf(context.parameters);
  if (!sense || queries.empty()) return facts;
  const auto clock = Invoke(metrics, metrics::kClock, MetricsClockQuery{}, context.call);
  if (!clock) problems.push_back(clock.error());
  if (!clock) return facts;
  for (const BaselineQuery& query : queries) {
    const auto window = LookBack(query.promql);
    if (!window) problems.push_back(window.error());
    const auto measured = MeasureOne(context, metrics, query, problems);
    if (window && measured)
      facts[query.name] = {{"query", query.promql},
                           {"value", measured->value},
                           {"samples", measured->samples},
                           {"windowMs", window->count()},
                           {"atMs", clock->now_ms}};
  }
  return facts;
}

std::string Allowance::Title() const {
  return baseline.empty() ? "of " + DurationInWords(window) + " before the cutover" : baseline;
}

Result<Baseline> JournaledBaseline(const StepContext& context, const Allowance& allowance) {
  const bool named = !allowance.baseline.empty();
  const std::string recorder(named ? kRecordsBaselines : kSourceMeasured), name = allowance.Title();
  const Json facts = context.earlier ? context.earlier(recorder, "") : Json();
  const Json fact = named ? Member(Member(facts, "baselines"), name)
                          : MeasuredSource(facts, TextOf(context.parameters, "query"), allowance.window);
  const std::string advice =
      named ? "list it under `baselines` of " + recorder + " in `preChecks`, and move anew" : "move anew";
  if (fact.is_null())
    return Error{ErrorKind::kNotFound, "", "baseline " + name,
                 "the journal has none of this name: " + recorder + " must record it before the cutover", advice};
  const Json& value = Member(fact, "value");
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0)
    return Error{ErrorKind::kCorrupt, "", "baseline " + name,
                 "what " + recorder + " journaled of it is no number of at least 0: " + value.dump(), advice};
  const auto number = [&](std::string_view member) {
    const Json& found = Member(fact, member);
    return found.is_number() ? found.get<double>() : 0;
  };
  return Baseline{name, value.get<double>(), number("samples"), static_cast<std::int64_t>(number("windowMs")),
                  static_cast<std::int64_t>(number("atMs"))};
}

std::vector<ParameterSpec> AllowanceParameters() {
  ParameterSpec not_worse = Optional("notWorseThan", ParameterType::kMap, "",
                                     "how much worse than on the source the value may be");
  ParameterSpec least = Optional("minSamples", ParameterType::kInteger, "1",
                                 "with fewer values in that time there is no baseline, and no cutover");
  least.least = 1;
  not_worse.members = {
      Optional("factor", ParameterType::kText, "", "at least 1: the value may be at most so many times it, like `1.2`"),
      Optional("baseline", ParameterType::kDuration, "",
               "the median of what the query gave over so long right before the cutover; instead of a `baseline` by name"),
      std::move(least)};
  return {
      std::move(not_worse),
      Optional("baseline", ParameterType::kText, "",
               "needed for a notWorseThan without one: a baseline that " + std::string(kRecordsBaselines) + " recorded"),
  };
}

Result<std::optional<Allowance>> AllowanceOf(const Json& parameters) {
  const Json& given = Member(parameters, "notWorseThan");
  const std::string factor = given.is_object() ? TextOf(given, "factor") : TextOf(parameters, "notWorseThan");
  const std::string margin = TextOf(parameters, "margin");
  if (given.is_null()) return std::optional<Allowance>();
  const auto invalid = [](std::string parameter, std::string message, std::string advice) {
    return Error{ErrorKind::kInvalid, "", std::move(parameter), std::move(message), std::move(advice)};
  };
  Allowance allowance;
  allowance.baseline = TextOf(parameters, "baseline");
  allowance.window = DurationOf(given, "baseline", std::chrono::milliseconds(0));
  const std::optional<double> number = FactorOf(factor);
  if (!number)
    return invalid("notWorseThan", Quoted(factor) + " is no factor of at least 1",
                   "write a decimal like `1.2`: 20% worse is accepted");
  const bool over_time = Member(given, "baseline").is_number();
  if (over_time && !allowance.baseline.empty())
    return invalid("baseline", "`notWorseThan` has a `baseline` of its own, and there is " + Quoted(allowance.baseline),
                   "keep one of them");
  if (!over_time && allowance.baseline.empty())
    return invalid("baseline", "`notWorseThan` without `baseline`",
                   "say over how long it is measured, `notWorseThan: {factor: 1.2, baseline: 30m}`, or name one: "
                   "`baseline: NAME`");
  allowance.factor = *number;
  const std::optional<double> more = margin.empty() ? std::optional<double>(0) : RatioOf(margin);
  if (!more || *more > 1)
    return invalid("margin", Quoted(margin) + " is no share of the requests", "write it like `0.1%` or `0.001`");
  allowance.margin = *more;
  return std::optional<Allowance>(allowance);
}

double Bounds::most() const {
  if (!allowance) return absolute.value_or(0);
  return absolute ? std::min(*absolute, relative()) : relative();
}

Json Bounds::Facts() const {
  if (!allowance) return {};
  return {{"name", baseline.name},       {"value", baseline.value},     {"samples", baseline.samples},
          {"atMs", baseline.at_ms},      {"factor", allowance->factor}, {"margin", allowance->margin},
          {"most", relative()}};
}

Result<Bounds> BoundsOf(const StepContext& context, std::optional<double> absolute) {
  const auto allowance = AllowanceOf(context.parameters);
  if (!allowance) return allowance.error();
  if (!absolute && !*allowance)
    return Error{ErrorKind::kInvalid, "", "limit", "nothing says how much it may be", "give a limit or `notWorseThan`"};
  Bounds bounds{absolute, *allowance, {}};
  if (!*allowance) return bounds;
  Result<Baseline> baseline = JournaledBaseline(context, **allowance);
  if (!baseline) return baseline.error();
  bounds.baseline = std::move(*baseline);
  return bounds;
}

std::string ExceededInWords(const Bounds& bounds, double value, const NumberWords& words) {
  if (bounds.absolute && value > *bounds.absolute) return "more than " + words(*bounds.absolute);
  const Allowance& allowance = *bounds.allowance;
  return "more than " + words(bounds.relative()) + ": " + NumberInWords(allowance.factor) + " times the baseline " +
         allowance.Title() + ", which was " + words(bounds.baseline.value) +
         (allowance.margin > 0 ? ", and " + words(allowance.margin) + " more" : "");
}

std::string BoundsInWords(std::optional<double> absolute, const std::optional<Allowance>& allowance,
                          const NumberWords& words) {
  std::vector<std::string> all;
  if (absolute) all.push_back(words(*absolute));
  if (allowance)
    all.push_back(NumberInWords(allowance->factor) + " times the baseline " + allowance->Title() +
                  (allowance->margin > 0 ? " plus " + words(allowance->margin) : "") + " (recorded by " +
                  std::string(allowance->baseline.empty() ? kSourceMeasured : kRecordsBaselines) + ")");
  return ListInWords(all);
}

std::vector<Contradiction> BaselineContradictions(std::string_view step, const Json& parameters) {
  std::vector<Contradiction> found;
  if (step == kRecordsBaselines) CheckQueries(parameters, found);
  if (std::find(kCompare.begin(), kCompare.end(), step) == kCompare.end()) return found;
  const auto allowance = AllowanceOf(parameters);
  if (!allowance) found.push_back({allowance.error().message, allowance.error().advice});
  if (const auto few = TooFewValues(parameters)) found.push_back(*few);
  const bool compares = !Member(parameters, "notWorseThan").is_null();
  if (!compares && !Member(parameters, "baseline").is_null())
    found.push_back({"`baseline` without `notWorseThan`", "say how much worse is accepted: `notWorseThan: \"1.2\"`"});
  // A source without errors has a baseline of 0, of which any multiple is 0.
  if (compares && step == kErrorRate && Member(parameters, "margin").is_null())
    found.push_back({"`notWorseThan` without `margin`",
                     "say how many more errors are accepted even if the source had none: `margin: 0.1%`, or `0%`"});
  return found;
}

}  // namespace vmferry
