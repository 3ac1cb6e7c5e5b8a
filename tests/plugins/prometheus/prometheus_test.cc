// SPDX-License-Identifier: Apache-2.0
//
// The plugin against answers recorded from Prometheus 2.42, and against bad manners.
#include "plugins/prometheus/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/metrics.h"
#include "plugins/prometheus/answers.h"
#include "tests/plugins/scripted_server.h"

namespace vmferry {
namespace {

using test::HttpAnswer;
using test::ScriptedServer;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kVector =
    R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"127.0.0.1:1",)"
    R"("job":"dead"},"value":[1795261984.083,"0"]},{"metric":{"job":"signals"},"value":[1795261984.083,"NaN"]}]}})";
constexpr const char* kScalar =
    R"({"status":"success","data":{"resultType":"scalar","result":[1795261984.139,"1795261984.139"]}})";
constexpr const char* kMatrix =
    R"({"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1795261983.859,"0"]]}]}})";
constexpr const char* kBadQuery =
    R"({"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:5: parse error: unexpected end of )"
    R"(input inside braces"})";
constexpr const char* kTargets =
    R"({"status":"success","data":{"activeTargets":[{"discoveredLabels":{"job":"dead"},"labels":{"instance":"127.0.0.1:1",)"
    R"("job":"dead"},"lastError":"connect: connection refused","lastScrape":"2026-11-21T11:53:03.859001033Z",)"
    R"("health":"down"},{"labels":{"instance":"new","job":"shop"},"lastError":"","lastScrape":"0001-01-01T00:00:00Z",)"
    R"("health":"unknown"}],"droppedTargets":[]}})";
constexpr const char *
    kRules =
       R"({"status":"success","data":{"groups":[{"name":"shop","file":"rules.yml","rules":[{"state":"firing","name":"Trial",)"
       R"("alerts":[{"labels":{"alertname":"Trial","vmferry":"0123456789ab"},"annotations":{},"state":"firing"}],)"
       R"("health":"ok","type":"alerting"},{"state":"inactive","name":"Down","alerts":[],"health":"err",)"
       R"("lastError":"boom","type":"alerting"},{"name":"a:b","query":"up",
   "health" : "ok", "type" : "recording"
}]
}]
}
})";

std::shared_ptr<Plugin> Make(const Json& settings) {
  PluginSetup setup{"watch", settings, [](const std::string& reference) -> Result<std::string> {
                      return "secret-of-" + reference.substr(4);
                    }};
  const auto made = PrometheusKind().make(setup);
  EXPECT_TRUE(made) << Describe(made.error());
  return made ? *made : nullptr;
}

template <class Request, class Answer>
Result<Answer> Ask(const std::string& body, const Call<Request, Answer>& call, const Request& request,
                   int status = 200) {
  ScriptedServer server([&](const std::string&) { return HttpAnswer(status, body); });
  CallContext context;
  context.timeout = std::chrono::seconds(20);
  return Invoke(*Make({{"url", server.url()}}), call, request, context);
}

TEST(Prometheus, SamplesHaveLabelsValueAndTime) {
  const auto reply = Ask(kVector, metrics::kQuery, MetricQuery{"up"});
  ASSERT_TRUE(reply) << Describe(reply.error());
  ASSERT_EQ(reply->samples.size(), 2U);
  EXPECT_EQ(reply->samples[0].labels.at("job"), "dead");
  EXPECT_EQ(reply->samples[0].value, "0");
  EXPECT_EQ(reply->samples[0].at_ms, 1795261984083);
  EXPECT_EQ(reply->samples[1].value, "NaN") << "NaN is not no data";
}

TEST(Prometheus, NoSeriesIsAnEmptyReply) {
  const auto reply =
      Ask(R"({"status":"success","data":{"resultType":"vector","result":[]}})", metrics::kQuery, MetricQuery{"nosuch"});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_TRUE(reply->samples.empty());
}

TEST(Prometheus, TheClockIsTheServersOwn) {
  const auto reply = Ask(kScalar, metrics::kClock, MetricsClockQuery{});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->now_ms, 1795261984139);
}

TEST(Prometheus, TheQueryTravelsWhole) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, kVector); });
  ASSERT_TRUE(Invoke(*Make({{"url", server.url() + "/prom/"}}), metrics::kQuery, MetricQuery{"a{b=\"c&d +\"}[5m]"},
                     CallContext{}));
  ASSERT_EQ(server.requests().size(), 1U);
  EXPECT_THAT(server.requests()[0],
              HasSubstr("GET /prom/api/v1/query?query=a%7Bb%3D%22c%26d%20%2B%22%7D%5B5m%5D&timeout="));
}

TEST(Prometheus, ARefusedQueryIsInvalidInItsOwnWords) {
  const auto reply = Ask(kBadQuery, metrics::kQuery, MetricQuery{"foo{"}, 400);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(reply.error().object, "query foo{");
  EXPECT_THAT(reply.error().message, HasSubstr("1:5: parse error: unexpected end of input inside braces (HTTP 400)"));
}

TEST(Prometheus, ARangeIsRefused) {
  const auto reply = Ask(kMatrix, metrics::kQuery, MetricQuery{"up[5m]"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(reply.error().message, HasSubstr("its result is a range"));
}

// Thanos and others answer with what they could reach and warn of the rest, which was not looked at. A value made of a
// part passed for one of the whole.
TEST(Prometheus, WarningsOfAPartialAnswerAreToldAndRefusedWhereAllIsWanted) {
  const std::string warned = R"("warnings":["store 10.0.0.7:10901: no response"],)";
  std::string vector = kVector, rules = R"({"status":"success",)" + warned + R"("data":{"groups":[]}})";
  vector.insert(1, warned);
  const auto reply = Ask(vector, metrics::kQuery, MetricQuery{"up"});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_EQ(reply->warnings, "store 10.0.0.7:10901: no response");
  EXPECT_EQ(Ask(kVector, metrics::kQuery, MetricQuery{"up"})->warnings, "");
  const auto partial = Ask(rules, metrics::kRules, AlertRulesQuery{});
  ASSERT_FALSE(partial);
  EXPECT_EQ(partial.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(partial.error().message, HasSubstr("store 10.0.0.7"));
}

TEST(Prometheus, EachRefusalHasItsKind) {
  struct Case {
    int status;
    std::string body;
    ErrorKind kind;
  };
  for (const Case& one :
       {Case{401, "no", ErrorKind::kDenied}, Case{403, "no", ErrorKind::kDenied},
        Case{404, "404 page not found", ErrorKind::kNotFound},
        Case{422, R"({"status":"error","errorType":"execution","error":"too many samples"})", ErrorKind::kInvalid},
        Case{503, R"({"status":"error","errorType":"timeout","error":"query timed out"})", ErrorKind::kTimedOut},
        Case{503, "Service Unavailable", ErrorKind::kUnavailable}, Case{302, "", ErrorKind::kInvalid},
        Case{200, "<html>welcome</html>", ErrorKind::kCorrupt}, Case{200, "[]", ErrorKind::kCorrupt},
        Case{200, R"({"status":"success"})", ErrorKind::kCorrupt},
        Case{200, R"({"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":["x"]}]}})",
             ErrorKind::kCorrupt}}) {
    const auto reply = Ask(one.body, metrics::kQuery, MetricQuery{"up"}, one.status);
    ASSERT_FALSE(reply) << one.body;
    EXPECT_EQ(Name(reply.error().kind), Name(one.kind)) << one.status << " " << one.body;
    EXPECT_THAT(reply.error().system, HasSubstr("watch (prometheus http://127.0.0.1:"));
  }
}

TEST(Prometheus, TargetsHaveHealthErrorAndLastScrape) {
  const auto reply = Ask(kTargets, metrics::kTargets, ScrapeTargetsQuery{});
  ASSERT_TRUE(reply) << Describe(reply.error());
  ASSERT_EQ(reply->targets.size(), 2U);
  EXPECT_EQ(reply->targets[0].health, "down");
  EXPECT_EQ(reply->targets[0].last_error, "connect: connection refused");
  EXPECT_EQ(reply->targets[0].last_scrape_ms, 1795261983859);
  EXPECT_EQ(reply->targets[1].job, "shop");
  EXPECT_EQ(reply->targets[1].last_scrape_ms, 0) << "never scraped";
}

TEST(Prometheus, AlertRulesHaveTheirAlertsAndRecordingRulesAreLeftOut) {
  const auto all = Ask(kRules, metrics::kRules, AlertRulesQuery{});
  ASSERT_TRUE(all) << Describe(all.error());
  ASSERT_EQ(all->rules.size(), 2U);
  EXPECT_EQ(all->rules[0].group, "shop");
  EXPECT_EQ(all->rules[0].state, "firing");
  ASSERT_EQ(all->rules[0].alerts.size(), 1U);
  EXPECT_EQ(all->rules[0].alerts[0].labels.at("vmferry"), "0123456789ab");
  EXPECT_EQ(all->rules[1].health, "err");
  EXPECT_EQ(all->rules[1].last_error, "boom");
  const auto one = Ask(kRules, metrics::kRules, AlertRulesQuery{"Down"});
  ASSERT_TRUE(one);
  EXPECT_EQ(one->rules.size(), 1U);
}

TEST(Prometheus, TooLargeAnAnswerIsRefused) {
  const auto reply = Ask(std::string(9 * 1024 * 1024, ' '), metrics::kQuery, MetricQuery{"{__name__=~\".+\"}"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kCorrupt);
}

TEST(Prometheus, ASilentServerIsTimedOut) {
  ScriptedServer server([](const std::string&) { return test::kHang; });
  CallContext context;
  context.timeout = std::chrono::milliseconds(200);
  const auto reply = Invoke(*Make({{"url", server.url()}}), metrics::kTargets, ScrapeTargetsQuery{}, context);
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().kind, ErrorKind::kTimedOut);
}

TEST(Prometheus, LogsInOverVerifiedTlsAndNeverTellsTheSecret) {
  const test::Certificate certificate = test::MakeCertificate({});
  ScriptedServer server([](const std::string&) { return HttpAnswer(401, "no"); }, &certificate);
  const test::TempFile ca(certificate.pem);
  const Json token{{"url", server.url()}, {"token", "env:TOKEN"}, {"caFile", ca.path()}};
  const auto refused = Invoke(*Make(token), metrics::kClock, MetricsClockQuery{}, CallContext{});
  ASSERT_FALSE(refused);
  EXPECT_THAT(Describe(refused.error()), Not(HasSubstr("secret-of")));
  ASSERT_FALSE(server.requests().empty());
  EXPECT_THAT(server.requests()[0], HasSubstr("Authorization: Bearer secret-of-TOKEN\r\n"));
  const Json basic{{"url", server.url()}, {"user", "me"}, {"password", "env:PASS"}, {"caFile", ca.path()}};
  ASSERT_FALSE(Invoke(*Make(basic), metrics::kClock, MetricsClockQuery{}, CallContext{}));
  EXPECT_THAT(server.requests().back(), HasSubstr("Authorization: Basic bWU6c2VjcmV0LW9mLVBBU1M=\r\n"));
  const Json stranger{{"url", server.url()}, {"token", "env:TOKEN"}};
  const std::size_t before = server.requests().size();
  const auto untrusted = Invoke(*Make(stranger), metrics::kClock, MetricsClockQuery{}, CallContext{});
  ASSERT_FALSE(untrusted);
  EXPECT_EQ(untrusted.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(server.requests().size(), before) << "the token was sent to a stranger";
}

TEST(Prometheus, SettingsThatMakeNoSenseAreRefused) {
  for (const Json& settings :
       {Json{{"url", "http://p"}, {"token", "env:T"}}, Json{{"url", "https://p"}, {"user", "me"}},
        Json{{"url", "https://p"}, {"password", "env:P"}}, Json{{"url", "ftp://p"}}, Json::object(),
        Json{{"url", "https://p"}, {"token", "env:T"}, {"user", "me"}, {"password", "env:P"}},
        Json{{"url", "https://p"}, {"thumbprint", "xyz"}}, Json{{"url", "https://p/?a=b"}}}) {
    const auto made = PrometheusKind().make(PluginSetup{"watch", settings, nullptr});
    ASSERT_FALSE(made) << settings.dump();
    EXPECT_EQ(made.error().kind, ErrorKind::kInvalid);
  }
}

TEST(Prometheus, TimesOfAnyZoneAreRead) {
  EXPECT_EQ(prometheus::MillisecondsOf("1970-01-01T00:00:01.5Z"), 1500);
  EXPECT_EQ(prometheus::MillisecondsOf("1970-01-01T02:30:00+02:30"), 0);
  EXPECT_EQ(prometheus::MillisecondsOf("1970-01-01T00:00:00-01:30"), 90 * 60000);
  for (const char* bad : {"", "yesterday", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00"})
    EXPECT_EQ(prometheus::MillisecondsOf(bad), 0) << bad;
}

}  // namespace
}  // namespace vmferry
