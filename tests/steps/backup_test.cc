// SPDX-License-Identifier: Apache-2.0
//
// What the backup steps refuse, one reason at a time, and how they go on after a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "stage.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

const Step& Newest() {
  return *FindStep("backup_success_last_24h");
}
const Step& Job() {
  return *FindStep("backup_job_succeeds");
}

struct Refusal {
  std::string name;
  ErrorKind kind;
  std::string message;
  std::string advice;
  std::function<void(FakeVault&)> arrange;
};

class BackupSuccessRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(BackupSuccessRefuses, InTheRunAndInTheForecast) {
  Stage stage;
  stage.Change([](WorldData& world) { GetParam().arrange(world.vault); });
  Life life = stage.LifeOf(Newest());
  const Result<Progress> progress = stage.Round(Newest(), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, GetParam().kind) << Describe(progress.error());
  EXPECT_THAT(progress.error().message, HasSubstr(GetParam().message));
  EXPECT_THAT(progress.error().advice, HasSubstr(GetParam().advice));
  EXPECT_THAT(progress.error().system, HasSubstr("http"));
  EXPECT_FALSE(progress.error().object.empty());
  const Result<Forecast> forecast = stage.Predict(Newest(), life);
  ASSERT_TRUE(forecast);
  ASSERT_EQ(forecast->problems.size(), 1U);
  EXPECT_EQ(Describe(forecast->problems.front()), Describe(progress.error()));
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, BackupSuccessRefuses,
    testing::Values(Refusal{"NoBackup", ErrorKind::kNotFound, "there is no successful backup", "make one",
                            [](FakeVault& vault) { vault.backups.clear(); }},
                    Refusal{"NoneOfThisHost", ErrorKind::kNotFound, "there is no successful backup", "sourceHost",
                            [](FakeVault& vault) { vault.backups[0].facts.host = "other"; }},
                    Refusal{"NoneOfThesePaths", ErrorKind::kNotFound, "there is no successful backup", "sourcePaths",
                            [](FakeVault& vault) { vault.backups[0].facts.paths = {"/etc"}; }},
                    Refusal{"NoneWithThisTag", ErrorKind::kNotFound, "there is no successful backup", "sourceTags",
                            [](FakeVault& vault) { vault.backups[0].facts.tags = {"weekly"}; }},
                    Refusal{"Stale", ErrorKind::kConflict, "old, more than 24h", "make a backup now",
                            [](FakeVault& vault) { vault.backups[0].age_ms = 86400001; }},
                    Refusal{"FromTheFuture", ErrorKind::kConflict, "in the future", "clocks",
                            [](FakeVault& vault) { vault.backups[0].age_ms = -60000; }},
                    Refusal{"Unreachable", ErrorKind::kUnavailable, "connection refused", "can be reached",
                            [](FakeVault& vault) { vault.reachable = false; }}),
    [](const testing::TestParamInfo<Refusal>& refusal) { return refusal.param.name; });

TEST(BackupSuccess, PassesAndLeavesEvidence) {
  Stage stage;
  Life life = stage.LifeOf(Newest());
  const Result<Progress> progress = stage.Finish(Newest(), life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  EXPECT_EQ(progress->state, Progress::State::kDone);
  EXPECT_EQ(life.facts["backup"], "b1");
  EXPECT_EQ(life.facts["time"], "2026-03-01T01:00:00.000Z");
  EXPECT_EQ(life.facts["sizeBytes"], 73400320);
  EXPECT_EQ(life.facts["ageMs"], 3600000);
  EXPECT_EQ(life.facts["integrity"], "checksum");
}

TEST(BackupSuccess, ABackupAsOldAsAllowedPasses) {
  Stage stage;
  stage.Change([](WorldData& world) { world.vault.backups[0].age_ms = 86400000; });
  Life life = stage.LifeOf(Newest());
  EXPECT_TRUE(stage.Finish(Newest(), life));
}

TEST(BackupSuccess, DamageIsFoundByTheDepthThatReadsIt) {
  for (const auto& [depth, finds] : {std::pair{"structure", false}, {"list", false}, {"checksum", true}}) {
    Stage stage;
    stage.Change([](WorldData& world) { world.vault.backups[0].damaged = true; });
    Life life = stage.LifeOf(Newest());
    life.parameters["integrity"] = depth;
    const Result<Progress> progress = stage.Finish(Newest(), life);
    ASSERT_EQ(progress.ok(), !finds) << depth;
    if (!finds) continue;
    EXPECT_EQ(progress.error().kind, ErrorKind::kCorrupt);
    EXPECT_THAT(progress.error().message, HasSubstr("ciphertext verification failed"));
  }
}

TEST(BackupSuccess, ABrokenRepositoryFailsItsOwnCheck) {
  Stage stage;
  stage.Change([](WorldData& world) { world.vault.structure_good = false; });
  Life life = stage.LifeOf(Newest());
  life.parameters["integrity"] = "structure";
  const Result<Progress> progress = stage.Finish(Newest(), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(progress.error().message, HasSubstr("pack 07fe"));
}

TEST(BackupSuccess, AfterAResumeTheAgeIsLookedAtAgain) {
  Stage stage;
  Life life = stage.LifeOf(Newest());
  ASSERT_EQ(stage.Round(Newest(), life)->state, Progress::State::kNotYet);
  stage.Change([](WorldData& world) { world.vault.backups[0].age_ms = 90000000; });
  stage.Crash();
  const Result<Progress> progress = stage.Finish(Newest(), life);
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().kind, ErrorKind::kConflict);
}

int Begun(Stage& stage) {
  int count = 0;
  for (const Fact& fact : stage.Look().history) count += fact.effect == "backup-begun" ? 1 : 0;
  return count;
}

TEST(BackupJob, PassesAtEachDepthAndLeavesEvidence) {
  for (const std::string depth : {"list", "checksum", "restore"}) {
    Stage stage;
    Life life = stage.LifeOf(Job());
    life.parameters["verify"] = depth;
    const Result<Progress> progress = stage.Finish(Job(), life);
    ASSERT_TRUE(progress) << Describe(progress.error());
    EXPECT_EQ(life.facts["verified"], depth);
    EXPECT_EQ(life.facts["backup"], life.key.substr(0, 12));
    EXPECT_EQ(life.facts["host"], "shop-kvm");
    EXPECT_EQ(life.facts["sizeBytes"], 64 << 20);
    EXPECT_EQ(Begun(stage), 1);
    EXPECT_TRUE(stage.Look().vault.works.empty());
  }
}

TEST(BackupJob, AFailedBackupIsTheProductsWordsAndIsNotBegunAgain) {
  Stage stage;
  stage.Change([](WorldData& world) { world.vault.run_fails = "snapshot of the volume failed"; });
  Life life = stage.LifeOf(Job());
  for (int i = 0; i < 2; ++i) {
    const Result<Progress> progress = stage.Finish(Job(), life);
    ASSERT_FALSE(progress);
    EXPECT_EQ(progress.error().kind, ErrorKind::kConflict);
    EXPECT_THAT(progress.error().message, HasSubstr("snapshot of the volume failed"));
  }
  EXPECT_EQ(Begun(stage), 1);
}

TEST(BackupJob, AResumeBeginsAFailedBackupAgain) {
  Stage stage;
  stage.Change([](WorldData& world) { world.vault.run_fails = "no space left"; });
  Life life = stage.LifeOf(Job());
  ASSERT_FALSE(stage.Finish(Job(), life));
  stage.Change([](WorldData& world) { world.vault.run_fails = ""; });
  stage.Crash();
  EXPECT_EQ(stage.Observe(Job(), life)->verdict, Verdict::kPartial);
  const Result<Progress> progress = stage.Finish(Job(), life);
  ASSERT_TRUE(progress) << Describe(progress.error());
  EXPECT_EQ(Begun(stage), 2);
}

// A repository that was locked or out of reach for a moment counted as "the backup failed", and rolled the move back.
// What passes by itself is begun again by the same attempt now, until its deadline.
TEST(BackupJob, AFailureThatPassesIsBegunAgainByTheSameAttempt) {
  Stage stage;
  const std::string words = "unable to create lock: locked by PID 7";
  stage.Change([&](WorldData& world) { world.vault.run_fails = words, world.vault.run_transient = true; });
  Life life = stage.LifeOf(Job());
  while (Begun(stage) < 3) {
    const Result<Progress> progress = stage.Round(Job(), life);
    ASSERT_TRUE(progress) << Describe(progress.error());
    ASSERT_EQ(progress->state, Progress::State::kNotYet);
    if (Begun(stage) > 1) {
      EXPECT_THAT(progress->meter.text, HasSubstr(words));
    }
  }
  stage.Change([](WorldData& world) { world.vault.reachable = false; });
  const Result<Progress> away = stage.Round(Job(), life);
  ASSERT_TRUE(away) << Describe(away.error());
  EXPECT_THAT(away->meter.text, HasSubstr("connection refused"));
  stage.Change([](WorldData& world) { world.vault.run_fails = "", world.vault.reachable = true; });
  ASSERT_TRUE(stage.Finish(Job(), life));
  EXPECT_EQ(life.facts["begunAgainAfter"], words);
  EXPECT_EQ(Begun(stage), 4);
}

// "Passed" was kept nowhere before the work was tidied away, so that a crash there restored everything once more. It
// is in the journal now before the product is told to stop.
TEST(BackupJob, ACrashAfterTheVerdictDoesNotVerifyAgain) {
  Stage stage;
  Life life = stage.LifeOf(Job());
  life.parameters["verify"] = "restore";
  bool told = false;
  stage.BeforeCalls([&](const CallSpec& call) {
    if (call.name == "EnsureStopped") told = !life.handle.is_null() && life.handle.contains("passed");
  });
  ASSERT_TRUE(stage.Finish(Job(), life));
  EXPECT_TRUE(told);
  const auto restores = [&] {
    int count = 0;
    for (const Fact& fact : stage.Look().history) count += fact.effect == "restore-begun" ? 1 : 0;
    return count;
  };
  EXPECT_EQ(restores(), 1);
  stage.Crash();
  life.facts = Json();  // the outcome did not reach the journal
  ASSERT_TRUE(stage.Finish(Job(), life));
  EXPECT_EQ(restores(), 1);
}

TEST(BackupJob, ACrashAfterTheBeginFindsItAgain) {
  Stage stage;
  Life life = stage.LifeOf(Job());
  ASSERT_EQ(stage.Round(Job(), life)->state, Progress::State::kNotYet);
  stage.Crash();
  life.handle = Json();  // it did not reach the journal
  EXPECT_EQ(stage.Observe(Job(), life)->verdict, Verdict::kRunning);
  ASSERT_TRUE(stage.Finish(Job(), life));
  EXPECT_EQ(Begun(stage), 1);
}

TEST(BackupJob, ABackupThatVanishedIsAnErrorAndNotBegunForEver) {
  Stage stage;
  Life life = stage.LifeOf(Job());
  ASSERT_TRUE(stage.Round(Job(), life));
  stage.Change([](WorldData& world) { world.vault.works.clear(); });
  const Result<Progress> progress = stage.Round(Job(), life);
  ASSERT_FALSE(progress);
  EXPECT_THAT(progress.error().message, HasSubstr("knows nothing of it"));
}

TEST(BackupJob, ADamagedBackupFailsVerification) {
  for (const auto& [depth, finds] : {std::pair{"list", false}, {"checksum", true}, {"restore", true}}) {
    Stage stage;
    stage.Change([](WorldData& world) { world.vault.run_damages = true; });
    Life life = stage.LifeOf(Job());
    life.parameters["verify"] = depth;
    const Result<Progress> progress = stage.Finish(Job(), life);
    ASSERT_EQ(progress.ok(), !finds) << depth;
    if (finds) {
      EXPECT_EQ(progress.error().kind, ErrorKind::kCorrupt);
    }
  }
}

TEST(BackupJob, ABackupThatWasNotVerifiedYetIsNotDone) {
  Stage stage;
  Life life = stage.LifeOf(Job());
  while (stage.Look().vault.backups.size() < 2) ASSERT_TRUE(stage.Round(Job(), life));
  EXPECT_EQ(stage.Observe(Job(), life)->verdict, Verdict::kPartial);
}

TEST(BackupJob, UndoLeavesTheBackupAndEndsWhatWorks) {
  Stage stage;
  Life life = stage.LifeOf(Job());
  while (stage.Look().vault.backups.size() < 2) ASSERT_TRUE(stage.Round(Job(), life));
  ASSERT_TRUE(stage.Round(Job(), life));
  ASSERT_FALSE(stage.Look().vault.works.empty());
  const Result<Progress> undone = stage.Finish(Job(), life, true);
  ASSERT_TRUE(undone) << Describe(undone.error());
  EXPECT_THAT(undone->facts["left"].get<std::string>(), HasSubstr("vmferry-" + life.key.substr(0, 12)));
  EXPECT_TRUE(stage.Look().vault.works.empty());
  EXPECT_EQ(stage.Look().vault.backups.size(), 2U);
}

TEST(BackupJob, AnUnreachableProductIsForetold) {
  Stage stage;
  stage.Change([](WorldData& world) { world.vault.reachable = false; });
  const Result<Forecast> forecast = stage.Predict(Job(), stage.LifeOf(Job()));
  ASSERT_TRUE(forecast);
  ASSERT_EQ(forecast->problems.size(), 1U);
  EXPECT_EQ(forecast->problems[0].kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry
