// SPDX-License-Identifier: Apache-2.0
#include "plugins/alertmanager/alertmanager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/alerts.h"
#include "tests/plugins/scripted_server.h"

namespace vmferry {
namespace {

using test::HttpAnswer;
using test::ScriptedServer;
using testing::HasSubstr;

constexpr const char* kActive =
    R"([{"annotations":{},"endsAt":"2026-11-21T11:57:04.189Z","fingerprint":"f","receivers":[{"name":"hook"}],)"
    R"("startsAt":"2026-11-21T11:53:04.189Z","status":{"inhibitedBy":[],"silencedBy":["s-1"],"state":"suppressed"},)"
    R"("labels":{"alertname":"Trial","vmferry":"0123456789ab"}}])";

Result<ActiveAlerts> Ask(ScriptedServer& server, const AlertsQuery& query) {
  const auto made = AlertmanagerKind().make(PluginSetup{"router", {{"url", server.url()}}, nullptr});
  EXPECT_TRUE(made) << Describe(made.error());
  return Invoke(**made, alerts::kActive, query, CallContext{});
}

TEST(Alertmanager, AlertsAreAskedForByNameAndLabels) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, kActive); });
  const auto reply = Ask(server, {"Trial", {{"vmferry", "01\"2\\"}}});
  ASSERT_TRUE(reply) << Describe(reply.error());
  ASSERT_EQ(reply->alerts.size(), 1U);
  EXPECT_EQ(reply->alerts[0].state, "suppressed");
  EXPECT_EQ(reply->alerts[0].labels.at("vmferry"), "0123456789ab");
  EXPECT_EQ(reply->alerts[0].receivers, std::vector<std::string>{"hook"});
  EXPECT_EQ(reply->alerts[0].silenced_by, std::vector<std::string>{"s-1"});
  EXPECT_THAT(server.requests()[0], HasSubstr("GET /api/v2/alerts?filter=alertname%3D%22Trial%22&filter="
                                              "vmferry%3D%2201%5C%222%5C%5C%22 "));
}

TEST(Alertmanager, NoneIsAnEmptyReply) {
  ScriptedServer server([](const std::string&) { return HttpAnswer(200, "[]"); });
  const auto reply = Ask(server, {"Trial", {}});
  ASSERT_TRUE(reply) << Describe(reply.error());
  EXPECT_TRUE(reply->alerts.empty());
}

TEST(Alertmanager, RefusalsAreInItsOwnWords) {
  struct Case {
    int status;
    std::string body, message;
    ErrorKind kind;
  };
  for (const Case& one :
       {Case{400, R"("bad matcher format: x")", "bad matcher format: x (HTTP 400)", ErrorKind::kInvalid},
        Case{422, R"({"code":600,"message":"bad thing"})", "bad thing (HTTP 422)", ErrorKind::kInvalid},
        Case{503, "starting", "starting (HTTP 503)", ErrorKind::kUnavailable},
        Case{404, "404 page not found", "404 page not found", ErrorKind::kNotFound},
        Case{200, "{}", "it is no list", ErrorKind::kCorrupt},
        Case{200, R"([{"labels":{}}])", "has not the shape", ErrorKind::kCorrupt}}) {
    ScriptedServer server([&](const std::string&) { return HttpAnswer(one.status, one.body); });
    const auto reply = Ask(server, {"Trial", {}});
    ASSERT_FALSE(reply) << one.body;
    EXPECT_EQ(Name(reply.error().kind), Name(one.kind)) << one.body;
    EXPECT_THAT(reply.error().message, HasSubstr(one.message));
    EXPECT_THAT(reply.error().object, HasSubstr("alerts Trial"));
  }
}

}  // namespace
}  // namespace vmferry
