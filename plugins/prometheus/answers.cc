// SPDX-License-Identifier: Apache-2.0
#include "plugins/prometheus/answers.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "plugins/printable.h"
#include "plugins/rfc3339.h"

namespace vmferry::prometheus {
namespace {

constexpr std::size_t kShownError = 300;

MetricLabels LabelsIn(const Json& json) {
  MetricLabels labels;
  for (const auto& [name, value] : json.items()) labels[name] = value.get<std::string>();
  return labels;
}

// [seconds, "value"]
MetricSample SampleIn(const Json& pair) {
  MetricSample sample;
  sample.at_ms = std::llround(pair.at(0).get<double>() * 1000);
  sample.value = pair.at(1).get<std::string>();
  return sample;
}

AlertRule RuleIn(const Json& json, const std::string& group) {
  AlertRule rule;
  rule.name = json.at("name").get<std::string>();
  rule.group = group;
  rule.state = json.at("state").get<std::string>();
  rule.health = json.at("health").get<std::string>();
  rule.last_error = Printable(json.value("lastError", std::string()), kShownError);
  for (const Json& alert : json.value("alerts", Json::array()))
    rule.alerts.push_back({LabelsIn(alert.at("labels")), alert.at("state").get<std::string>()});
  return rule;
}

}  // namespace

MetricSamples SamplesIn(const Json& data) {
  const std::string type = data.at("resultType").get<std::string>();
  const Json& result = data.at("result");
  if (type == "scalar") return {{SampleIn(result)}, ""};
  if (type != "vector")
    throw std::runtime_error(type == "matrix" ? "its result is a range; an instant value is wanted, not `metric[5m]`"
                                              : "its result is a " + Printable(type, 40));
  MetricSamples samples;
  for (const Json& series : result) {
    if (!series.contains("value")) throw std::runtime_error("its result is a native histogram, not a value");
    MetricSample sample = SampleIn(series.at("value"));
    sample.labels = LabelsIn(series.at("metric"));
    samples.samples.push_back(std::move(sample));
  }
  return samples;
}

std::string WarningsIn(const Json& body) {
  std::string text;
  for (const Json& warning : body.value("warnings", Json::array()))
    text += (text.empty() ? "" : "; ") + (warning.is_string() ? warning.get<std::string>() : warning.dump());
  return Printable(text, kShownError);
}

ScrapeTargets TargetsIn(const Json& data) {
  ScrapeTargets targets;
  for (const Json& json : data.at("activeTargets")) {
    ScrapeTarget target;
    target.job = json.at("labels").value("job", std::string());
    target.instance = json.at("labels").value("instance", std::string());
    target.health = json.at("health").get<std::string>();
    target.last_error = Printable(json.value("lastError", std::string()), kShownError);
    target.last_scrape_ms = MillisecondsOf(json.value("lastScrape", std::string()));
    targets.targets.push_back(std::move(target));
  }
  return targets;
}

AlertRules RulesIn(const Json& data, const std::string& name) {
  AlertRules rules;
  for (const Json& group : data.at("groups"))
    for (const Json& rule : group.at("rules")) {
      if (rule.at("type") != "alerting" || (!name.empty() && rule.at("name") != name)) continue;
      rules.rules.push_back(RuleIn(rule, group.at("name").get<std::string>()));
    }
  return rules;
}

std::int64_t MillisecondsOf(const std::string& rfc3339) {
  return std::max<std::int64_t>(0, ParseRfc3339(rfc3339).value_or(0));
}

}  // namespace vmferry::prometheus
