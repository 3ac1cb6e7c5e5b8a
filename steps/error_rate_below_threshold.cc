// SPDX-License-Identifier: Apache-2.0
//
// error_rate_below_threshold: no more requests fail on the target than is accepted, or than failed on the source,
// measured over a window that begins after the traffic switch. A source without failures has the baseline 0, of which
// any multiple is 0: `margin` says how many more are accepted then.
#include "plugins/printable.h"
#include "steps/catalogue.h"
#include "steps/parameters.h"
#include "steps/window_check.h"

namespace vmferry {
namespace {

class ErrorRateBelowThresholdStep final : public WindowCheck {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<std::optional<double>> LimitOf(const StepContext& context) const override {
    if (Member(context.parameters, "threshold").is_null()) return std::optional<double>();
    const std::string text = TextOf(context.parameters, "threshold");
    const std::optional<double> ratio = RatioOf(text);
    if (ratio && *ratio <= 1) return ratio;
    return Error{ErrorKind::kInvalid, "", "threshold", "\"" + Printable(text, 40) + "\" is no share of the requests",
                 "write it like `1%` or `0.01`"};
  }
  std::string what() const override { return "the error rate"; }
  std::string InWords(double value) const override { return RatioInWords(value); }
  Json FactsOf(double value, std::optional<double> limit) const override {
    Json facts{{"errorRate", value}};
    if (limit) facts["threshold"] = *limit;
    return facts;
  }

 private:
  static StepSpec MakeSpec() {
    StepSpec spec;
    spec.name = "error_rate_below_threshold";
    spec.purpose = "Checks that no more requests fail on the target than is accepted, or than failed on the source.";
    spec.deadline = std::chrono::minutes(30);
    spec.parameters = Parameters("the share of requests that failed, from 0 to 1");
    spec.parameters.push_back(Optional("margin", ParameterType::kText, "",
                                       "needed for notWorseThan: share of the requests that may fail beyond that, also "
                                       "if none failed before: `0.1%`; `0%`: none"));
    spec.parameters.push_back(
        Optional("threshold", ParameterType::kText, "",
                 "the largest share that is accepted: `1%`, or `0.01`; this or notWorseThan, or both"));
    spec.reads = "the two queries at the metrics server, once the window is over; the journaled baseline";
    spec.changes = "nothing";
    spec.undo = "nothing to undo";
    spec.example =
        "postChecks:\n  - error_rate_below_threshold:\n      metricsService: prometheus\n"
        "      # `or vector(0)`: without a failed request there is no series of failures\n"
        "      query: (sum(rate(http_requests_total{job=\"shop\",code=~\"5..\"}[5m])) or vector(0)) / "
        "sum(rate(http_requests_total{job=\"shop\"}[5m]))\n"
        "      samplesQuery: sum(increase(http_requests_total{job=\"shop\"}[5m]))\n"
        "      minSamples: 200\n      window: 5m\n      threshold: 1%\n"
        "      notWorseThan: \"1.5\"\n      baseline: errors # of target_monitoring_ready\n      margin: 0.1%\n";
    return spec;
  }
};

}  // namespace

const Step& ErrorRateBelowThreshold() {
  static const ErrorRateBelowThresholdStep step;
  return step;
}

}  // namespace vmferry
