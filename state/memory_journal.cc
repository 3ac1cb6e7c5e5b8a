// SPDX-License-Identifier: Apache-2.0
#include "state/memory_journal.h"

#include <algorithm>
#include <utility>

#include "state/chain_verifier.h"

namespace vmferry {

Result<std::vector<std::string>> MemoryJournal::Runs() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> runs;
  for (const SealedEvent& row : rows_)
    if (std::find(runs.begin(), runs.end(), row.event.run) == runs.end()) runs.push_back(row.event.run);
  return runs;
}

Result<std::vector<Event>> MemoryJournal::Read(const std::string& run, std::int64_t after, std::int64_t most) const {
  const std::lock_guard lock(mutex_);
  std::vector<Event> events;
  for (const SealedEvent& row : rows_) {
    if (row.event.run != run || row.event.seq <= after) continue;
    if (static_cast<std::int64_t>(events.size()) >= most) break;
    Result<Event> event = Decode(row.header, row.payload);
    if (!event) return event.error();
    events.push_back(*std::move(event));
  }
  return events;
}

Result<RunState> MemoryJournal::State(const std::string& run) const {
  const std::lock_guard lock(mutex_);
  RunState state;
  state.run = run;
  Event event;
  for (const SealedEvent& row : rows_) {
    if (row.event.run != run) continue;
    if (const Status decoded = DecodeToFold(row.header, row.payload, event); !decoded) return decoded.error();
    Fold(state, event);
  }
  return state;
}

std::vector<ChainReport> MemoryJournal::Check(const std::string& run, const std::vector<ChainReport>& anchors) const {
  const std::lock_guard lock(mutex_);
  ChainVerifier verifier(run.empty() ? ChainVerifier::Scope::kWholeJournal : ChainVerifier::Scope::kOneRun, anchors);
  std::vector<const SealedEvent*> ordered;
  for (const SealedEvent& row : rows_)
    if (run.empty() || row.event.run == run) ordered.push_back(&row);
  std::stable_sort(ordered.begin(), ordered.end(), [](const SealedEvent* left, const SealedEvent* right) {
    return left->event.seq < right->event.seq;
  });
  for (const SealedEvent* row : ordered) verifier.Add(*row);
  return verifier.Finish();
}

Result<std::vector<ChainReport>> MemoryJournal::Verify(const std::string& run) const {
  return Check(run, {});
}

Result<std::vector<ChainReport>> MemoryJournal::VerifyAgainst(const std::vector<ChainReport>& anchors) const {
  return Check("", anchors);
}

Result<std::vector<Event>> MemoryJournal::Append(std::vector<Event> events) {
  Result<std::vector<SealedEvent>> prepared = PrepareAll(std::move(events));
  if (!prepared) return prepared.error();
  const std::lock_guard lock(mutex_);
  ++appends_;
  const bool fails = fail_at_ != 0 && appends_ >= fail_at_;
  const Error error{.kind = ErrorKind::kUnknownOutcome,
                    .system = "journal",
                    .object = "",
                    .message = "the append failed",
                    .advice = ""};
  if (fails && (fault_ == Fault::kBeforeStoring || appends_ > fail_at_)) return error;
  std::vector<Event> stored;
  for (SealedEvent& sealed : *prepared) {
    ChainHead& head = heads_[{sealed.event.run, sealed.event.application}];
    Seal(sealed, static_cast<std::int64_t>(rows_.size()) + 1, epoch_, head);
    stored.push_back(sealed.event);
    rows_.push_back(std::move(sealed));
  }
  if (fails) return error;
  return stored;
}

void MemoryJournal::AppendAsync(std::vector<Event> events, std::function<void(Result<std::vector<Event>>)> done) {
  done(Append(std::move(events)));
}

void MemoryJournal::FailAt(std::int64_t append, Fault fault) {
  const std::lock_guard lock(mutex_);
  fail_at_ = append;
  fault_ = fault;
}

void MemoryJournal::Restart() {
  const std::lock_guard lock(mutex_);
  fail_at_ = 0;
  ++epoch_;
}

std::int64_t MemoryJournal::appends() const {
  const std::lock_guard lock(mutex_);
  return appends_;
}

}  // namespace vmferry
