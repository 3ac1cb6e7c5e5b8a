// SPDX-License-Identifier: Apache-2.0
//
// What the journal's tests share: a directory of their own, events, and a way to change a database behind our back.
#pragma once

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/clock.h"
#include "state/journal.h"
#include "state/sqlite_journal.h"

namespace vmferry {

class TempDirectory {
 public:
  TempDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "vmferry-test-XXXXXX").string();
    if (!mkdtemp(name.data())) std::abort();
    path_ = name;
  }
  ~TempDirectory() { std::filesystem::remove_all(path_); }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline Event MakeEvent(const std::string& run, const std::string& application, EventKind kind = EventKind::kFacts,
                       Json payload = Json::object()) {
  Event event;
  event.run = run;
  event.application = application;
  event.kind = kind;
  event.step = application.empty() ? -1 : 2;
  event.attempt = application.empty() ? 0 : 1;
  event.at = {1772330400000, 5000};
  event.actor = "engine";
  event.payload = std::move(payload);
  return event;
}

// The first events of a run, as an engine appends them: at once.
inline std::vector<Event> RunCreated(const std::string& run, const std::vector<std::string>& applications) {
  std::vector<Event> events{MakeEvent(run, "", EventKind::kRunCreated, Json{{"applications", applications}})};
  for (const std::string& application : applications)
    events.push_back(MakeEvent(run, application, EventKind::kRunCreated, Json{{"plan", {{"name", application}}}}));
  return events;
}

inline std::unique_ptr<Journal> OpenOrFail(const std::string& path, JournalOptions options = {}) {
  Result<std::unique_ptr<Journal>> journal = OpenSqliteJournal(path, SystemClock(), std::move(options));
  if (journal) return *std::move(journal);
  ADD_FAILURE() << Describe(journal.error());
  std::abort();
}

// Runs SQL as anybody with the sqlite3 shell could; returns SQLite's message, empty when it went through.
inline std::string RunSql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  char* message = nullptr;
  sqlite3_open(path.c_str(), &db);
  sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &message);
  const std::string text = message ? message : "";
  sqlite3_free(message);
  sqlite3_close(db);
  return text;
}

// A journal as schema 1 was written on the day it was made; `more` SQL comes before the triggers, which would refuse it.
inline void MakeJournalOfSchema1(const std::string& path, const std::string& more = "") {
  std::ifstream file(VMFERRY_SOURCE_DIR "/tests/state/journal_v1.sql");
  std::string sql((std::istreambuf_iterator<char>(file)), {});
  sql.insert(sql.find("CREATE TRIGGER"), more);
  const std::string problem = RunSql(path, sql);
  if (problem.empty()) return;
  ADD_FAILURE() << problem;
  std::abort();
}

inline std::string Problems(const Result<std::vector<ChainReport>>& reports) {
  if (!reports) return Describe(reports.error());
  std::string text;
  for (const ChainReport& report : *reports)
    if (!report.problem.empty())
      text += "[" + report.chain.run + "/" + report.chain.application + "] " + report.problem + "\n";
  return text;
}

}  // namespace vmferry
