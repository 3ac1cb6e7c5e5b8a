// SPDX-License-Identifier: Apache-2.0
//
// p95_latency_within_slo: the application is as fast on the target as was promised, or not slower than it was on the
// source, measured over a window that begins after the traffic switch.
#include "steps/catalogue.h"
#include "steps/parameters.h"
#include "steps/window_check.h"

namespace vmferry {
namespace {

class P95LatencyWithinSloStep final : public WindowCheck {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<std::optional<double>> LimitOf(const StepContext& context) const override {
    if (Member(context.parameters, "slo").is_null()) return std::optional<double>();
    return std::optional<double>(static_cast<double>(IntegerOf(context.parameters, "slo", 0)) / 1000);
  }
  std::string what() const override { return "the 95th percentile of latency"; }
  std::string InWords(double value) const override { return NumberInWords(value * 1000) + "ms"; }
  Json FactsOf(double value, std::optional<double> limit) const override {
    Json facts{{"p95Ms", value * 1000}};
    if (limit) facts["sloMs"] = *limit * 1000;
    return facts;
  }

 private:
  static StepSpec MakeSpec() {
    StepSpec spec;
    spec.name = "p95_latency_within_slo";
    spec.purpose =
        "Checks that the 95th percentile of latency on the target is within its objective, or near the source's.";
    spec.deadline = std::chrono::minutes(30);
    spec.parameters = Parameters("the 95th percentile of latency in seconds");
    spec.parameters.push_back(
        Optional("slo", ParameterType::kDuration, "", "the longest it may be; this or notWorseThan, or both"));
    spec.reads = "the two queries at the metrics server, once the window is over; the journaled baseline";
    spec.changes = "nothing";
    spec.undo = "nothing to undo";
    spec.example =
        "postChecks:\n  - p95_latency_within_slo:\n      metricsService: prometheus\n      query: "
        "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job=\"shop\"}[5m])))\n"
        "      samplesQuery: sum(increase(http_request_duration_seconds_count{job=\"shop\"}[5m]))\n"
        "      minSamples: 200\n      window: 5m\n      slo: 300ms\n"
        "      notWorseThan: \"1.2\"\n      baseline: p95 # of target_monitoring_ready\n";
    return spec;
  }
};

}  // namespace

const Step& P95LatencyWithinSlo() {
  static const P95LatencyWithinSloStep step;
  return step;
}

}  // namespace vmferry
