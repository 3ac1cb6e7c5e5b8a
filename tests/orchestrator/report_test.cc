// SPDX-License-Identifier: Apache-2.0
//
// What a report says of the time without service, and of criteria.
#include "orchestrator/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/orchestrator/fake_run.h"

namespace vmferry {
namespace {

constexpr const char* kApi = "customer-analytics-api";

StepState Ended(const char* name, StepStatus status, std::int64_t first_intent_ms, std::int64_t ended_ms) {
  StepState step;
  step.name = name;
  step.status = status;
  step.intended = status != StepStatus::kFound;
  step.first_intent_ms = first_intent_ms;
  step.ended_ms = ended_ms;
  return step;
}

ApplicationState Moved(std::vector<StepState> movers) {
  ApplicationState application;
  application.application = kApi;
  application.phase = Phase::kSoak;
  application.steps[0] = Ended("quiesce_application", StepStatus::kDone, 1000, 2000);
  for (StepState& mover : movers) application.steps[static_cast<int>(application.steps.size())] = std::move(mover);
  return application;
}

TEST(ServiceGap, EndsWithTheLastStepThatMovesTraffic) {
  const StepState balancer = Ended("update_load_balancer", StepStatus::kDone, 5000, 6000);
  const StepState names = Ended("update_dns", StepStatus::kDone, 6000, 9000);
  EXPECT_EQ(ServiceGapMs(Moved({balancer})), 5000);
  EXPECT_EQ(ServiceGapMs(Moved({names})), 8000) << "an application without load balancer";
  EXPECT_EQ(ServiceGapMs(Moved({balancer, names})), 8000);
  EXPECT_EQ(ServiceGapMs(Moved({names, balancer})), 8000);
}

TEST(ServiceGap, IsNoneBeforeAllTrafficWasMoved) {
  const StepState balancer = Ended("update_load_balancer", StepStatus::kDone, 5000, 6000);
  EXPECT_EQ(ServiceGapMs(Moved({})), -1);
  EXPECT_EQ(ServiceGapMs(Moved({balancer, Ended("update_dns", StepStatus::kFailed, 6000, 9000)})), -1);
  EXPECT_EQ(ServiceGapMs(Moved({Ended("update_load_balancer", StepStatus::kUndone, 5000, 9000)})), -1);
  ApplicationState under_way = Moved({balancer});
  under_way.phase = Phase::kCutover;
  EXPECT_EQ(ServiceGapMs(under_way), -1) << "update_dns may follow";
}

TEST(ServiceGap, DoesNotCountWhatWasFoundMoved) {
  const StepState balancer = Ended("update_load_balancer", StepStatus::kDone, 5000, 6000);
  EXPECT_EQ(ServiceGapMs(Moved({balancer, Ended("update_dns", StepStatus::kFound, 0, 0)})), 5000);
}

TEST(ServiceGap, OfARealRunReachesToTheNameServers) {
  FakeRun run(Example::kInFull);
  TickingClock clock;
  clock.tick_ms = TickOf(Example::kInFull);
  run.UseClock(clock);
  ASSERT_TRUE(run.Run());
  const ApplicationState& application = run.Application(kApi);
  ASSERT_EQ(application.phase, Phase::kSoak) << application.reason;
  std::int64_t balancer_ms = 0, names_ms = 0, quiesced_ms = 0;
  for (const auto& [index, step] : application.steps) {
    if (step.name == "quiesce_application") quiesced_ms = step.first_intent_ms;
    if (step.name == "update_load_balancer") balancer_ms = step.ended_ms;
    if (step.name == "update_dns") names_ms = step.ended_ms;
  }
  EXPECT_GT(names_ms, balancer_ms);
  EXPECT_EQ(ServiceGapMs(application), names_ms - quiesced_ms);
  EXPECT_THAT(RunSummary(run.State(), "", Style{}), testing::HasSubstr("until caches forget the old DNS records"));
}

// After kill -9 `status` looked as if somebody were at work.
TEST(RunDetails, SaysThatNobodyWorksOnWhatWasAbandoned) {
  RunState run;
  run.run = "r-1";
  run.order.emplace_back(kApi);
  ApplicationState& application = run.applications[kApi];
  application.phase = Phase::kCutover;
  application.touched = true;
  const Standpoint alone{" --site site.yaml", false};
  EXPECT_THAT(RunDetails(run, Style{}), Not(testing::HasSubstr("nobody works on it")));
  EXPECT_THAT(RunDetails(run, Style{}, alone), testing::HasSubstr("nobody works on it"));
  EXPECT_THAT(RunDetails(run, Style{}, alone), testing::HasSubstr("vmferry resume r-1 --site site.yaml\n"));
  EXPECT_THAT(RunDetails(run, Style{}, alone), testing::HasSubstr("vmferry rollback r-1 --site site.yaml --reason"));
  EXPECT_THAT(RunTable(run, Style{}, alone), testing::HasSubstr("nobody works on it"));
  application.phase = Phase::kRolledBack;
  EXPECT_THAT(RunTable(run, Style{}, alone), Not(testing::HasSubstr("nobody works on it")));
}

TEST(RunDetails, CountsTheSamplesOfACriterion) {
  RunState run;
  run.order.emplace_back(kApi);
  ApplicationState& application = run.applications[kApi];
  CriterionState& criterion = application.criteria[0];
  criterion.name = "app_health_check_failure";
  criterion.counts[0] = 1;
  EXPECT_THAT(RunDetails(run, Style{}), testing::HasSubstr("(1 sample, the latest at "));
  criterion.counts[1] = 2;
  EXPECT_THAT(RunDetails(run, Style{}), testing::HasSubstr("(3 samples, the latest at "));
}

}  // namespace
}  // namespace vmferry
