// SPDX-License-Identifier: Apache-2.0
//
// RunbookModel: a Runbook document as written, with the steps that are known. Refers to the Document and the
// catalogue, which must outlive it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runbooks/check_options.h"
#include "runbooks/check_site.h"
#include "runbooks/fields.h"
#include "runbooks/plan.h"

namespace vmferry {

struct WrittenStep {
  Phase phase = Phase::kCutover;
  const StepSpec* spec = nullptr;
  const Value* parameters = nullptr;  // the map below the step's name; null if there is none
  std::size_t at = 0;                 // of its name
};

struct RunbookModel {
  const Document* document = nullptr;
  std::string application;  // empty: missing, which was reported
  std::size_t application_at = 0;
  int wave = 0;
  std::size_t wave_at = 0;
  std::string source_platform;  // as written: a name or an alias
  std::size_t source_at = 0;
  std::string target_platform;
  std::size_t target_at = 0;
  int rollback_window_minutes = 0;
  bool commit_at_window_end = false;
  bool retire_source = false;
  const Value* roll_back_data = nullptr;  // for power_on_target; null: it is as its parameter says
  std::vector<WrittenStep> steps;     // in the order of the phases, then of the document
  std::vector<WrittenStep> criteria;  // as written
  bool all_steps_known = true;        // false: conclusions from what is missing would only confuse
  const Value* parameters = nullptr;  // may be null

  const WrittenStep* Find(std::string_view step) const;  // the first of steps and criteria; null if there is none
};

// The phases a runbook names, in order.
struct PhaseKey {
  std::string_view key;
  Phase phase;
};
const std::vector<PhaseKey>& PhaseKeys();

// Reads a Runbook document and reports all problems that it has by itself, without a site.
RunbookModel CheckRunbook(const Reader& reader, const Vocabulary& vocabulary);

// check_order.cc: steps in an order, or a company, that makes no sense.
void CheckOrder(const Reader& reader, const RunbookModel& runbook);

// make_plan.cc: the runbook in the light of a site: platforms, parameters, workloads, implicit steps. Reports what is
// missing or does not fit; the plan is good only if nothing was reported. `site` may be null: then only what the
// runbook itself tells is checked, and the plan is of no use.
Plan MakePlan(const Reader& reader, const RunbookModel& runbook, const Reader* site_reader, const SiteModel* site,
              const Vocabulary& vocabulary);

}  // namespace vmferry
