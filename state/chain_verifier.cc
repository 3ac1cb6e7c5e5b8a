// SPDX-License-Identifier: Apache-2.0
#include "state/chain_verifier.h"

#include <utility>

#include "state/json_text.h"

namespace vmferry {
namespace {

// The first problem of a chain is the one to look at; the rest follows from it.
void Note(ChainReport& report, const std::string& problem) {
  if (report.problem.empty()) report.problem = problem;
}

std::string At(const SealedEvent& row, const std::string& problem) {
  return "event " + std::to_string(row.event.seq) + " (position " + std::to_string(row.event.chain_seq) +
         " of its chain): " + problem;
}

}  // namespace

ChainVerifier::ChainVerifier(Scope scope, const std::vector<ChainReport>& anchors) : scope_(scope) {
  for (const ChainReport& anchor : anchors) anchors_[anchor.chain] = anchor;
}

ChainReport& ChainVerifier::ReportOf(const ChainId& chain) {
  const auto [entry, is_new] = index_.try_emplace(chain, reports_.size());
  if (is_new) reports_.push_back(ChainReport{.chain = chain, .events = 0, .head = "", .problem = ""});
  return reports_[entry->second];
}

void ChainVerifier::CheckPlace(ChainReport& report, const SealedEvent& row) {
  const std::string expected_prev = report.events == 0 ? GenesisHash(report.chain) : report.head;
  if (row.event.chain_seq != report.events + 1)
    Note(report, At(row, "position " + std::to_string(report.events + 1) +
                             " was expected: an event is missing, was added or was moved"));
  if (row.prev_hash != expected_prev) Note(report, At(row, "it does not follow the event before it"));
}

void ChainVerifier::NoteApplications(const SealedEvent& row) {
  if (!row.event.application.empty() || row.event.chain_seq != 1) return;
  const Json payload = ParseJson(row.payload);
  if (!payload.is_object() || !payload.contains("applications") || !payload["applications"].is_array()) return;
  for (const Json& name : payload["applications"])
    if (name.is_string()) promised_.push_back({row.event.run, name.get<std::string>()});
}

void ChainVerifier::Add(const SealedEvent& row) {
  if (gap_.empty() && row.event.seq != last_seq_ + 1)
    gap_ = "event " + std::to_string(last_seq_ + 1) + " is missing from the journal";
  last_seq_ = row.event.seq;
  ChainReport& report = ReportOf({row.event.run, row.event.application});
  if (const std::string problem = CheckRow(row); !problem.empty()) Note(report, At(row, problem));
  CheckPlace(report, row);
  NoteApplications(row);
  ++report.events;
  report.head = row.hash;
  const auto anchor = anchors_.find(report.chain);
  if (anchor != anchors_.end() && anchor->second.events == report.events && anchor->second.head != report.head)
    Note(report, At(row, "it is not the event that an earlier verification saw here"));
}

std::vector<ChainReport> ChainVerifier::Finish() {
  for (const ChainId& chain : promised_)
    if (!index_.contains(chain)) Note(ReportOf(chain), "the chain is missing: the run's first event names it");
  for (const auto& [chain, anchor] : anchors_)
    if (anchor.events > ReportOf(chain).events)
      Note(ReportOf(chain), "the chain was cut: an earlier verification saw " + std::to_string(anchor.events) +
                                " events, now there are " + std::to_string(ReportOf(chain).events));
  const std::vector<ChainReport> seen = reports_;
  for (const ChainReport& report : seen)
    if (!index_.contains({report.chain.run, ""}))
      Note(ReportOf({report.chain.run, ""}), "the run's own chain is missing");
  if (scope_ == Scope::kWholeJournal && !gap_.empty())
    reports_.push_back(ChainReport{.chain = {}, .events = 0, .head = "", .problem = gap_});
  return std::move(reports_);
}

}  // namespace vmferry
