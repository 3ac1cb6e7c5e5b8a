// SPDX-License-Identifier: Apache-2.0
//
// Promise 8: a journal that was changed behind our back, by somebody who may write the file, does not verify.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

#include "state/chain.h"
#include "state/memory_journal.h"
#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

// Events: 1 r-1, 2 r-1/a, 3 r-1/b, 4..9 a and b in turns, 10 r-2, 11 r-2/a.
class JournalTamper : public testing::Test {
 protected:
  JournalTamper() {
    const auto journal = OpenOrFail(path_);
    EXPECT_TRUE(journal->Append(RunCreated("r-1", {"a", "b"})));
    for (int i = 0; i < 3; ++i)
      EXPECT_TRUE(journal->Append({MakeEvent("r-1", "a", EventKind::kIntent, Json{{"key", i}}),
                                   MakeEvent("r-1", "b", EventKind::kIntent, Json{{"key", i}})}));
    EXPECT_TRUE(journal->Append(RunCreated("r-2", {"a"})));
    anchors_ = *journal->Verify("");
  }

  // What verification says after the change: of the whole journal, with the triggers gone.
  std::string After(const std::string& sql) {
    const std::string drop =
        "DROP TRIGGER IF EXISTS events_are_not_changed; DROP TRIGGER IF EXISTS events_are_not_removed; "
        "DROP TRIGGER IF EXISTS events_are_added_at_the_end; ";
    EXPECT_EQ(RunSql(path_, drop + sql), "");
    return Problems((*OpenJournalReader(path_))->Verify(""));
  }

  TempDirectory directory_;
  const std::string path_ = directory_.File("j.db");
  std::vector<ChainReport> anchors_;
};

TEST_F(JournalTamper, AnUntouchedJournalVerifies) {
  EXPECT_EQ(After(""), "");
}

TEST_F(JournalTamper, TriggersRefuseChanges) {
  EXPECT_EQ(RunSql(path_, "UPDATE events SET payload = '{}' WHERE seq = 4"), "the journal is append-only");
  EXPECT_EQ(RunSql(path_, "DELETE FROM events"), "the journal is append-only");
  EXPECT_EQ(RunSql(path_, "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 4"),
            "the journal is append-only");
  EXPECT_EQ(RunSql(path_, "DELETE FROM epochs"), "the journal is append-only");
  EXPECT_EQ(RunSql(path_, "UPDATE epochs SET epoch = 9"), "the journal is append-only");
  EXPECT_EQ(Problems((*OpenJournalReader(path_))->Verify("")), "");
}

TEST_F(JournalTamper, AMissingOrWeakenedTriggerIsSeen) {
  EXPECT_TRUE((*OpenJournalReader(path_))->AppendOnly());
  ASSERT_EQ(RunSql(path_, "DROP TRIGGER events_are_not_removed"), "");
  const Status missing = (*OpenJournalReader(path_))->AppendOnly();
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(missing.error().message,
            "it is not append-only any more: trigger events_are_not_removed is missing or changed");
  ASSERT_EQ(RunSql(path_, "CREATE TRIGGER events_are_not_removed BEFORE DELETE ON events BEGIN SELECT 1; END"), "");
  EXPECT_FALSE((*OpenJournalReader(path_))->AppendOnly()) << "it lets everything through";
  EXPECT_FALSE(OpenOrFail(path_)->AppendOnly()) << "as the engine sees it";
}

TEST_F(JournalTamper, AnEditedPayloadIsSeen) {
  EXPECT_EQ(After("UPDATE events SET payload = '{\"key\":7}' WHERE seq = 6"),
            "[r-1/a] event 6 (position 3 of its chain): its payload was changed after it was written\n");
}

TEST_F(JournalTamper, APayloadOfTheSameMeaningInOtherBytesIsSeen) {
  EXPECT_EQ(After("UPDATE events SET payload = '{ \"key\": 1 }' WHERE seq = 6"),
            "[r-1/a] event 6 (position 3 of its chain): its payload was changed after it was written\n");
}

TEST_F(JournalTamper, APayloadEditedWithItsDigestIsSeen) {
  const std::string digest = PayloadHash("{}");
  EXPECT_EQ(After("UPDATE events SET payload = '{}', payload_sha256 = '" + digest + "' WHERE seq = 6"),
            "[r-1/a] event 6 (position 3 of its chain): its header or a hash was changed after it was written\n");
}

TEST_F(JournalTamper, AnEditedHeaderIsSeen) {
  EXPECT_EQ(After("UPDATE events SET header = replace(header, '\"actor\":\"engine\"', '\"actor\":\"anna\"') "
                  "WHERE seq = 6"),
            "[r-1/a] event 6 (position 3 of its chain): its header or a hash was changed after it was written\n");
}

TEST_F(JournalTamper, AnEventRewrittenWithFreshHashesIsSeenAtTheNext) {
  const auto rows = (*OpenJournalReader(path_))->Read("r-1");
  SealedEvent forged = *Prepare(rows->at(5));
  forged.event.payload = Json{{"key", "forged"}};
  forged = *Prepare(forged.event);
  ChainHead head{2, ""};
  for (const Event& event : *rows)  // the true head before it, as a forger would read it
    if (event.application == "a" && event.chain_seq <= 2) {
      SealedEvent sealed = *Prepare(event);
      ChainHead so_far = event.chain_seq == 1 ? ChainHead{} : ChainHead{event.chain_seq - 1, head.hash};
      Seal(sealed, event.seq, event.epoch, so_far);
      head = so_far;
    }
  Seal(forged, 6, 1, head);
  EXPECT_EQ(After("UPDATE events SET payload = '" + forged.payload + "', payload_sha256 = '" + forged.payload_sha256 +
                  "', hash = '" + forged.hash + "' WHERE seq = 6"),
            "[r-1/a] event 8 (position 4 of its chain): it does not follow the event before it\n");
}

TEST_F(JournalTamper, AnEditedColumnIsSeen) {
  EXPECT_THAT(After("UPDATE events SET application = 'c' WHERE seq = 8"),
              HasSubstr("[r-1/c] event 8 (position 4 of its chain): its columns say something else than its header"));
}

TEST_F(JournalTamper, AnEditedRunColumnIsSeen) {
  EXPECT_THAT(After("UPDATE events SET run = 'r-9' WHERE run = 'r-2'"),
              HasSubstr("[r-9/] event 10 (position 1 of its chain): its columns say something else than its header"));
}

TEST_F(JournalTamper, AnEditedPositionIsSeen) {
  EXPECT_THAT(After("UPDATE events SET chain_seq = 40 WHERE seq = 8"),
              HasSubstr("[r-1/a] event 8 (position 40 of its chain): its columns say something else than its header"));
}

// Changed by somebody who does not go through SQLite, so that the index still says what was written.
TEST_F(JournalTamper, AnEditedColumnIsSeenThoughItsIndexIsNot) {
  std::ifstream in(path_, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::size_t row = bytes.find("r-1b\x04{\"seq\":9,");
  ASSERT_NE(row, std::string::npos);
  bytes[row + 3] = 'a';
  std::ofstream(path_, std::ios::binary) << bytes;
  EXPECT_THAT(Problems((*OpenJournalReader(path_))->Verify("r-1")),
              HasSubstr("[r-1/a] event 9 (position 4 of its chain): its columns say something else than its header"));
}

// Schema 1 refused it. An event with true hashes, at the end of the journal but where its chain has one already.
TEST_F(JournalTamper, APlaceInAChainThatIsTakenTwiceIsSeenAndNotContinued) {
  ChainHead head;
  SealedEvent twice;
  for (const Event& event : *(*OpenJournalReader(path_))->Read("r-1")) {
    if (event.application != "a" || event.chain_seq > 4) continue;
    twice = *Prepare(event);
    if (event.chain_seq < 4) Seal(twice, event.seq, event.epoch, head);
  }
  Seal(twice, 12, 1, head);
  EXPECT_EQ(
      After("INSERT INTO events VALUES (12, 'r-1', 'a', 4, '" + twice.header + "', '" + twice.payload + "', '" +
            twice.payload_sha256 + "', '" + twice.prev_hash + "', '" + twice.hash + "')"),
      "[r-1/a] event 12 (position 4 of its chain): position 5 was expected: an event is missing, was added or was "
      "moved\n");
  const auto refused = OpenOrFail(path_)->Append({MakeEvent("r-1", "a")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(refused.error().message, HasSubstr("event 12 cannot be continued: its chain has 5 events"));
}

TEST_F(JournalTamper, ARemovedEventIsSeenInItsChainAndInTheJournal) {
  EXPECT_EQ(After("DELETE FROM events WHERE seq = 6"),
            "[r-1/a] event 8 (position 4 of its chain): position 3 was expected: an event is missing, was added or was "
            "moved\n[/] event 6 is missing from the journal\n");
}

TEST_F(JournalTamper, TwoSwappedEventsAreSeen) {
  EXPECT_THAT(After("UPDATE events SET seq = 100 WHERE seq = 6; UPDATE events SET seq = 6 WHERE seq = 8; "
                    "UPDATE events SET seq = 8 WHERE seq = 100"),
              HasSubstr("[r-1/a] event 6 (position 4 of its chain): its columns say something else than its header"));
}

TEST_F(JournalTamper, EventsOfTwoChainsSwappedAreSeen) {
  EXPECT_THAT(After("UPDATE events SET seq = 100 WHERE seq = 6; UPDATE events SET seq = 6 WHERE seq = 7; "
                    "UPDATE events SET seq = 7 WHERE seq = 100"),
              HasSubstr("its columns say something else than its header"));
}

TEST_F(JournalTamper, RenumberingAfterARemovalIsSeen) {
  EXPECT_THAT(After("DELETE FROM events WHERE seq = 6; UPDATE events SET seq = seq - 1 WHERE seq > 6; "
                    "UPDATE events SET chain_seq = chain_seq - 1 WHERE run = 'r-1' AND application = 'a' AND seq > 6"),
              HasSubstr("[r-1/a] event 7 (position 3 of its chain): its columns say something else than its header"));
}

TEST_F(JournalTamper, AnAddedEventIsSeen) {
  EXPECT_THAT(After("INSERT INTO events SELECT 12, run, application, 5, header, payload, payload_sha256, hash, hash "
                    "FROM events WHERE seq = 8"),
              HasSubstr("[r-1/a] event 12 (position 5 of its chain): its header or a hash was changed"));
}

TEST_F(JournalTamper, ARemovedApplicationIsSeenThroughTheRunsFirstEvent) {
  EXPECT_THAT(After("DELETE FROM events WHERE run = 'r-1' AND application = 'b'"),
              HasSubstr("[r-1/b] the chain is missing: the run's first event names it"));
  EXPECT_THAT(Problems((*OpenJournalReader(path_))->Verify("r-1")), HasSubstr("[r-1/b] the chain is missing"));
}

TEST_F(JournalTamper, ARemovedChainOfARunIsSeen) {
  EXPECT_THAT(After("DELETE FROM events WHERE run = 'r-1' AND application = ''"),
              HasSubstr("[r-1/] the run's own chain is missing"));
}

TEST_F(JournalTamper, ARemovedRunIsSeenInTheJournal) {
  EXPECT_EQ(After("DELETE FROM events WHERE run = 'r-1'"), "[/] event 1 is missing from the journal\n");
}

TEST_F(JournalTamper, ACutTailIsSeenAgainstAnAnchorOnly) {
  EXPECT_EQ(After("DELETE FROM events WHERE seq >= 9"), "") << "JOURNAL.md says so";
  EXPECT_EQ(Problems((*OpenJournalReader(path_))->VerifyAgainst(anchors_)),
            "[r-1/b] the chain was cut: an earlier verification saw 4 events, now there are 3\n"
            "[r-2/] the chain was cut: an earlier verification saw 1 events, now there are 0\n"
            "[r-2/a] the chain was cut: an earlier verification saw 1 events, now there are 0\n");
}

TEST_F(JournalTamper, AJournalWithAChangedTailIsNotContinued) {
  EXPECT_NE(After("UPDATE events SET payload = '{}' WHERE seq = 11"), "");
  const auto opened = OpenSqliteJournal(path_, SystemClock());
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(opened.error().message, HasSubstr("event 11 cannot be continued: its payload was changed"));
}

TEST_F(JournalTamper, AChainWithAChangedHeadIsNotContinued) {
  EXPECT_NE(After("UPDATE events SET payload = '{}' WHERE seq = 8"), "");
  const auto journal = OpenOrFail(path_);
  EXPECT_TRUE(journal->Append({MakeEvent("r-1", "b")}));
  const auto refused = journal->Append({MakeEvent("r-1", "a")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kCorrupt);
  EXPECT_FALSE(journal->Append({MakeEvent("r-1", "b")})) << "the engine must stop";
}

TEST_F(JournalTamper, AHeaderThatCannotBeReadIsCorruptAndNamed) {
  EXPECT_NE(After("UPDATE events SET header = '{}' WHERE seq = 8"), "");
  const auto read = (*OpenJournalReader(path_))->Read("r-1");
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(read.error().advice, HasSubstr("audit verify"));
}

TEST(MemoryJournalTamper, ChangesAreSeenByTheSameRules) {
  MemoryJournal journal;
  ASSERT_TRUE(journal.Append(RunCreated("r-1", {"a"})));
  ASSERT_TRUE(journal.Append({MakeEvent("r-1", "a"), MakeEvent("r-1", "a")}));
  EXPECT_EQ(Problems(journal.Verify("")), "");
  const std::vector<SealedEvent> whole = journal.rows();
  journal.rows()[2].payload = R"({"x":1})";
  EXPECT_THAT(Problems(journal.Verify("")), HasSubstr("its payload was changed"));
  journal.rows() = whole;
  journal.rows().erase(journal.rows().begin() + 2);
  EXPECT_THAT(Problems(journal.Verify("")), HasSubstr("position 2 was expected"));
}

}  // namespace
}  // namespace vmferry
