// SPDX-License-Identifier: Apache-2.0
#include "steps/criterion_rule.h"

#include <algorithm>
#include <iterator>

#include "steps/parameters.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr SampleVerdict kSilent[] = {SampleVerdict::kError, SampleVerdict::kInconclusive, SampleVerdict::kNoData};

const CriterionRule::Silence& SilenceOf(const CriterionRule& rule, SampleVerdict kind) {
  if (kind == SampleVerdict::kError) return rule.errors;
  return kind == SampleVerdict::kInconclusive ? rule.inconclusive : rule.no_data;
}

bool IsSilent(SampleVerdict sample) { return sample != SampleVerdict::kPass && sample != SampleVerdict::kFail; }

void Reach(Evaluation& evaluation, SampleVerdict kind, Reaction reaction, std::string why) {
  if (!evaluation.verdict) {
    evaluation.verdict = kind;
    evaluation.why = std::move(why);
  }
  evaluation.reaction = std::max(evaluation.reaction, reaction);
}

ParameterSpec Count(std::string name, std::string standard, std::string purpose) {
  ParameterSpec spec = Optional(std::move(name), ParameterType::kInteger, std::move(standard), std::move(purpose));
  spec.least = 1;
  spec.most = static_cast<std::int64_t>(kKeptSamples);
  return spec;
}

ParameterSpec ReactionParameter(std::string name, std::string standard, std::string purpose) {
  ParameterSpec spec = Optional(std::move(name), ParameterType::kChoice, std::move(standard), std::move(purpose));
  spec.choices = {"rollback", "hold", "notify"};
  return spec;
}

ParameterSpec SilenceParameter(std::string name, const std::string& then, const std::string& kind) {
  ParameterSpec spec = Optional(std::move(name), ParameterType::kMap, then, "what happens when samples " + kind);
  spec.members = {ReactionParameter("then", then, "the reaction"),
                  Count("consecutive", "5", "after so many samples in a row that neither passed nor failed")};
  return spec;
}

CriterionRule::Silence ReadSilence(const Json& parameters, const char* name, CriterionRule::Silence silence) {
  const Json given = Member(parameters, name);
  if (!given.is_object()) return silence;
  silence.consecutive = static_cast<int>(IntegerOf(given, "consecutive", silence.consecutive));
  silence.then = ReactionFromName(TextOf(given, "then")).value_or(silence.then);
  return silence;
}

std::string SilenceInWords(const char* kind, const CriterionRule::Silence& silence) {
  return std::string("; ") + kind + ", " + std::to_string(silence.consecutive) + " in a row: " +
         std::string(Name(silence.then));
}

}  // namespace

void AddRuleParameters(StepSpec& spec, const RuleStandard& standard) {
  ParameterSpec trip = Optional("trip", ParameterType::kMap, standard.failures + " of " + standard.within,
                                "how many samples must fail; a bare number: so many in a row");
  trip.members = {Count("consecutive", "", "so many samples in a row; instead of the other two"),
                  Count("failures", standard.failures, "so many"),
                  Count("within", standard.within, "among so many of the latest samples, of whatever kind")};
  std::vector<ParameterSpec> parameters{
      Optional("every", ParameterType::kDuration, standard.every, "between two samples; at least 1s"),
      Optional("delay", ParameterType::kDuration, "0s", "how long after the traffic was moved the first is taken"),
      std::move(trip),
      ReactionParameter("onTrip", "rollback", "what happens when so many samples failed"),
      SilenceParameter("errors", "hold", "cannot be taken"),
      SilenceParameter("inconclusive", "notify", "say neither"),
      SilenceParameter("noData", standard.no_data, "find nothing")};
  std::move(parameters.begin(), parameters.end(), std::back_inserter(spec.parameters));
}

std::vector<Contradiction> RuleContradictions(const Json& parameters) {
  std::vector<Contradiction> found;
  const Json trip = Member(parameters, "trip");
  const bool row = trip.is_object() && trip.contains("consecutive");
  if (trip.is_object() && !row && IntegerOf(trip, "within", 1) < IntegerOf(trip, "failures", 1))
    found.push_back({"`trip` wants " + std::to_string(IntegerOf(trip, "failures", 1)) + " failures within " +
                         std::to_string(IntegerOf(trip, "within", 1)) + " samples",
                     "make `within` at least `failures`"});
  const Json every = Member(parameters, "every");
  if (trip.is_object() && every.is_number() && every < 1000)
    found.push_back({"`every` is less than a second", "give it at least `1s`"});
  return found;
}

CriterionRule RuleOf(const Json& parameters) {
  CriterionRule rule;
  rule.every = std::max<std::chrono::milliseconds>(DurationOf(parameters, "every", rule.every), std::chrono::seconds(1));
  rule.delay = DurationOf(parameters, "delay", rule.delay);
  if (const Json trip = Member(parameters, "trip"); trip.is_object()) {
    rule.failures = static_cast<int>(IntegerOf(trip, "failures", rule.failures));
    rule.within = std::max(rule.failures, static_cast<int>(IntegerOf(trip, "within", rule.within)));
    if (const auto row = static_cast<int>(IntegerOf(trip, "consecutive", 0)); row > 0) rule.failures = rule.within = row;
  }
  rule.on_trip = ReactionFromName(TextOf(parameters, "onTrip")).value_or(rule.on_trip);
  rule.errors = ReadSilence(parameters, "errors", rule.errors);
  rule.inconclusive = ReadSilence(parameters, "inconclusive", {5, Reaction::kNotify});
  rule.no_data = ReadSilence(parameters, "noData", rule.no_data);
  return rule;
}

std::string RuleInWords(const CriterionRule& rule) {
  const std::string trip = rule.failures == rule.within
                               ? std::to_string(rule.failures) + " failed in a row"
                               : std::to_string(rule.failures) + " failed of the latest " + std::to_string(rule.within);
  return "every " + DurationInWords(rule.every) +
         (rule.delay.count() > 0 ? ", from " + DurationInWords(rule.delay) + " after the traffic moved" : "") + "; " +
         trip + ": " + std::string(Name(rule.on_trip)) + SilenceInWords("errors", rule.errors) +
         SilenceInWords("inconclusive", rule.inconclusive) + SilenceInWords("no data", rule.no_data);
}

Evaluation Evaluate(const CriterionRule& rule, const std::vector<SampleVerdict>& samples) {
  Evaluation evaluation;
  const auto within = std::min(samples.size(), static_cast<std::size_t>(rule.within));
  const auto failed = std::count(samples.end() - static_cast<std::ptrdiff_t>(within), samples.end(), SampleVerdict::kFail);
  if (failed >= rule.failures)
    Reach(evaluation, SampleVerdict::kFail, rule.on_trip,
          std::to_string(failed) + " of the latest " + std::to_string(within) + " samples failed");
  const auto row = std::find_if_not(samples.rbegin(), samples.rend(), IsSilent);
  const auto silent = row - samples.rbegin();
  for (const SampleVerdict kind : kSilent) {
    const CriterionRule::Silence& silence = SilenceOf(rule, kind);
    if (silent < silence.consecutive || std::find(samples.rbegin(), row, kind) == row) continue;
    Reach(evaluation, kind, silence.then,
          "the latest " + std::to_string(silent) + " samples neither passed nor failed (" + std::string(Name(kind)) + ")");
  }
  if (!evaluation.verdict && !samples.empty() && samples.back() == SampleVerdict::kPass)
    evaluation.verdict = SampleVerdict::kPass;
  return evaluation;
}

}  // namespace vmferry
