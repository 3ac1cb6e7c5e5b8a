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

class Latency : public testing::Test {
 protected:
  Latency() {
    life = stage.LifeOf(step);
    life.elapsed = std::chrono::hours(1);  // since the traffic was moved
  }
  Json SampleOf(const std::string& p95, const std::string& requests) {
    stage.Change([&](WorldData& world) {
      world.monitoring.answers["p95"].at(0).value = p95;
      world.monitoring.answers["requests"].at(0).value = requests;
    });
    const Result<Progress> progress = stage.Round(step, life);
    EXPECT_TRUE(progress) << Describe(progress.error());
    return progress ? progress->facts : Json();
  }
  const Step& step = *FindStep("sustained_latency_regression");
  Stage stage;
  Life life;
};

TEST_F(Latency, IsHeldAgainstItsObjective) {
  EXPECT_EQ(SampleOf("0.3", "500")["verdict"], "pass");
  const Json facts = SampleOf("0.301", "500");
  EXPECT_EQ(facts["verdict"], "fail");
  EXPECT_EQ(facts["why"], "latency is 301ms, more than 300ms (from 500 samples)");
}

TEST_F(Latency, WithoutANumberOrWithTooFewSamplesSaysNothing) {
  EXPECT_EQ(SampleOf("NaN", "500")["verdict"], "no data");
  EXPECT_EQ(SampleOf("0.1", "99")["verdict"], "inconclusive");
  EXPECT_EQ(SampleOf("9.9", "99")["verdict"], "inconclusive") << "a bad number from too few samples too";
  stage.Change([](WorldData& world) { world.monitoring.answers["p95"].clear(); });
  EXPECT_EQ(stage.Round(step, life)->facts["verdict"], "no data");
}

// The first minutes after the switch would be judged by what the source did.
TEST_F(Latency, IsNotSampledBeforeItsWindowBeginsAfterTheSwitch) {
  life.elapsed = std::chrono::seconds(20);
  const Result<Progress> progress = stage.Round(step, life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  EXPECT_EQ(progress->state, Progress::State::kNotYet);
  EXPECT_GT(progress->after, std::chrono::seconds(0));
}

TEST_F(Latency, OfAServerThatDoesNotAnswerIsNoSample) {
  stage.FailCall(1, Fault::Kind::kBefore);
  EXPECT_FALSE(stage.Round(step, life));
}

class TargetBackup : public testing::Test {
 protected:
  TargetBackup() { life = stage.LifeOf(step); }
  Json Sample() {
    const Result<Progress> progress = stage.Round(step, life);
    EXPECT_TRUE(progress) << Describe(progress.error());
    return progress ? progress->facts : Json();
  }
  void Backup(std::int64_t age_ms) {
    stage.Change([&](WorldData& world) {
      FakeBackup backup;
      backup.facts.id = "t1";
      backup.facts.host = "shop-kvm";
      backup.facts.paths = {"/images/shop"};
      backup.age_ms = age_ms;
      world.vault.backups = {backup};
    });
  }
  const Step& step = *FindStep("target_backup_failure");
  Stage stage;
  Life life;
};

TEST_F(TargetBackup, ThatIsYoungPassesAndAnOldOneFails) {
  Backup(3600000);
  EXPECT_EQ(Sample()["verdict"], "pass");
  Backup(86400001);
  const Json facts = Sample();
  EXPECT_EQ(facts["verdict"], "fail");
  EXPECT_THAT(facts["why"].get<std::string>(), HasSubstr("old, more than 24h"));
}

TEST_F(TargetBackup, ThatIsNotThereYetIsNoData) {
  EXPECT_EQ(Sample()["verdict"], "no data") << "the source's backup is another machine's";
  Backup(-60000);
  EXPECT_EQ(Sample()["verdict"], "inconclusive") << "from the future";
}

TEST_F(TargetBackup, OfAProductThatDoesNotAnswerIsNoSample) {
  stage.Change([](WorldData& world) { world.vault.reachable = false; });
  EXPECT_FALSE(stage.Round(step, life));
}

// A sample of the criterion once the application runs on the target.
class Sampled {
 public:
  explicit Sampled(const std::string& name) : step(*FindStep(name)) {
    stage.PlayUntil(name);
    life = stage.LifeOf(step);
  }
  Json Take() {
    const Result<Progress> progress = stage.Round(step, life);
    EXPECT_TRUE(progress) << Describe(progress.error());
    return progress ? progress->facts : Json();
  }
  const Step& step;
  Stage stage;
  Life life;
};

TEST(ServerState, PassesInServiceAndFailsDownDrainedOrDifferent) {
  Sampled sampled("load_balancer_server_failure");
  const auto server = [](WorldData& world) -> FakeServer& {
    for (FakeServer& one : world.load_balancers.at(0).servers)
      if (one.name == "kvm") return one;
    throw std::runtime_error("no server kvm");
  };
  EXPECT_EQ(sampled.Take()["verdict"], "pass");
  sampled.stage.Change([](WorldData& world) { world.guests["web1"].sick_on_target = true; });
  Json facts = sampled.Take();
  EXPECT_EQ(facts["verdict"], "fail");
  EXPECT_EQ(facts["why"], "server kvm is down");
  sampled.stage.Change([&](WorldData& world) {
    world.guests["web1"].sick_on_target = false;
    server(world).instances.begin()->second.state = "maint";
  });
  facts = sampled.Take();
  EXPECT_EQ(facts["verdict"], "fail") << "somebody took it out: the traffic is elsewhere";
  EXPECT_EQ(facts["why"], "server kvm is out of service: maint");
}

TEST(GuestAgent, FailsWhenOneDoesNotAnswerAndWithoutAChannelIsNoSample) {
  Sampled sampled("guest_agent_failure");
  const auto channel = [&sampled](bool there) {
    sampled.stage.Change([there](WorldData& world) {
      for (FakeDomain& domain : world.domains) domain.spec.guest_agent = there;
    });
  };
  channel(false);
  const Result<Progress> without = sampled.stage.Round(sampled.step, sampled.life);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().message, HasSubstr("has no channel for a guest agent"));
  channel(true);
  EXPECT_EQ(sampled.Take()["verdict"], "pass");
  sampled.stage.Change([](WorldData& world) { world.host.boot = "no agent"; });
  const Json facts = sampled.Take();
  EXPECT_EQ(facts["verdict"], "fail");
  EXPECT_THAT(facts["why"].get<std::string>(), HasSubstr("the guest agent of domain shop-web1 does not answer: "));
}

TEST(CommandSample, ItsExitCodeSaysWhatItIs) {
  Sampled sampled("command_failure");
  EXPECT_EQ(sampled.Take()["verdict"], "pass");
  for (const auto& [code, verdict] : std::vector<std::pair<std::string, std::string>>{
           {"0", "pass"}, {"1", "fail"}, {"2", "inconclusive"}, {"3", "no data"}, {"4", "fail"}, {"-1", "inconclusive"}}) {
    sampled.life.parameters["arguments"] = {"exit", code};
    const Json facts = sampled.Take();
    EXPECT_EQ(facts["verdict"], verdict) << code;
    EXPECT_EQ(facts.contains("why"), verdict != "pass");
  }
}

}  // namespace
}  // namespace vmferry
