// SPDX-License-Identifier: Apache-2.0
#include "steps/catalogue.h"

namespace vmferry {

const std::vector<const Step*>& AllSteps() {
  static const std::vector<const Step*> steps = {
      &VmExists(),
      &TargetCapacity(),
      &TargetNameFree(),
      &BackupSuccessLast24h(),
      &TargetMonitoringReady(),
      &TargetNetworkPolicyValidated(),
      &TargetOutOfService(),
      &RehearsalFingerprint(),
      &ClaimSource(),
      &SourceMeasured(),
      &UndoProven(),
      &DnsTtlLowered(),
      &QuiesceApplication(),
      &FinalDataSync(),
      &ConvertImage(),
      &AttachTargetStorageProfile(),
      &ValidateGuestToolsAndDrivers(),
      &PowerOnTarget(),
      &SmokeTest(),
      &UpdateLoadBalancer(),
      &UpdateDns(),
      &P95LatencyWithinSlo(),
      &ErrorRateBelowThreshold(),
      &BackupJobSucceeds(),
      &AlertingSignalsPresent(),
      &CommandCheck(),
      &MergeOverlay(),
      &ReleaseSource(),
      &RetireSource(),
      &AppHealthCheckFailureCriterion(),
      &SustainedLatencyRegressionCriterion(),
      &TargetBackupFailureCriterion(),
      &LoadBalancerServerFailureCriterion(),
      &GuestAgentFailureCriterion(),
      &CommandFailureCriterion(),
      &PolicyValidated(),
  };
  return steps;
}

const Step* FindStep(std::string_view name) {
  for (const Step* step : AllSteps())
    if (step->spec().name == name) return step;
  return nullptr;
}

}  // namespace vmferry
