// SPDX-License-Identifier: Apache-2.0
//
// PolicyModel: a WorkloadPolicy document as written, and what it means for one application. Refers to the Document,
// which must outlive it.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runbooks/check_runbook.h"
#include "runbooks/check_site.h"
#include "runbooks/fields.h"

namespace vmferry {

// The clauses, as they are called on the command line and in the journal.
inline constexpr std::string_view kPlatformsClause = "allowedPlatforms";
inline constexpr std::string_view kGpuClause = "gpuScheduling.allowModes";
inline constexpr std::string_view kResidencyClause = "compliance.residency";

struct PolicyWord {
  std::string text;
  std::size_t at = 0;
};
using PolicyWords = std::vector<PolicyWord>;

struct PolicyModel {
  const Reader* reader = nullptr;
  std::string name;
  std::string digest;                         // SHA-256 of its text
  std::map<std::string, std::string> labels;  // selector: an application that has all of them ...
  PolicyWords applications;                   // ... and is one of these, if any is named
  bool requires_approval = false;
  std::optional<PolicyWords> platforms;  // absent: any
  std::optional<PolicyWords> gpu_modes;  // absent: any; empty: none
  std::optional<PolicyWords> zones;      // absent: any
  bool immutable_audit_log = false;
};

// Reads a WorkloadPolicy document and reports all problems that it has by itself. `reader` must outlive the model.
PolicyModel CheckPolicy(const Reader& reader);

// What of a policy only a site can tell: names in it that the site has not.
void CheckPolicyInSite(const PolicyModel& policy, const SiteModel& site);

// apply_policy.cc: what the policies that select the runbook's application ask of its plan. A clause that is violated
// is reported at the runbook, or, if it is one of `overrides`, noted in the plan. Clauses that only the platforms can
// tell become steps.
void ApplyPolicies(const std::vector<PolicyModel>& policies, const std::set<std::string>& overrides,
                   const Reader& reader, const RunbookModel& runbook, const SiteModel& site,
                   const Vocabulary& vocabulary, Plan& plan);

}  // namespace vmferry
