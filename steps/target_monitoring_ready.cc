// SPDX-License-Identifier: Apache-2.0
//
// target_monitoring_ready: before anything moves, the metrics server scrapes what the target is watched by, the
// dashboards' metrics have samples and the application's alert rules are loaded. All that is missing is told at once.
// It also measures, if asked, what the target must not be worse than (steps/baseline.h).
#include <algorithm>
#include <cmath>

#include "plugins/metrics.h"
#include "steps/baseline.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/measure.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kRecordsBaselines;
  spec.purpose = "Checks that the target is monitored: scrape targets report, dashboards have data, alert rules exist.";
  spec.parameters = {
      Service("metricsService", "metrics", true, "the service that is asked"),
      Required("targets", ParameterType::kTextList,
               "scrape targets that must be up now, as JOB or JOB/INSTANCE; of a job all instances"),
      Required("maxScrapeAge", ParameterType::kDuration, "a target whose last scrape is longer ago does not report"),
      Optional("plannedTargets", ParameterType::kTextList, "",
               "scrape targets that must be configured, but need not be up before the target runs"),
      Required("metrics", ParameterType::kTextList,
               "what the dashboards show: PromQL selectors that must each have a sample now"),
      Required("alertRules", ParameterType::kTextList, "names of the application's alert rules, which must be loaded"),
  };
  for (ParameterSpec& parameter : BaselineParameters()) spec.parameters.push_back(std::move(parameter));
  spec.reads = "scrape targets, rules and the present samples of the metrics server; the baselines";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "preChecks:\n  - target_monitoring_ready:\n      metricsService: prometheus\n"
      "      targets: [node-kvm, 'blackbox/shop.example']\n      maxScrapeAge: 2m\n"
      "      plannedTargets: ['shop/10.0.0.5:9100']\n"
      "      metrics: ['http_requests_total{job=\"shop\"}']\n      alertRules: [ShopDown, ShopSlow]\n"
      "      baselines: # for `notWorseThan` of the post-checks\n"
      "        - p95 = histogram_quantile(0.95, sum by (le) "
      "(rate(http_request_duration_seconds_bucket{job=\"shop\"}[10m])))\n"
      "      baselineSamplesQuery: sum(increase(http_request_duration_seconds_count{job=\"shop\"}[10m]))\n"
      "      baselineMinSamples: 200\n";
  return spec;
}

// What one look adds to.
struct MonitoringLook {
  const StepContext& context;
  Plugin& metrics;
  Findings& findings;

  void Problem(ErrorKind kind, const std::string& object, const std::string& message, const std::string& advice) const {
    findings.problems.push_back(Error{kind, metrics.system(), object, message, advice});
  }
  std::vector<std::string> List(const char* parameter) const {
    std::vector<std::string> list;
    for (const Json& entry : Member(context.parameters, parameter)) list.push_back(entry.get<std::string>());
    return list;
  }
};

std::vector<ScrapeTarget> Named(const ScrapeTargets& targets, const std::string& name) {
  std::vector<ScrapeTarget> named;
  for (const ScrapeTarget& target : targets.targets)
    if (name == target.job || name == target.job + "/" + target.instance) named.push_back(target);
  return named;
}

void CheckTarget(const MonitoringLook& look, const ScrapeTarget& target, std::int64_t now_ms) {
  const std::string object = "scrape target " + target.job + "/" + target.instance;
  const milliseconds age(now_ms - target.last_scrape_ms);
  const milliseconds oldest = DurationOf(look.context.parameters, "maxScrapeAge", milliseconds(0));
  if (target.health == "unknown" || target.last_scrape_ms == 0)
    look.Problem(ErrorKind::kUnavailable, object, "it was not scraped yet", "wait for its first scrape");
  else if (target.health != "up")
    look.Problem(ErrorKind::kConflict, object,
                 "it is " + target.health + (target.last_error.empty() ? "" : ": " + target.last_error),
                 "start its exporter, or correct the scrape configuration");
  else if (age > oldest)
    look.Problem(ErrorKind::kConflict, object,
                 "its last scrape was " + DurationInWords(milliseconds(age.count() / 1000 * 1000)) +
                     " ago, more than " + DurationInWords(oldest),
                 "find out why it is not scraped any more");
}

void CheckTargets(const MonitoringLook& look) {
  const auto clock = Invoke(look.metrics, metrics::kClock, MetricsClockQuery{}, look.context.call);
  const auto targets = Invoke(look.metrics, metrics::kTargets, ScrapeTargetsQuery{}, look.context.call);
  if (!clock || !targets) return look.findings.problems.push_back(clock ? targets.error() : clock.error());
  std::size_t up = 0;
  for (const char* parameter : {"targets", "plannedTargets"})
    for (const std::string& name : look.List(parameter)) {
      const std::vector<ScrapeTarget> named = Named(*targets, name);
      if (named.empty())
        look.Problem(ErrorKind::kNotFound, "scrape target " + name, "there is no such scrape target",
                     "add it to the scrape configuration, or correct JOB/INSTANCE");
      if (std::string_view(parameter) == "plannedTargets") continue;
      for (const ScrapeTarget& target : named) CheckTarget(look, target, clock->now_ms);
      up += named.size();
    }
  look.findings.facts["scrapeTargets"] = up;
}

bool IsNumber(const MetricSample& sample) {
  const std::optional<double> number = NumberOf(sample.value);
  return number && !std::isnan(*number);
}

void CheckMetrics(const MonitoringLook& look) {
  Json& facts = look.findings.facts["series"] = Json::object();
  for (const std::string& selector : look.List("metrics")) {
    const auto answer = Invoke(look.metrics, metrics::kQuery, MetricQuery{selector}, look.context.call);
    if (!answer) {
      look.findings.problems.push_back(answer.error());
      continue;
    }
    if (!answer->warnings.empty()) {
      look.Problem(ErrorKind::kUnavailable, "metric " + selector,
                   "the server warns that this may not be all: " + answer->warnings,
                   "see that all servers behind it can be reached");
      continue;
    }
    const auto numbers = std::count_if(answer->samples.begin(), answer->samples.end(), IsNumber);
    facts[selector] = numbers;
    if (numbers > 0) continue;
    look.Problem(ErrorKind::kNotFound, "metric " + selector,
                 answer->samples.empty() ? "it has no samples now" : "all its samples are NaN",
                 "correct the selector, or have it exported before the move");
  }
}

void CheckRules(const MonitoringLook& look) {
  const auto rules = Invoke(look.metrics, metrics::kRules, AlertRulesQuery{}, look.context.call);
  if (!rules) return look.findings.problems.push_back(rules.error());
  for (const std::string& name : look.List("alertRules")) {
    const auto rule = std::find_if(rules->rules.begin(), rules->rules.end(),
                                   [&](const AlertRule& loaded) { return loaded.name == name; });
    const std::string object = "alert rule " + name;
    if (rule == rules->rules.end())
      look.Problem(ErrorKind::kNotFound, object, "it is not loaded", "add it to the rule files and reload the server");
    else if (rule->health == "unknown")
      look.Problem(ErrorKind::kUnavailable, object, "it was not evaluated yet", "wait for its first evaluation");
    else if (rule->health != "ok")
      look.Problem(ErrorKind::kConflict, object,
                   "its evaluation fails" + (rule->last_error.empty() ? "" : ": " + rule->last_error),
                   "correct the rule");
    else
      look.findings.facts["alertRules"][name] = rule->state;
  }
}

class TargetMonitoringReadyStep final : public Inspection {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Findings Look(const StepContext& context) const override {
    Findings findings;
    const Result<Plugin*> metrics = ServiceOf(context, "metricsService");
    if (!metrics) {
      findings.problems.push_back(metrics.error());
      return findings;
    }
    const MonitoringLook look{context, **metrics, findings};
    findings.will = "check with " + (*metrics)->system() + " that " + ListInWords(look.List("targets")) +
                    " report, that " + CountInWords(look.List("metrics").size(), "metric") + " of the dashboards " +
                    (look.List("metrics").size() == 1 ? "has" : "have") + " samples, and that the rules " +
                    ListInWords(look.List("alertRules")) + " are loaded";
    if (const auto baselines = look.List("baselines"); !baselines.empty())
      findings.will += "; measure what is journaled as baseline: " + ListInWords(baselines);
    CheckTargets(look);
    CheckMetrics(look);
    CheckRules(look);
    Json baselines = RecordBaselines(context, **metrics, findings.problems);
    if (!baselines.empty()) findings.facts["baselines"] = std::move(baselines);
    return findings;
  }
};

}  // namespace

const Step& TargetMonitoringReady() {
  static const TargetMonitoringReadyStep step;
  return step;
}

}  // namespace vmferry
