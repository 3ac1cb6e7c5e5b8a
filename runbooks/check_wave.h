// SPDX-License-Identifier: Apache-2.0
//
// WaveModel: a Wave document as written, and what its runbooks must not be to each other.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runbooks/check_runbook.h"
#include "runbooks/check_site.h"
#include "runbooks/fields.h"

namespace vmferry {

struct WaveEntry {
  std::string path;    // of the runbook, from the wave's folder
  std::size_t at = 0;  // where the wave names it
};

struct WaveModel {
  std::string name;
  int number = 0;  // 0: not given
  int applications_at_once = 1;
  int stop_after_failed = 0;
  std::vector<WaveEntry> entries;
};

// Reads a Wave document and reports all problems that it has by itself.
WaveModel CheckWaveDocument(const Reader& reader);

// One runbook of a wave that could be read.
struct WaveMember {
  const WaveEntry* entry = nullptr;
  const RunbookModel* runbook = nullptr;
  const Plan* plan = nullptr;
};

// What only the runbooks together show: another wave's number, one application or one VM twice, two domains of one
// name. `site` and `site_reader` may be null.
void CheckTogether(const Reader& reader, const WaveModel& wave, const std::vector<WaveMember>& members,
                   const Reader* site_reader, const SiteModel* site);

}  // namespace vmferry
