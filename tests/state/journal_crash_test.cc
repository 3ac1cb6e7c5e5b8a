// SPDX-License-Identifier: Apache-2.0
//
// Promise 2, the journal's part: what was acknowledged before kill -9 is there afterwards.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <set>
#include <string>

#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

// Appends for ever to eight chains, writing the seq of each event to `out` once it is acknowledged.
[[noreturn]] void AppendForEver(const std::string& path, int out) {
  const auto journal = OpenOrFail(path);
  std::vector<std::string> names;
  for (int i = 0; i < 8; ++i) names.push_back("a" + std::to_string(i));
  const std::string run = "r-" + std::to_string(getpid());
  const auto report = [out](const Result<std::vector<Event>>& stored) {
    if (!stored) _exit(3);
    for (const Event& event : *stored)
      if (write(out, &event.seq, sizeof(event.seq)) != sizeof(event.seq)) _exit(4);
  };
  report(journal->Append(RunCreated(run, names)));
  for (std::size_t i = 0;; ++i) {
    journal->AppendAsync({MakeEvent(run, names[i % 8]), MakeEvent(run, "")}, report);
    if (i % 50 == 0) report(journal->Append({MakeEvent(run, names[i % 8])}));
  }
}

// Starts such a child, kills it after `acknowledgements`, and returns every seq it had acknowledged.
std::set<std::int64_t> KilledAfter(const std::string& path, std::size_t acknowledgements) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    AppendForEver(path, ends[1]);
  }
  close(ends[1]);
  std::set<std::int64_t> acknowledged;
  std::int64_t seq = 0;
  while (read(ends[0], &seq, sizeof(seq)) == sizeof(seq)) {
    acknowledged.insert(seq);
    if (acknowledged.size() == acknowledgements) kill(child, SIGKILL);
  }
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status)) << "exit code " << WEXITSTATUS(status);
  return acknowledged;
}

TEST(JournalCrash, EveryAcknowledgedEventIsThereAfterKill9) {
  const TempDirectory directory;
  const std::string path = directory.File("j.db");
  std::set<std::int64_t> acknowledged;
  for (const std::size_t after : {1, 9, 10, 57, 300, 1000, 5000}) {
    acknowledged.merge(KilledAfter(path, after));
    std::set<std::int64_t> found;
    const auto reader = OpenJournalReader(path);
    ASSERT_TRUE(reader) << Describe(reader.error());
    const auto runs = (*reader)->Runs();
    ASSERT_TRUE(runs) << Describe(runs.error());
    for (const std::string& run : *runs) {
      const auto events = (*reader)->Read(run);
      ASSERT_TRUE(events) << Describe(events.error());
      for (const Event& event : *events) found.insert(event.seq);
    }
    for (const std::int64_t seq : acknowledged) ASSERT_TRUE(found.contains(seq)) << "lost event " << seq;
    EXPECT_EQ(Problems((*reader)->Verify("")), "") << "killed after " << after;
  }
  const auto journal = OpenOrFail(path);
  EXPECT_EQ(journal->Append({MakeEvent("r-last", "")})->at(0).epoch, 8) << "each of the seven engines had its own";
  EXPECT_EQ(Problems(journal->Verify("")), "");
}

}  // namespace
}  // namespace vmferry
