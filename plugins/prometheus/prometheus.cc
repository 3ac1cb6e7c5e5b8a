// SPDX-License-Identifier: Apache-2.0
#include "plugins/prometheus/prometheus.h"

#include <algorithm>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "plugins/json_api.h"
#include "plugins/metrics.h"
#include "plugins/printable.h"
#include "plugins/prometheus/answers.h"

namespace vmferry {
namespace prometheus {
namespace {

constexpr std::size_t kMostSamples = 8 * 1024 * 1024;  // bytes of an answer to a query
constexpr std::size_t kMostState = 64 * 1024 * 1024;   // of all targets, of all rules
constexpr std::size_t kLongestQuery = 8 * 1024;        // goes into the request's line
constexpr std::size_t kShownQuery = 200;

class Prometheus final : public CallTable {
 public:
  explicit Prometheus(std::unique_ptr<JsonApi> api) : api_(std::move(api)) {
    Serve<MetricQuery, MetricSamples>(metrics::kQuery, [this](const MetricQuery& query, const CallContext& context) {
      return Query(query.promql, context);
    });
    Serve<MetricsClockQuery, MetricsClock>(
        metrics::kClock, [this](const MetricsClockQuery&, const CallContext& context) { return Clock(context); });
    Serve<ScrapeTargetsQuery, ScrapeTargets>(
        metrics::kTargets, [this](const ScrapeTargetsQuery&, const CallContext& context) {
          return Read<ScrapeTargets>("/api/v1/targets?state=active", "scrape targets", kMostState, context, TargetsIn);
        });
    Serve<AlertRulesQuery, AlertRules>(
        metrics::kRules, [this](const AlertRulesQuery& query, const CallContext& context) {
          const auto rules = [&query](const Json& data) { return RulesIn(data, query.name); };
          return Read<AlertRules>("/api/v1/rules?type=alert", "alert rules", kMostState, context, rules);
        });
  }
  std::string system() const override { return api_->system(); }

 private:
  Result<MetricSamples> Query(const std::string& promql, const CallContext& context) const {
    const std::string object = "query " + Printable(promql, kShownQuery);
    if (promql.empty() || promql.size() > kLongestQuery)
      return Error{ErrorKind::kInvalid, system(), object, promql.empty() ? "it is empty" : "it is longer than 8 KiB",
                   ""};
    const std::string path = "/api/v1/query?query=" + EncodeQuery(promql) +
                             "&timeout=" + std::to_string(std::max<long long>(1, context.timeout.count())) + "ms";
    return Read<MetricSamples>(path, object, kMostSamples, context, SamplesIn);
  }

  Result<MetricsClock> Clock(const CallContext& context) const {
    const Result<MetricSamples> now = Query("time()", context);
    if (!now) return now.error();
    if (now->samples.empty()) return api_->Unexpected("query time()", "no value");
    return MetricsClock{now->samples.front().at_ms};
  }

  // `data` of an answer, given to `parse`.
  template <class Reply, class Parse>
  Result<Reply> Read(const std::string& path, const std::string& object, std::size_t max_body,
                     const CallContext& context, Parse parse) const {
    Result<JsonAnswer> answer = api_->Get(path, max_body, context);
    if (!answer) {
      Error error = answer.error();
      if (error.object.empty()) error.object = object;
      return error;
    }
    if (answer->status != 200 || !answer->body.is_object() || answer->body.value("status", Json()) != "success")
      return Refusal(*answer, object);
    try {
      const std::string warnings = WarningsIn(answer->body);
      Reply reply = parse(answer->body.at("data"));
      if constexpr (std::is_same_v<Reply, MetricSamples>)
        reply.warnings = warnings;
      else if (!warnings.empty())
        return Error{ErrorKind::kUnavailable, system(), object, "the server warns that this may not be all: " + warnings,
                     "see that all servers behind it can be reached"};
      return reply;
    } catch (const Json::exception& e) {
      return api_->Unexpected(object, e.what());
    } catch (const std::runtime_error& e) {
      return Error{ErrorKind::kInvalid, system(), object, e.what(),
                   "write a query that gives one value for each series"};
    }
  }

  // {"status": "error", "errorType": "bad_data", "error": "..."}
  Error Refusal(const JsonAnswer& answer, const std::string& object) const {
    const bool told = answer.body.is_object() && answer.body.contains("error") && answer.body["error"].is_string();
    if (!told && answer.status == 200) return api_->Unexpected(object, "it is no answer of Prometheus");
    Error error = api_->Refused(answer, object, told ? answer.body["error"].get<std::string>() : "");
    const Json type = answer.body.is_object() ? answer.body.value("errorType", Json()) : Json();
    if (type == "timeout") error.kind = ErrorKind::kTimedOut, error.advice = "make the query cheaper";
    return error;
  }

  const std::unique_ptr<JsonApi> api_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  Result<std::unique_ptr<JsonApi>> api = JsonApi::Make("prometheus", setup);
  if (!api) return api.error();
  return std::shared_ptr<Plugin>(std::make_shared<Prometheus>(std::move(api.value())));
}

}  // namespace
}  // namespace prometheus

PluginKind PrometheusKind() {
  PluginKind kind;
  kind.name = "prometheus";
  kind.purpose = "queries, scrape targets and alert rules of Prometheus (HTTP API v1)";
  kind.roles = {"metrics"};
  kind.settings = JsonApi::Settings("address of the server, with the path before /api/v1 if it has one");
  kind.make = prometheus::Make;
  return kind;
}

}  // namespace vmferry
