// SPDX-License-Identifier: Apache-2.0
//
// Parameters of steps: where they may be given, whether they fit, and which one counts. Nothing is kept; the documents
// and the catalogue must outlive the calls.
//
// Look-up order: the step itself; the runbook's `parameters`, nested under the step before flat; the site's
// `applications.<name>`, nested before flat; the site's `defaults.<step>`; the standard of the catalogue.
#pragma once

#include <optional>
#include <string>

#include "runbooks/check_options.h"
#include "runbooks/check_runbook.h"
#include "runbooks/check_site.h"
#include "runbooks/fields.h"

namespace vmferry {

// `deadline`, which every step has.
ParameterSpec DeadlineSpec(const StepSpec& step);

// Reads one value as `spec` says, and reports what is wrong with it. A service must be in `site`, unless that is null.
std::optional<Json> ReadGiven(const Reader& reader, const Value& value, const ParameterSpec& spec,
                              const SiteModel* site);

// All values given for one step in one place: names and types.
void CheckGiven(const Reader& reader, const Value& map, const StepSpec& step, const SiteModel* site);

// `parameters` of a runbook.
void CheckRunbookParameters(const Reader& reader, const RunbookModel& runbook, const SiteModel* site,
                            const Vocabulary& vocabulary);

// `applications.<name>` and `defaults` of a site.
void CheckSiteParameters(const Reader& reader, const Vocabulary& vocabulary, const SiteModel& site);

// Where values for the steps of one application may be; null: not there.
struct ParameterSources {
  const Reader* runbook_reader = nullptr;
  const Value* runbook = nullptr;  // its `parameters`
  const Reader* site_reader = nullptr;
  const Value* application = nullptr;  // the site's `applications.<name>`
  const SiteModel* site = nullptr;
};

// The value that counts, and whose text it stands in.
struct Given {
  const Reader* reader = nullptr;
  const Value* value = nullptr;
};
std::optional<Given> FindGiven(const ParameterSources& sources, const StepSpec& step, const Value* own,
                               std::string_view parameter);

}  // namespace vmferry
