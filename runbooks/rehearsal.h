// SPDX-License-Identifier: Apache-2.0
//
// Rehearsal: a plan made into one that tries the whole runbook on a clone. The source's disks are copied from a
// snapshot while it goes on serving; the clone's domains have names of their own and stand on the isolated network that
// the target platform names for it; traffic, DNS and what watches or backs up the application are left alone. Its last
// phase always goes back, and rehearsal_fingerprint compares how everything was and is. A pure function.
#pragma once

#include "runbooks/plan.h"

namespace vmferry {

// kInvalid, saying what the site lacks, if the plan cannot be rehearsed.
Result<Plan> MakeRehearsal(Plan plan);

}  // namespace vmferry
