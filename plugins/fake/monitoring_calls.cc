// SPDX-License-Identifier: Apache-2.0
//
// The fake as metrics server, alert router and place of signals. An alert goes its way with the looks at the rules: a
// rule sees a signal, is pending, fires, the router has the alert, the receiver gets it. A signal that is gone takes
// its alerts with it at once; what was received stays.
#include <algorithm>

#include "plugins/alerts.h"
#include "plugins/fake/fake_plugin.h"
#include "plugins/metrics.h"
#include "plugins/signal.h"

namespace vmferry {
namespace {

RuleAlert AlertOf(const FakeRule& rule, const FakeSignal& signal) {
  RuleAlert alert{rule.labels, signal.looks > rule.pending_polls ? "firing" : "pending"};
  if (!rule.drops_labels) alert.labels.insert(signal.labels.begin(), signal.labels.end());
  alert.labels["alertname"] = rule.facts.name;
  return alert;
}

AlertRule Evaluated(const FakeMonitoring& world, const FakeRule& rule) {
  AlertRule facts = rule.facts;
  facts.state = "inactive";
  for (const FakeSignal& signal : world.signals) {
    if (signal.metric != rule.metric) continue;
    facts.alerts.push_back(AlertOf(rule, signal));
    if (facts.state != "firing") facts.state = facts.alerts.back().state;
  }
  return facts;
}

std::string RecordOf(const RuleAlert& alert) {
  std::string line = "firing";
  for (const auto& [name, value] : alert.labels) line += " " + name + "=" + value;
  return line;
}

// What is firing and not recorded yet gets to the receiver.
void Deliver(FakeMonitoring& world) {
  if (!world.routed || world.suppressed || !world.delivered) return;
  for (const FakeRule& rule : world.rules)
    for (const RuleAlert& alert : Evaluated(world, rule).alerts) {
      const std::string line = RecordOf(alert);
      const bool known = std::find(world.received.begin(), world.received.end(), line) != world.received.end();
      if (alert.state == "firing" && !known) world.received.push_back(line);
    }
}

Result<MetricSamples> Query(Scene& scene, const MetricQuery& query) {
  const FakeMonitoring& world = scene.world.monitoring;
  const auto refused = world.refusals.find(query.promql);
  if (refused != world.refusals.end())
    return Fail(scene, ErrorKind::kInvalid, "query " + query.promql, refused->second);
  const auto answer = world.answers.find(query.promql);
  return MetricSamples{answer == world.answers.end() ? std::vector<MetricSample>{} : answer->second, world.warnings};
}

Result<MetricsClock> Clock(Scene& scene, const MetricsClockQuery&) {
  return MetricsClock{scene.world.monitoring.now_ms};
}

Result<ScrapeTargets> Targets(Scene& scene, const ScrapeTargetsQuery&) {
  return ScrapeTargets{scene.world.monitoring.targets};
}

Result<AlertRules> Rules(Scene& scene, const AlertRulesQuery& query) {
  FakeMonitoring& world = scene.world.monitoring;
  for (FakeSignal& signal : world.signals) ++signal.looks;
  if (!world.signals.empty()) Touch(scene.world);
  Deliver(world);
  AlertRules rules;
  for (const FakeRule& rule : world.rules)
    if (query.name.empty() || rule.facts.name == query.name) rules.rules.push_back(Evaluated(world, rule));
  return rules;
}

bool Matches(const RuleAlert& alert, const AlertsQuery& query) {
  const auto has = [&alert](const auto& wanted) {
    const auto label = alert.labels.find(wanted.first);
    return label != alert.labels.end() && label->second == wanted.second;
  };
  return alert.state == "firing" && alert.labels.at("alertname") == query.name &&
         std::all_of(query.labels.begin(), query.labels.end(), has);
}

Result<ActiveAlerts> Active(Scene& scene, const AlertsQuery& query) {
  const FakeMonitoring& world = scene.world.monitoring;
  ActiveAlerts active;
  if (!world.routed) return active;
  for (const FakeRule& rule : world.rules)
    for (const RuleAlert& alert : Evaluated(world, rule).alerts) {
      if (!Matches(alert, query)) continue;
      ActiveAlert entry{alert.labels, world.suppressed ? "suppressed" : "active", {"pager"}, {}, {}};
      if (world.suppressed) entry.silenced_by = {"s1"};
      active.alerts.push_back(entry);
    }
  return active;
}

auto FindSignal(FakeMonitoring& world, const std::string& metric, const MetricLabels& labels) {
  return std::find_if(world.signals.begin(), world.signals.end(),
                      [&](const FakeSignal& signal) { return signal.metric == metric && signal.labels == labels; });
}

Result<SignalFacts> DescribeSignal(Scene& scene, const SignalQuery& query) {
  FakeMonitoring& world = scene.world.monitoring;
  const auto found = FindSignal(world, query.metric, query.labels);
  if (found == world.signals.end()) return SignalFacts{false, 0, "the fake world"};
  return SignalFacts{true, found->value, "the fake world"};
}

Result<Done> EnsureSignal(Scene& scene, const SetSignalRequest& request) {
  FakeMonitoring& world = scene.world.monitoring;
  const auto found = FindSignal(world, request.metric, request.labels);
  if (found != world.signals.end() && found->value == request.value) return Done{};
  if (found != world.signals.end()) world.signals.erase(found);
  world.signals.push_back({request.metric, request.labels, request.value, 0});
  Record(scene.world, scene.call, "signal", request.metric, {{"labels", request.labels}, {"value", request.value}});
  return Done{};
}

Result<Done> EnsureNoSignal(Scene& scene, const SignalQuery& request) {
  FakeMonitoring& world = scene.world.monitoring;
  const auto found = FindSignal(world, request.metric, request.labels);
  if (found == world.signals.end()) return Done{};
  world.signals.erase(found);
  Record(scene.world, scene.call, "no-signal", request.metric, {{"labels", request.labels}});
  return Done{};
}

}  // namespace

void FakePlugin::ServeMonitoring() {
  On(metrics::kQuery, Query);
  On(metrics::kClock, Clock);
  On(metrics::kTargets, Targets);
  On(metrics::kRules, Rules);
  On(alerts::kActive, Active);
  On(signals::kDescribe, DescribeSignal);
  On(signals::kEnsure, EnsureSignal);
  On(signals::kEnsureGone, EnsureNoSignal);
}

}  // namespace vmferry
