// SPDX-License-Identifier: Apache-2.0
//
// update_load_balancer in stages: weights rise one after another, each is looked at, and what looks bad goes back.
#include "steps/staged_shift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/steps/stage.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

class Stages : public testing::Test {
 protected:
  Stages() {
    stage.PlayUntil("update_load_balancer");
    life = stage.LifeOf(step);
    life.parameters["stages"] = {"10", "50%", "100"};
    life.parameters["stageFor"] = 5000;
    life.parameters["stageFailures"] = 3;
    life.parameters["probe"] = "http";
    life.parameters["stageUrl"] = "http://web1.kvm.example/healthz";
  }
  // The weights the server had while it was ready, without repetitions, until the step ended.
  Result<Progress> Watch(std::vector<int>* weights) {
    while (true) {
      Result<Progress> progress = stage.Round(step, life);
      const FakeServerState server = stage.Server("kvm");
      if (server.state == "ready" && (weights->empty() || weights->back() != server.weight))
        weights->push_back(server.weight);
      if (!progress || progress->state != Progress::State::kNotYet) return progress;
    }
  }
  std::string Refused(const Json& stages) {
    life.parameters["stages"] = stages;
    const Result<Progress> end = stage.Finish(step, life);
    return end ? "accepted" : end.error().message;
  }

  const Step& step = *FindStep("update_load_balancer");
  Stage stage;
  Life life;
};

TEST_F(Stages, RaiseTheWeightAndLastAsLongAsDeclared) {
  std::vector<int> weights;
  const Result<Progress> end = Watch(&weights);
  ASSERT_TRUE(end) << Describe(end.error());
  EXPECT_EQ(end->state, Progress::State::kDone);
  EXPECT_THAT(weights, ElementsAre(5, 25, 50)) << "of the weight it had";
  EXPECT_GE(life.elapsed, milliseconds(10000));
  ASSERT_TRUE(stage.Finish(step, life, true));
  EXPECT_EQ(stage.Server("kvm").weight, 50);
  EXPECT_EQ(stage.Server("kvm").state, "maint");
}

TEST_F(Stages, EndAtTheDeclaredWeight) {
  life.parameters["weight"] = 200;
  std::vector<int> weights;
  ASSERT_TRUE(Watch(&weights));
  EXPECT_THAT(weights, ElementsAre(20, 100, 200));
}

TEST_F(Stages, GoBackAfterBadLooksInARow) {
  life.parameters["stageUrl"] = "http://nobody.example/";
  std::vector<int> weights;
  const Result<Progress> end = Watch(&weights);
  ASSERT_TRUE(end) << Describe(end.error());
  ASSERT_EQ(end->state, Progress::State::kRollBack);
  EXPECT_THAT(end->why, HasSubstr("server shop/kvm at 10 % of its weight: http://nobody.example/ is not healthy"));
  EXPECT_THAT(end->why, HasSubstr("3 looks in a row"));
  EXPECT_THAT(weights, ElementsAre(5)) << "the next stage never began";
}

TEST_F(Stages, GoBackWhenTheLoadBalancerFindsTheServerDown) {
  for (int round = 0; round < 50 && stage.Server("kvm").state != "ready"; ++round)
    ASSERT_TRUE(stage.Round(step, life));
  ASSERT_TRUE(stage.Round(step, life));
  life.parameters.erase("stageUrl");
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  std::vector<int> weights;
  const Result<Progress> end = Watch(&weights);
  ASSERT_TRUE(end) << Describe(end.error());
  ASSERT_EQ(end->state, Progress::State::kRollBack);
  EXPECT_THAT(end->why, HasSubstr("the load balancer finds it down"));
}

TEST_F(Stages, ForgiveABadLookThatPasses) {
  for (int round = 0; round < 50 && stage.Server("kvm").state != "ready"; ++round)
    ASSERT_TRUE(stage.Round(step, life));
  ASSERT_TRUE(stage.Round(step, life));
  for (int bad = 0; bad < 4; ++bad) {
    stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
    ASSERT_TRUE(stage.Round(step, life));
    stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = false; });
    const Result<Progress> well = stage.Round(step, life);
    ASSERT_TRUE(well);
    ASSERT_NE(well->state, Progress::State::kRollBack);
  }
  ASSERT_TRUE(stage.Finish(step, life));
  EXPECT_EQ(stage.Server("kvm").weight, 50);
}

TEST_F(Stages, GoOnWithTheirStageAfterACrash) {
  while (life.handle.is_null() || life.handle.value("stage", 0) < 1) ASSERT_TRUE(stage.Round(step, life));
  stage.Crash();
  EXPECT_EQ(stage.Observe(step, life)->verdict, Verdict::kPartial);
  std::vector<int> weights;
  ASSERT_TRUE(Watch(&weights));
  EXPECT_THAT(weights, ElementsAre(25, 50)) << "the first stage is not repeated";
}

TEST_F(Stages, AreRefusedUnlessTheyRiseToTheWhole) {
  for (const Json& stages : {Json{"50", "10", "100"}, Json{"10", "50"}, Json{"0", "100"}, Json{"10", "110"},
                             Json{"ten", "100"}, Json{"-5", "100"}, Json{"10", "10", "100"}, Json{"", "100"}})
    EXPECT_EQ(Refused(stages), "`stages` must be rising percents of which the last is 100") << stages;
}

TEST_F(Stages, ADryRunShowsThemAndWhatIsWrong) {
  life.parameters["deadline"] = 300000;
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_THAT(forecast->will, HasSubstr("at 10 %, 50 %, 100 % of its weight, 5s each while http://"));
  EXPECT_TRUE(forecast->problems.empty());
  life.parameters["deadline"] = 9000;
  life.parameters.erase("probe");
  forecast = stage.Predict(step, life);
  ASSERT_EQ(forecast->problems.size(), 2u);
  EXPECT_THAT(forecast->problems[1].message, HasSubstr("the stages take 10s, longer than the step's deadline of 9s"));
}

}  // namespace
}  // namespace vmferry
