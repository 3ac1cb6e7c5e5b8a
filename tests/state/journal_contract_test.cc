// SPDX-License-Identifier: Apache-2.0
//
// What every Journal promises, checked on each of them.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "state/memory_journal.h"
#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

struct Kind {
  std::string name;
  std::function<std::unique_ptr<Journal>(const TempDirectory&)> make;
};

class JournalContract : public testing::TestWithParam<Kind> {
 protected:
  TempDirectory directory_;
  std::unique_ptr<Journal> journal_ = GetParam().make(directory_);
};

TEST_P(JournalContract, AppendSetsPlaceAndEpoch) {
  const auto created = journal_->Append(RunCreated("r-1", {"a", "b"}));
  ASSERT_TRUE(created) << Describe(created.error());
  ASSERT_EQ(created->size(), 3u);
  const auto more = journal_->Append({MakeEvent("r-1", "b")});
  ASSERT_TRUE(more);
  EXPECT_EQ(created->at(2).seq, 3);
  EXPECT_EQ(created->at(2).chain_seq, 1);
  EXPECT_EQ(more->at(0).seq, 4);
  EXPECT_EQ(more->at(0).chain_seq, 2);
  EXPECT_EQ(more->at(0).epoch, 1);
}

TEST_P(JournalContract, StateIsWhatTheEventsAddUpToWithThePlanAsText) {
  const Json plan{{"plan", {{"steps", {1, 2}}}}, {"planDigest", "d"}};
  std::vector<Event> events{MakeEvent("r-1", "", EventKind::kRunCreated, Json{{"applications", {"a", "b"}}}),
                            MakeEvent("r-1", "a", EventKind::kRunCreated, plan),
                            MakeEvent("r-1", "b", EventKind::kRunCreated),
                            MakeEvent("r-1", "a", EventKind::kPhase, Json{{"phase", "cutover"}}),
                            MakeEvent("r-2", "a", EventKind::kPhase, Json{{"phase", "soak"}})};
  for (Event& event : events) event.step = -1;
  events.at(2).encoded = plan.dump();
  ASSERT_TRUE(journal_->Append(events));
  const auto state = journal_->State("r-1");
  ASSERT_TRUE(state) << Describe(state.error());
  EXPECT_EQ(state->order, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(state->applications.at("a").phase, Phase::kCutover);
  EXPECT_EQ(*state->applications.at("a").created, plan.dump());
  EXPECT_EQ(*state->applications.at("b").created, plan.dump());
  const auto read = journal_->Read("r-1");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at(2).payload, plan) << "read as written, whichever way it was given";
  EXPECT_TRUE(journal_->State("r-none")->applications.empty());
}

TEST_P(JournalContract, ReadGivesBackEveryField) {
  Event event = MakeEvent("r-1", "a", EventKind::kUndoOutcome, Json{{"n", 1.5}, {"list", {1, "two", nullptr}}});
  event.step = 7;
  event.attempt = 3;
  event.at = {-5, 1234567890123};
  event.actor = "J\xc3\xbcrgen@ops1";
  const auto stored = journal_->Append({event});
  ASSERT_TRUE(stored);
  const auto read = journal_->Read("r-1");
  ASSERT_TRUE(read) << Describe(read.error());
  ASSERT_EQ(read->size(), 1u);
  const Event& back = read->at(0);
  EXPECT_EQ(back.seq, 1);
  EXPECT_EQ(back.run, "r-1");
  EXPECT_EQ(back.application, "a");
  EXPECT_EQ(back.chain_seq, 1);
  EXPECT_EQ(back.kind, EventKind::kUndoOutcome);
  EXPECT_EQ(back.step, 7);
  EXPECT_EQ(back.attempt, 3);
  EXPECT_EQ(back.epoch, stored->at(0).epoch);
  EXPECT_EQ(back.at.wall_ms, -5);
  EXPECT_EQ(back.at.monotonic_ms, 1234567890123);
  EXPECT_EQ(back.actor, event.actor);
  EXPECT_EQ(back.payload, event.payload);
}

TEST_P(JournalContract, ReadKeepsRunsApartAndInOrder) {
  ASSERT_TRUE(journal_->Append(RunCreated("r-2", {"a"})));
  ASSERT_TRUE(journal_->Append(RunCreated("r-1", {"a"})));
  ASSERT_TRUE(journal_->Append({MakeEvent("r-2", "a")}));
  EXPECT_EQ(*journal_->Runs(), (std::vector<std::string>{"r-2", "r-1"}));
  const auto seqs = [&](const std::string& run, std::int64_t after) {
    std::vector<std::int64_t> list;
    const auto events = journal_->Read(run, after);  // named: a range-for would outlive the temporary
    for (const Event& event : *events) list.push_back(event.seq);
    return list;
  };
  EXPECT_EQ(seqs("r-2", 0), (std::vector<std::int64_t>{1, 2, 5}));
  EXPECT_EQ(seqs("r-2", 2), (std::vector<std::int64_t>{5}));
  EXPECT_EQ(seqs("r-1", 0), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(seqs("r-3", 0), (std::vector<std::int64_t>{}));
}

TEST_P(JournalContract, AnAppendWithAnInvalidEventStoresNoneOfIt) {
  const auto result = journal_->Append({MakeEvent("r-1", ""), MakeEvent("", "")});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::kInvalid);
  EXPECT_TRUE(journal_->Read("r-1")->empty());
  EXPECT_TRUE(journal_->Append({MakeEvent("r-1", "")})) << "one caller's mistake does not end the journal";
}

TEST_P(JournalContract, AppendingNothingIsFine) {
  const auto result = journal_->Append({});
  ASSERT_TRUE(result);
  EXPECT_TRUE(result->empty());
  EXPECT_TRUE(journal_->Runs()->empty());
  EXPECT_TRUE(journal_->Verify("")->empty());
}

TEST_P(JournalContract, AsynchronousAppendsAreAcknowledgedInOrder) {
  std::vector<std::int64_t> seqs;
  std::promise<void> done;
  for (int i = 1; i <= 200; ++i)
    journal_->AppendAsync({MakeEvent("r-1", i % 2 ? "a" : "")}, [&, i](const Result<std::vector<Event>>& stored) {
      seqs.push_back(stored ? stored->at(0).seq : -1);
      if (i == 200) done.set_value();
    });
  done.get_future().wait();
  ASSERT_EQ(seqs.size(), 200u);
  for (int i = 1; i <= 200; ++i) EXPECT_EQ(seqs[static_cast<std::size_t>(i - 1)], i);
}

TEST_P(JournalContract, WhatIsAcknowledgedIsReadAtOnce) {
  for (std::size_t i = 1; i <= 20; ++i) {
    ASSERT_TRUE(journal_->Append({MakeEvent("r-1", "")}));
    ASSERT_EQ(journal_->Read("r-1")->size(), i);
  }
}

TEST_P(JournalContract, BytesThatAreNotUtf8AndNulsSurviveAsTheSameTextEverywhere) {
  Json payload{{"output", std::string("bad \xff\xfe nul \0 end", 16)}};
  const auto stored = journal_->Append({MakeEvent("r-1", "", EventKind::kFacts, payload)});
  ASSERT_TRUE(stored) << Describe(stored.error());
  const auto read = journal_->Read("r-1");
  ASSERT_TRUE(read) << Describe(read.error());
  EXPECT_EQ(read->at(0).payload, stored->at(0).payload);
  EXPECT_EQ(read->at(0).payload["output"].get<std::string>(),
            std::string("bad \xef\xbf\xbd\xef\xbf\xbd nul \0 end", 20));
  EXPECT_EQ(Problems(journal_->Verify("")), "");
}

TEST_P(JournalContract, EventsOfOneMebibyteAreKept) {
  const std::string large(std::size_t{1} << 20, 'x');
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(journal_->Append({MakeEvent("r-1", "", EventKind::kFacts, Json{{"t", large}})}));
  const auto read = journal_->Read("r-1");
  ASSERT_EQ(read->size(), 3u);
  EXPECT_EQ(read->at(2).payload["t"].get<std::string>(), large);
  EXPECT_EQ(Problems(journal_->Verify("")), "");
}

TEST_P(JournalContract, ConcurrentAppendsKeepEveryChainWhole) {
  std::vector<std::string> names{"t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"};
  ASSERT_TRUE(journal_->Append(RunCreated("r-1", names)));
  std::vector<std::thread> threads;
  std::atomic<int> failed = 0;
  for (const std::string& own : names)
    threads.emplace_back([&, own] {
      for (int i = 0; i < 50; ++i)  // two events of one's own chain and one of a chain shared by all
        if (!journal_->Append({MakeEvent("r-1", own), MakeEvent("r-1", ""), MakeEvent("r-1", own)})) ++failed;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failed, 0);
  const auto reports = journal_->Verify("r-1");
  EXPECT_EQ(Problems(reports), "");
  ASSERT_EQ(reports->size(), 9u);
  for (const ChainReport& report : *reports) EXPECT_EQ(report.events, report.chain.application.empty() ? 401 : 101);
  std::map<std::string, std::int64_t> last;
  const auto events = journal_->Read("r-1");
  for (const Event& event : *events) EXPECT_EQ(event.chain_seq, ++last[event.application]);
}

TEST_P(JournalContract, VerifyReportsEachChainWithItsHead) {
  ASSERT_TRUE(journal_->Append(RunCreated("r-1", {"a"})));
  ASSERT_TRUE(journal_->Append(RunCreated("r-2", {"a"})));
  const auto all = journal_->Verify("");
  EXPECT_EQ(Problems(all), "");
  ASSERT_EQ(all->size(), 4u);
  const auto one = journal_->Verify("r-2");
  ASSERT_EQ(one->size(), 2u);
  EXPECT_EQ(one->at(0).chain, (ChainId{"r-2", ""}));
  EXPECT_EQ(one->at(0).head.size(), 64u);
  EXPECT_EQ(one->at(0).head, all->at(2).head);
  EXPECT_NE(one->at(0).head, all->at(0).head) << "the same events in another run have other hashes";
}

TEST_P(JournalContract, AnAnchorHoldsWhileTheJournalGrows) {
  ASSERT_TRUE(journal_->Append(RunCreated("r-1", {"a"})));
  const auto anchors = journal_->Verify("");
  ASSERT_TRUE(journal_->Append({MakeEvent("r-1", "a"), MakeEvent("r-1", "")}));
  EXPECT_EQ(Problems(journal_->VerifyAgainst(*anchors)), "");
}

TEST_P(JournalContract, AnAnchorOfAnotherHistoryIsNotMatched) {
  ASSERT_TRUE(journal_->Append(RunCreated("r-1", {"a"})));
  auto anchors = *journal_->Verify("");
  anchors[1].head[0] = anchors[1].head[0] == '0' ? '1' : '0';
  EXPECT_EQ(Problems(journal_->VerifyAgainst(anchors)),
            "[r-1/a] event 2 (position 1 of its chain): it is not the event that an earlier verification saw here\n");
}

INSTANTIATE_TEST_SUITE_P(
    AllJournals, JournalContract,
    testing::Values(Kind{"Memory", [](const TempDirectory&) { return std::make_unique<MemoryJournal>(); }},
                    Kind{"Sqlite", [](const TempDirectory& directory) { return OpenOrFail(directory.File("j.db")); }}),
    [](const testing::TestParamInfo<Kind>& kind) { return kind.param.name; });

TEST(MemoryJournal, FailsBeforeOrAfterStoringAsToldUntilRestarted) {
  MemoryJournal journal;
  journal.FailAt(2, MemoryJournal::Fault::kBeforeStoring);
  EXPECT_TRUE(journal.Append({MakeEvent("r", "")}));
  EXPECT_FALSE(journal.Append({MakeEvent("r", "")}));
  EXPECT_FALSE(journal.Append({MakeEvent("r", "")}));
  EXPECT_EQ(journal.Read("r")->size(), 1u);
  journal.Restart();
  journal.FailAt(4, MemoryJournal::Fault::kAfterStoring);
  EXPECT_FALSE(journal.Append({MakeEvent("r", "")}));
  EXPECT_FALSE(journal.Append({MakeEvent("r", "")}));
  EXPECT_EQ(journal.Read("r")->size(), 2u) << "the fourth is there though nobody was told, the fifth is not";
  journal.Restart();
  EXPECT_EQ(journal.Append({MakeEvent("r", "")})->at(0).epoch, 3);
  EXPECT_EQ(Problems(journal.Verify("")), "");
}

}  // namespace
}  // namespace vmferry
