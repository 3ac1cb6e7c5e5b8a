// SPDX-License-Identifier: Apache-2.0
#include "steps/alert_trial.h"

#include <utility>

#include "plugins/alerts.h"
#include "plugins/metrics.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::size_t kMarkDigits = 12;
constexpr const char* kMarkLabel = "vmferry";

bool IsOurs(const MetricLabels& labels, const AlertTrial& trial) {
  const auto mark = labels.find(kMarkLabel);
  return mark != labels.end() && mark->second == trial.mark;
}

// What the rules of the name say of our signal: "", "pending" or "firing".
std::string StateOf(const AlertRules& rules, const AlertTrial& trial) {
  std::string state;
  for (const AlertRule& rule : rules.rules)
    for (const RuleAlert& alert : rule.alerts)
      if (IsOurs(alert.labels, trial) && state != "firing") state = alert.state;
  return state;
}

// Why a rule does not see the signal.
Result<std::string> WhyInactive(const StepContext& context, const AlertTrial& trial, const AlertRules& rules) {
  const std::string rule = "rule " + trial.rule;
  for (const AlertRule& loaded : rules.rules) {
    if (loaded.health == "err") return rule + " cannot be evaluated: " + loaded.last_error;
    if (!loaded.alerts.empty())
      return rule + " is " + loaded.state + ", but not with the label " + kMarkLabel + "=\"" + trial.mark +
             "\": its expression must keep the labels of " + trial.series.metric;
  }
  const std::string selector = trial.series.metric + "{" + kMarkLabel + "=\"" + trial.mark + "\"}";
  const auto seen = Invoke(*trial.metrics, metrics::kQuery, MetricQuery{selector}, context.call);
  if (!seen) return seen.error();
  if (seen->samples.empty()) return trial.metrics->system() + " has not scraped the signal " + selector + " yet";
  return rule + " is inactive: its expression does not see " + selector + ", which was scraped";
}

std::string RouterWords(const AlertTrial& trial, const ActiveAlerts& active) {
  const std::string router = trial.alerts->system();
  if (active.alerts.empty()) return router + " does not have the alert";
  const ActiveAlert& alert = active.alerts.front();
  if (!alert.silenced_by.empty()) return router + " has the alert, silenced by " + ListInWords(alert.silenced_by);
  if (!alert.inhibited_by.empty()) return router + " has the alert, inhibited by " + ListInWords(alert.inhibited_by);
  return router + " has the alert (" + alert.state + "), for " + ListInWords(alert.receivers);
}

Result<ActiveAlerts> AskRouter(const StepContext& context, const AlertTrial& trial) {
  return Invoke(*trial.alerts, alerts::kActive, AlertsQuery{trial.rule, {{kMarkLabel, trial.mark}}}, context.call);
}

}  // namespace

std::vector<ParameterSpec> AlertTrialParameters() {
  return {
      Service("metricsService", "metrics", true, "the metrics server that has the rule loaded"),
      Service("alertsService", "alerts", true, "the alert router that it sends alerts to"),
      Service("signalService", "signal", true, "where the signal is raised"),
      Service("probe", "probe", true, "the service that asks the receiver what it got"),
      Required("alertName", ParameterType::kText,
               "name of the rule, and so of the alert; its expression is true for the signal and keeps its labels"),
      Required("signalMetric", ParameterType::kText, "metric that the rule fires on when it is 1"),
      Required("receiverUrl", ParameterType::kUrl,
               "where the receiver shows what it got; the alert's name and its label vmferry must be in the first MiB"),
      Optional("receiverCaFile", ParameterType::kText, "", "CA file that the receiver's certificate must lead to"),
  };
}

Result<AlertTrial> AlertTrialOf(const StepContext& context) {
  AlertTrial trial;
  for (const auto& [parameter, place] :
       {std::pair{"metricsService", &trial.metrics}, std::pair{"alertsService", &trial.alerts},
        std::pair{"signalService", &trial.signal}, std::pair{"probe", &trial.probe}}) {
    const Result<Plugin*> plugin = ServiceOf(context, parameter);
    if (!plugin) return plugin.error();
    *place = *plugin;
  }
  trial.rule = TextOf(context.parameters, "alertName");
  trial.mark = KeyOf(context).substr(0, kMarkDigits);
  trial.series = {TextOf(context.parameters, "signalMetric"),
                  {{"application", context.application->name}, {kMarkLabel, trial.mark}}};
  trial.receiver.url = TextOf(context.parameters, "receiverUrl");
  trial.receiver.ca_file = TextOf(context.parameters, "receiverCaFile");
  return trial;
}

Result<Receipt> ReadReceipt(const StepContext& context, const AlertTrial& trial) {
  for (const std::string& text : {trial.mark, trial.rule}) {
    ProbeRequest request = trial.receiver;
    request.expect_body = text;
    const auto reply = Invoke(*trial.probe, probe::kProbe, request, context.call);
    if (!reply) return reply.error();
    if (!reply->healthy) return Receipt{false, "the receiver " + request.url + " does not show it: " + reply->why};
  }
  return Receipt{true, ""};
}

Result<AlertWay> FollowAlert(const StepContext& context, const AlertTrial& trial) {
  const auto rules = Invoke(*trial.metrics, metrics::kRules, AlertRulesQuery{trial.rule}, context.call);
  if (!rules) return rules.error();
  if (rules->rules.empty())
    return Error{ErrorKind::kNotFound, trial.metrics->system(), "alert rule " + trial.rule, "it is not loaded",
                 "add it to the rule files and reload the server"};
  const auto active = AskRouter(context, trial);
  if (!active) return active.error();
  AlertWay way;
  const std::string state = StateOf(*rules, trial);
  way.at_rule = !state.empty();
  way.at_router = !active->alerts.empty();
  if (way.at_rule) {
    way.words = "rule " + trial.rule + " is " + state;
    if (state == "firing" || way.at_router) way.words += "; " + RouterWords(trial, *active);
    return way;
  }
  const Result<std::string> why = WhyInactive(context, trial, *rules);
  if (!why) return why.error();
  way.words = way.at_router ? RouterWords(trial, *active) : *why;
  return way;
}

Result<bool> AtRouter(const StepContext& context, const AlertTrial& trial) {
  const auto active = AskRouter(context, trial);
  if (!active) return active.error();
  return !active->alerts.empty();
}

}  // namespace vmferry
