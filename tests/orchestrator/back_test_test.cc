// SPDX-License-Identifier: Apache-2.0
//
// The same rules over samples of the past: of a file, and of a journal.
#include "orchestrator/back_test.h"

#include <gtest/gtest.h>

#include "orchestrator/sample_file.h"
#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

Plan TwoCriteria() {
  Plan plan;
  PlannedStep health;
  health.name = "app_health_check_failure";
  health.parameters = {{"trip", {{"consecutive", 2}}}, {"errors", {{"consecutive", 2}, {"then", "hold"}}}};
  PlannedStep latency;
  latency.name = "sustained_latency_regression";
  latency.parameters = {{"slo", 300}, {"minSamples", 100}, {"trip", {{"failures", 2}, {"within", 3}}}};
  plan.criteria = {health, latency};
  return plan;
}

std::string Told(const Plan& plan, const std::string& csv) {
  const auto samples = ParseSamples(plan, "h.csv", csv);
  if (!samples) return Describe(samples.error());
  std::string text;
  for (const Turn& turn : BackTest(plan, *samples))
    text += std::to_string(turn.at_ms / 1000) + " " + plan.criteria[turn.criterion].name + " " +
            std::string(Name(turn.evaluation.reaction)) + " " + turn.evaluation.why + "\n";
  return text;
}

TEST(BackTest, SamplesOfAFileAreJudgedInTheOrderOfTime) {
  EXPECT_EQ(Told(TwoCriteria(),
                 "time,criterion,verdict,value,samples,why\n"
                 "30,app_health_check_failure,fail,,,503\n"
                 "10,app_health_check_failure,pass,,,\n"
                 "20,app_health_check_failure,fail,,,\n"
                 "1970-01-01T00:00:40Z,app_health_check_failure,pass,,,\n"
                 "10,sustained_latency_regression,,0.301,100,\n"
                 "20,sustained_latency_regression,,NaN,100,\n"
                 "30,sustained_latency_regression,,0.5,100,\n"
                 "50,app_health_check_failure,error,,,\n60,app_health_check_failure,error,,,\"refused, twice\"\n"),
            "30 app_health_check_failure rollback 2 of the latest 2 samples failed; the latest: 503\n"
            "30 sustained_latency_regression rollback 2 of the latest 3 samples failed; the latest: latency is 500ms, "
            "more than 300ms (from 100 samples)\n"
            "40 app_health_check_failure none \n"
            "60 app_health_check_failure hold the latest 2 samples neither passed nor failed (error); the latest: "
            "refused, twice\n");
}

TEST(BackTest, WhatIsWrongWithAFileIsSaidWithItsRow) {
  const Plan plan = TwoCriteria();
  for (const auto& [csv, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "h.csv, row 1: invalid: the file is empty"},
           {"when,criterion,verdict\n", "row 1: invalid: no column `time`"},
           {"time,criterion\n", "no column `verdict` and no column `value`"},
           {"time,verdict\n", "no column `criterion`, and the runbook has several"},
           {"time,criterion,verdict\n1,nobody,pass\n", "row 2: invalid: the runbook has no criterion `nobody`"},
           {"time,criterion,verdict\nlater,app_health_check_failure,pass\n", "`later` is no time"},
           {"time,criterion,verdict\n1,app_health_check_failure,good\n", "`good` is no verdict"},
           {"time,criterion,value\n1,app_health_check_failure,3\n", "app_health_check_failure is not about one number"},
           {"time,criterion,value\n1,sustained_latency_regression,fast\n", "its value is no number: fast"},
           {"time,criterion,verdict\n1,\"app\"x,pass\n", "row 2: invalid: no CSV"}})
    EXPECT_NE(Told(plan, csv).find(words), std::string::npos) << csv << "\n" << Told(plan, csv);
}

// A verdict that was changed, taken out or put in does not follow from the samples.
TEST(BackTest, AJournalsVerdictsFollowFromItsSamplesOrTheDifferenceIsTold) {
  FakeRun run(1);
  TickingClock clock;
  run.UseClock(clock);
  run.options.longest_wait = std::chrono::milliseconds(1);
  PlannedStep health = TwoCriteria().criteria[0];
  health.deadline = std::chrono::seconds(5);
  health.parameters.update({{"probe", "web"}, {"healthUrl", "http://web1.kvm.example/healthz"}, {"every", 1000}});
  Plan& plan = run.submission.wave.plans[0];
  plan.criteria = {health};
  plan.rollback_window_minutes = 1;
  run.on_event = [&run](const Event& event, Engine&) {
    if (event.kind != EventKind::kPhase || event.payload.value("phase", "") != "soak") return;
    EXPECT_TRUE(run.world->Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; ++world.revision; }));
  };
  ASSERT_TRUE(run.Run());
  std::vector<Event> events = run.Events();
  std::erase_if(events, [](const Event& event) { return event.application.empty(); });
  const Replay whole = ReplayVerdicts(plan, events);
  EXPECT_TRUE(whole.differences.empty()) << whole.differences.front();
  EXPECT_GE(whole.samples, 2);
  EXPECT_EQ(whole.verdicts, 1);
  const auto verdict = std::find_if(events.begin(), events.end(), [](const Event& e) { return e.kind == EventKind::kVerdict; });
  ASSERT_NE(verdict, events.end());
  std::vector<Event> without = events;
  without.erase(without.begin() + (verdict - events.begin()));
  EXPECT_EQ(ReplayVerdicts(plan, without).differences.size(), 1u);
  std::vector<Event> early = events;
  std::rotate(early.begin(), early.begin() + (verdict - events.begin()), early.begin() + (verdict - events.begin()) + 1);
  EXPECT_GE(ReplayVerdicts(plan, early).differences.size(), 1u);
  std::vector<Event> changed = events;
  changed[static_cast<std::size_t>(verdict - events.begin())].payload["reaction"] = "notify";
  EXPECT_EQ(ReplayVerdicts(plan, changed).differences.size(), 1u);
}

}  // namespace
}  // namespace vmferry
