// SPDX-License-Identifier: Apache-2.0
//
// What restic printed: 0.14 of Debian 12, and the shapes that 0.17 and newer document.
#include "plugins/restic/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vmferry {
namespace {

using testing::HasSubstr;

constexpr char kOld[] =
    R"({"time":"2026-03-01T01:00:00Z","tree":"590c","paths":["/srv"],"hostname":"h1","username":"root",)"
    R"("tags":["daily"],"id":"03035e2c9e357f6306535a867618108d7c81365a7c562f41af835f255bec435a","short_id":"03035e2c"})";
constexpr char kNew[] =
    R"({"time":"2026-03-01T02:00:00Z","tree":"590d","paths":["/srv","/etc"],"hostname":"h1",)"
    R"("program_version":"restic 0.18.0",)"
    R"("summary":{"backup_start":"2026-03-01T02:00:00Z","total_files_processed":2,"total_bytes_processed":3000006},)"
    R"("id":"e2724608aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","short_id":"e2724608"})";

TEST(ResticOutput, SnapshotsComeNewestFirst) {
  const auto snapshots = ParseSnapshots("[" + std::string(kOld) + "," + kNew + "]\n");
  ASSERT_TRUE(snapshots);
  ASSERT_EQ(snapshots->size(), 2U);
  EXPECT_EQ(snapshots->at(0).size_bytes, 3000006);
  EXPECT_EQ(snapshots->at(0).paths, (std::vector<std::string>{"/srv", "/etc"}));
  EXPECT_TRUE(snapshots->at(0).tags.empty());
  EXPECT_EQ(snapshots->at(1).size_bytes, -1) << "before 0.17 a snapshot does not hold its size";
  EXPECT_EQ(snapshots->at(1).tags, std::vector<std::string>{"daily"});
  EXPECT_EQ(snapshots->at(1).host, "h1");
}

TEST(ResticOutput, NoSnapshotsIsNoError) {
  EXPECT_EQ(ParseSnapshots("[]\n")->size(), 0U);
  EXPECT_EQ(ParseSnapshots("null\n")->size(), 0U);
}

TEST(ResticOutput, OtherShapesAreRefused) {
  for (const std::string bad :
       {"", "{}", "[1]", "[{}]", R"([{"id":"03035e2c","time":"never"}])",
        R"([{"id":"--help-me","time":"2026-03-01T01:00:00Z"}])", R"([{"id":"ab","time":"2026-03-01T01:00:00Z"}])", "["})
    EXPECT_FALSE(ParseSnapshots(bad)) << bad;
}

TEST(ResticOutput, StatsAndProgress) {
  const auto stats = ParseStats(R"({"total_size":3000006,"total_file_count":5,"snapshots_count":1})");
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->files, 5);
  EXPECT_EQ(stats->bytes, 3000006);
  EXPECT_FALSE(ParseStats("scanning...\n"));
  EXPECT_EQ(ParseProgress(""), std::pair(std::int64_t{0}, std::int64_t{0}));
  EXPECT_EQ(ParseProgress(R"(done":1}
{"message_type":"status","percent_done":0.5,"total_bytes":10,"bytes_done":5}
{"message_type":"verbose_status"}
{"message_type":"sta)"),
            std::pair(std::int64_t{5}, std::int64_t{10}));
}

TEST(ResticOutput, WordsAreThoseOfOldAndNewReleases) {
  EXPECT_EQ(WordsOf("Fatal: wrong password or no key found\n"), "Fatal: wrong password or no key found");
  EXPECT_EQ(WordsOf(R"({"message_type":"exit_error","code":12,"message":"Fatal: wrong password or no key found"})"),
            "Fatal: wrong password or no key found");
  EXPECT_THAT(
      WordsOf(
          R"({"message_type":"error","error":{"message":"permission denied"},"during":"archival","item":"/srv/x"})"),
      HasSubstr("/srv/x: permission denied"));
  EXPECT_THAT(WordsOf(R"({"message_type":"error","error":{"Op":"open","Path":"/srv/x","Err":13},"during":"scan"})"),
              HasSubstr("/srv/x"));
  EXPECT_EQ(WordsOf(R"({"message_type":"status","percent_done":1})"), "");
  EXPECT_EQ(WordsOf("a\033[31mb\xff"), WordsOf("a\033[31mb\xff"));
  EXPECT_EQ(WordsOf("a\033b").find('\033'), std::string::npos);
  EXPECT_LE(WordsOf(std::string(100000, 'x')).size(), 400U);
}

TEST(ResticOutput, FailuresOfTheWayToTheRepositoryAreToldFromDamage) {
  EXPECT_EQ(OutsideFailure(1, "Fatal: wrong password or no key found\n"), ErrorKind::kDenied);
  EXPECT_EQ(OutsideFailure(12, ""), ErrorKind::kDenied);
  EXPECT_EQ(OutsideFailure(1,
                           "Fatal: unable to open config file: stat r/config: no such file or directory\n"
                           "Is there a repository at the following location?\nr\n"),
            ErrorKind::kNotFound);
  EXPECT_EQ(OutsideFailure(10, "Fatal: repository does not exist"), ErrorKind::kNotFound);
  EXPECT_EQ(OutsideFailure(1, "dial tcp 10.0.0.1:8000: connect: connection refused"), ErrorKind::kUnavailable);
  EXPECT_EQ(OutsideFailure(11, "unable to create lock in backend: repository is already locked"),
            ErrorKind::kUnavailable);
  EXPECT_EQ(OutsideFailure(1, "Fatal: repository contains errors"), std::nullopt);
  // A full disk under a test restore was called a damaged backup. It is a failure of this machine.
  EXPECT_EQ(OutsideFailure(1, "write /w/restored/a: no space left on device"), ErrorKind::kConflict);
  EXPECT_EQ(OutsideFailure(1, "ciphertext verification failed"), std::nullopt);
}

TEST(ResticOutput, TheSnapshotMadeIsInTheSummary) {
  EXPECT_EQ(ParseMadeSnapshot(R"({"message_type":"status"})"), "");
  EXPECT_EQ(ParseMadeSnapshot("{\"message_type\":\"status\"}\n"
                              R"({"message_type":"summary","files_new":1,"snapshot_id":"03035e2c"})"
                              "\n"),
            "03035e2c");
}

TEST(ResticOutput, AnIncompleteBackupIsRecognised) {
  EXPECT_TRUE(ReadIncompletely("Warning: at least one source file could not be read\n"));
  EXPECT_TRUE(ReadIncompletely(R"({"message_type":"error","error":{},"during":"archival","item":"/a"})"));
  EXPECT_FALSE(ReadIncompletely("unable to open cache: no space left\n"));
  EXPECT_FALSE(ReadIncompletely(""));
}

TEST(ResticOutput, APathIsCoveredByAFolderAboveIt) {
  EXPECT_TRUE(Covers({"/srv", "/etc"}, {"/srv/shop", "/etc/"}));
  EXPECT_TRUE(Covers({"/"}, {"/srv"}));
  EXPECT_TRUE(Covers({"/srv"}, {}));
  EXPECT_FALSE(Covers({"/srv/shop"}, {"/srv"}));
  EXPECT_FALSE(Covers({"/srv"}, {"/srv2"}));
  EXPECT_FALSE(Covers({"/srv"}, {"/srv/../etc"}));
}

}  // namespace
}  // namespace vmferry
