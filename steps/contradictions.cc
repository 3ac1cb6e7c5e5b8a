// SPDX-License-Identifier: Apache-2.0
#include "steps/contradictions.h"

#include "steps/baseline.h"
#include "steps/boot_proof.h"
#include "steps/criterion_rule.h"
#include "steps/network_policy.h"
#include "steps/parameters.h"
#include "steps/quiesce_commands.h"
#include "steps/records.h"
#include "steps/smoke_probes.h"
#include "steps/storage_profile.h"
#include "steps/words.h"

namespace vmferry {
namespace {

// The parameter that bounds a part of the step; empty if there is no such part.
std::string PartDeadline(std::string_view step, const Json& parameters) {
  if (step == kPowerOnTarget && TextOf(parameters, "bootProof", "none") != "none") return "bootDeadline";
  if (step == kQuiesceApplication && !TextOf(parameters, "stopCommand").empty()) return "commandDeadline";
  return "";
}

}  // namespace

std::vector<Contradiction> Contradictions(std::string_view step, const Json& parameters) {
  if (step == kAttachStorageProfile) return StorageContradictions(parameters);
  if (step == kSmokeTest) return ProbeContradictions(parameters);
  if (step == kValidateNetworkPolicy) return PolicyContradictions(parameters);
  if (step == kDnsTtlLowered || step == kUpdateDns) return TtlContradictions(parameters);
  if (step == kPowerOnTarget) return BootContradictions(parameters);
  if (step == kQuiesceApplication) return QuiesceContradictions(parameters);
  std::vector<Contradiction> found = BaselineContradictions(step, parameters);
  for (Contradiction& one : RuleContradictions(parameters)) found.push_back(std::move(one));
  return found;
}

std::vector<Contradiction> DeadlineContradictions(std::string_view step, const Json& parameters,
                                                  std::chrono::milliseconds deadline) {
  const std::string name = PartDeadline(step, parameters);
  const std::chrono::milliseconds part = DurationOf(parameters, name, std::chrono::milliseconds(0));
  if (name.empty() || part < deadline) return {};
  return {{"`" + name + "` is " + DurationInWords(part) + ", and the step's `deadline` of " + DurationInWords(deadline) +
               " ends it before that",
           "give the step a longer `deadline`, or a shorter `" + name + "`"}};
}

Status RequireNoContradiction(std::string_view step, const Json& parameters) {
  const std::vector<Contradiction> found = Contradictions(step, parameters);
  if (found.empty()) return Ok();
  return Error{ErrorKind::kInvalid, "vmferry", "parameters of " + std::string(step), found.front().message,
               found.front().hint};
}

}  // namespace vmferry
