// SPDX-License-Identifier: Apache-2.0
//
// Role "metrics": what a metrics server knows: values of queries (PromQL), what it scrapes, which alert rules it has
// loaded and what they say now. All calls read.
//
// Failure: a query the server refuses is kInvalid with its own words; an answer larger than allowed is kCorrupt.
// Targets and rules that come with a warning, so that some may be missing, are kUnavailable.
// "No data" is a reply without samples, never an Error, and never a sample of 0.
// Source: Prometheus HTTP API v1 (instant queries, targets, rules); other servers speak it too.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

using MetricLabels = std::map<std::string, std::string>;

struct MetricQuery {
  std::string promql;  // evaluated at the server's present
};
// One sample of one series. A query for a scalar gives one sample without labels.
struct MetricSample {
  MetricLabels labels;     // the metric's name among them, as "__name__", where the query keeps it
  std::string value;       // "0.25", "NaN", "+Inf", "-Inf": as text, since JSON has no NaN
  std::int64_t at_ms = 0;  // the server's time of evaluation
};
struct MetricSamples {
  std::vector<MetricSample> samples;
  std::string warnings;  // in the server's words; not empty: some of the data may be missing
};

struct MetricsClockQuery {};
struct MetricsClock {
  std::int64_t now_ms = 0;  // the server's own time, Unix milliseconds
};

struct ScrapeTargetsQuery {};
struct ScrapeTarget {
  std::string job, instance;
  std::string health;               // "up", "down", "unknown" (not scraped yet)
  std::string last_error;           // of the last scrape, in the server's words; empty: none
  std::int64_t last_scrape_ms = 0;  // by the server's time; 0: never
};
struct ScrapeTargets {
  std::vector<ScrapeTarget> targets;
};

struct AlertRulesQuery {
  std::string name;  // of the alert; empty: all rules
};
// One series for which a rule's expression is true now.
struct RuleAlert {
  MetricLabels labels;  // "alertname" among them
  std::string state;    // "pending", "firing"
};
struct AlertRule {
  std::string name, group;
  std::string state;   // "inactive", "pending", "firing": the worst of its alerts
  std::string health;  // "ok", "err", "unknown" (not evaluated yet)
  std::string last_error;
  std::vector<RuleAlert> alerts;
};
struct AlertRules {
  std::vector<AlertRule> rules;
};

inline void to_json(Json& json, const MetricsClockQuery&) {
  json = Json::object();
}
inline void from_json(const Json&, MetricsClockQuery&) {}
inline void to_json(Json& json, const ScrapeTargetsQuery&) {
  json = Json::object();
}
inline void from_json(const Json&, ScrapeTargetsQuery&) {}
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MetricQuery, promql)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MetricSample, labels, value, at_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MetricSamples, samples, warnings)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(MetricsClock, now_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ScrapeTarget, job, instance, health, last_error, last_scrape_ms)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ScrapeTargets, targets)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AlertRulesQuery, name)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RuleAlert, labels, state)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AlertRule, name, group, state, health, last_error, alerts)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AlertRules, rules)

namespace metrics {
inline constexpr Call<MetricQuery, MetricSamples> kQuery{{"metrics", "Query", Access::kRead}};
inline constexpr Call<MetricsClockQuery, MetricsClock> kClock{{"metrics", "Clock", Access::kRead}};
inline constexpr Call<ScrapeTargetsQuery, ScrapeTargets> kTargets{{"metrics", "Targets", Access::kRead}};
inline constexpr Call<AlertRulesQuery, AlertRules> kRules{{"metrics", "Rules", Access::kRead}};
}  // namespace metrics

}  // namespace vmferry
