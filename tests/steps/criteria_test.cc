// SPDX-License-Identifier: Apache-2.0
//
// Rollback criteria: one sample each time, and what it says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "steps/criterion.h"
#include "tests/steps/stage.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

class Health : public testing::Test {
 protected:
  Health() {
    stage.PlayUntil("app_health_check_failure");
    life = stage.LifeOf(step);
  }
  Json Sample() {
    const Result<Progress> progress = stage.Round(step, life);
    EXPECT_TRUE(progress) << Describe(progress.error());
    EXPECT_EQ(progress->state, Progress::State::kDone) << "a sample ends at once, whatever it says";
    return progress ? progress->facts : Json();
  }
  const Step& step = *FindStep("app_health_check_failure");
  Stage stage;
  Life life;
};

TEST_F(Health, PassesWhileThePageAnswers) {
  const Json facts = Sample();
  EXPECT_EQ(facts["verdict"], "pass");
  EXPECT_EQ(facts["status"], 200);
  EXPECT_FALSE(facts.contains("why"));
}

TEST_F(Health, FailsWithTheReasonAndPassesAgain) {
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  const Json facts = Sample();
  EXPECT_EQ(facts["verdict"], "fail");
  EXPECT_THAT(facts["why"].get<std::string>(), HasSubstr("http://web1.kvm.example/healthz is not healthy: "));
  stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = false; });
  EXPECT_EQ(Sample()["verdict"], "pass");
}

TEST_F(Health, ASourceThatCannotBeAskedIsNoSample) {
  life.parameters["probe"] = "nobody";
  EXPECT_FALSE(stage.Round(step, life));
}

TEST_F(Health, ADryRunShowsABadSampleWithoutCallingItAProblem) {
  life.parameters["healthUrl"] = "http://nobody.example/";
  Result<Forecast> forecast = stage.Predict(step, life);
  ASSERT_TRUE(forecast);
  EXPECT_THAT(forecast->will, HasSubstr("; now: fail (http://nobody.example/ is not healthy: "));
  EXPECT_TRUE(forecast->problems.empty()) << "the target does not run yet";
  life.parameters["probe"] = "nobody";
  forecast = stage.Predict(step, life);
  EXPECT_EQ(forecast->problems.size(), 1u);
}

}  // namespace
}  // namespace vmferry
