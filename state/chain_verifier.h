// SPDX-License-Identifier: Apache-2.0
//
// ChainVerifier: reads stored events in the order of their seq and says, chain by chain, whether they are as written.
// It sees edits, removals, insertions, reorderings and missing chains; a truncated tail only against an anchor.
// Threading: one thread. It never fails; what it finds is in the reports.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "state/chain.h"
#include "state/journal.h"

namespace vmferry {

class ChainVerifier {
 public:
  enum class Scope { kWholeJournal, kOneRun };  // only a whole journal has every seq
  explicit ChainVerifier(Scope scope, const std::vector<ChainReport>& anchors = {});

  // REQUIRES: rows come in ascending order of seq.
  void Add(const SealedEvent& row);
  // Chains in the order of their first events. A problem of the journal as a whole is a report without chain names.
  std::vector<ChainReport> Finish();

 private:
  ChainReport& ReportOf(const ChainId& chain);
  void CheckPlace(ChainReport& report, const SealedEvent& row);
  void NoteApplications(const SealedEvent& row);

  Scope scope_;
  std::map<ChainId, ChainReport> anchors_;
  std::map<ChainId, std::size_t> index_;
  std::vector<ChainReport> reports_;
  std::vector<ChainId> promised_;  // chains that the first events of runs name
  std::int64_t last_seq_ = 0;
  std::string gap_;
};

}  // namespace vmferry
