// SPDX-License-Identifier: Apache-2.0
#include "tests/contracts/backup_contract.h"

#include <algorithm>

namespace vmferry::contracts {
namespace {

constexpr char kKey[] = "0123456789ab";

}  // namespace

BackupRunRequest BackupContract::Run(const std::string& key) {
  return {key, {"shop-db", {harness_->existing_path()}, {"daily"}}};
}

BackupFacts BackupContract::Make(const std::string& key) {
  BackupFacts made;
  EXPECT_GOOD(Ask(backup::kBeginRun, Run(key)));
  EXPECT_TRUE(Until(
      [&] {
        const auto run = Ask(backup::kReadRun, Run(key));
        EXPECT_GOOD(run);
        if (!run || run->state == "failed") return ADD_FAILURE() << (run ? run->said : ""), true;
        made = run->backup;
        return run->state == "done";
      },
      [&] { return harness_->Breathe(); }));
  EXPECT_FALSE(made.id.empty());
  return made;
}

BackupCheck BackupContract::Await(const Call<BackupCheckRequest, BackupCheck>& call, const std::string& depth) {
  const auto newest = Ask(backup::kFindNewest, BackupQuery{});
  EXPECT_GOOD(newest);
  BackupCheck verdict;
  EXPECT_TRUE(Until(
      [&] {
        const auto check = Ask(call, BackupCheckRequest{kKey, newest ? newest->backup.id : "", depth});
        EXPECT_GOOD(check);
        if (check) verdict = *check;
        return !check || check->state != "running";
      },
      [&] { return harness_->Breathe(); }));
  return verdict;
}

TEST_P(BackupContract, NoBackupIsAReply) {
  const auto newest = Ask(backup::kFindNewest, BackupQuery{{"shop-db", {}, {}}});
  ASSERT_GOOD(newest);
  EXPECT_FALSE(newest->found);
}

TEST_P(BackupContract, ARunIsBegunOnceAndFoundByItsKey) {
  const auto before = Ask(backup::kReadRun, Run());
  ASSERT_GOOD(before);
  EXPECT_EQ(before->state, "not started");
  const BackupFacts made = Make();
  EXPECT_NE(std::find(made.tags.begin(), made.tags.end(), std::string("vmferry-") + kKey), made.tags.end());
  const auto again = Ask(backup::kBeginRun, Run());
  ASSERT_GOOD(again);
  EXPECT_EQ(again->state, "done");
  EXPECT_EQ(again->backup.id, made.id);
  EXPECT_EQ(harness_->Kept(), 1);
}

TEST_P(BackupContract, TwoKeysAreTwoBackups) {
  Make("0123456789ab");
  Make("ba9876543210");
  EXPECT_EQ(harness_->Kept(), 2);
}

TEST_P(BackupContract, TheNewestIsFoundByAllOfItsScope) {
  const BackupFacts made = Make();
  const std::string path = harness_->existing_path();
  const auto newest = Ask(backup::kFindNewest, BackupQuery{{"shop-db", {path}, {"daily"}}});
  ASSERT_GOOD(newest);
  ASSERT_TRUE(newest->found);
  EXPECT_EQ(newest->backup.id, made.id);
  EXPECT_EQ(newest->backup.host, "shop-db");
  EXPECT_GT(newest->backup.size_bytes, 0);
  EXPECT_GE(newest->age_ms, 0);
  EXPECT_LT(newest->age_ms, 600000);
  for (const BackupScope& other : {BackupScope{"other", {}, {}}, BackupScope{"shop-db", {"/nowhere"}, {}},
                                   BackupScope{"shop-db", {path}, {"daily", "weekly"}}}) {
    const auto none = Ask(backup::kFindNewest, BackupQuery{other});
    ASSERT_GOOD(none);
    EXPECT_FALSE(none->found) << Json(other);
  }
}

TEST_P(BackupContract, AGoodBackupPassesAtEveryDepth) {
  Make();
  for (const std::string depth : {"structure", "list", "checksum"}) {
    const BackupCheck check = Await(backup::kCheck, depth);
    EXPECT_EQ(check.state, "passed") << depth << ": " << check.said;
  }
  const BackupCheck restored = Await(backup::kTestRestore, "restore");
  EXPECT_EQ(restored.state, "passed") << restored.said;
  EXPECT_EQ(harness_->Kept(), 1);
}

TEST_P(BackupContract, DamagedDataIsFoundByReadingIt) {
  Make();
  harness_->Damage();
  EXPECT_EQ(Await(backup::kCheck, "structure").state, "passed");
  for (const BackupCheck& check : {Await(backup::kCheck, "checksum"), Await(backup::kTestRestore, "restore")}) {
    EXPECT_EQ(check.state, "failed");
    EXPECT_FALSE(check.said.empty());
  }
}

// A check that nobody asked after again was taken for one of a newer backup, which passed by it.
TEST_P(BackupContract, AVerdictIsOfItsBackupAlone) {
  const BackupFacts good = Make("0123456789ab");
  ASSERT_GOOD(Ask(backup::kCheck, BackupCheckRequest{kKey, good.id, "checksum"}));
  Make("ba9876543210");
  harness_->Damage();
  EXPECT_EQ(Await(backup::kCheck, "checksum").state, "failed");
}

TEST_P(BackupContract, AnUnknownDepthNeverPasses) {
  Make();
  const auto newest = Ask(backup::kFindNewest, BackupQuery{});
  ASSERT_GOOD(newest);
  ASSERT_TRUE(newest->found) << "an empty scope is any";
  EXPECT_KIND(Ask(backup::kCheck, BackupCheckRequest{kKey, newest->backup.id, "glance"}), ErrorKind::kInvalid);
}

TEST_P(BackupContract, StoppingLeavesFinishedBackupsAndNothingElse) {
  EXPECT_GOOD(Ask(backup::kEnsureStopped, BackupKey{kKey}));
  const BackupFacts made = Make();
  ASSERT_GOOD(Ask(backup::kTestRestore, BackupCheckRequest{kKey, made.id, "restore"}));
  EXPECT_TRUE(harness_->WorksLeft());
  ASSERT_GOOD(Ask(backup::kEnsureStopped, BackupKey{kKey}));
  ASSERT_GOOD(Ask(backup::kEnsureStopped, BackupKey{kKey}));
  EXPECT_FALSE(harness_->WorksLeft());
  EXPECT_EQ(harness_->Kept(), 1);
  const auto run = Ask(backup::kReadRun, Run());
  ASSERT_GOOD(run);
  // "failed" of a product that cannot tell, without what was stopped, whether the backup is whole.
  EXPECT_TRUE(run->state == "done" || run->state == "failed") << run->state;
  EXPECT_EQ(run->backup.id, made.id) << "found by what it carries, without what was stopped";
}

TEST_P(BackupContract, ARunThatIsStoppedLeavesNoBackup) {
  ASSERT_GOOD(Ask(backup::kBeginRun, Run()));
  ASSERT_GOOD(Ask(backup::kEnsureStopped, BackupKey{kKey}));
  EXPECT_FALSE(harness_->WorksLeft());
  const auto run = Ask(backup::kReadRun, Run());
  ASSERT_GOOD(run);
  EXPECT_NE(run->state, "running");
  EXPECT_EQ(harness_->Kept(), run->backup.id.empty() ? 0 : 1);  // a quick one may have been done
}

}  // namespace vmferry::contracts
