// SPDX-License-Identifier: Apache-2.0
//
// The step kinds there are, each in a file of its own name. catalogue.cc lists them; everybody else asks AllSteps and
// FindStep (steps/step.h). The objects live as long as the process and are stateless.
#pragma once

#include "steps/step.h"

namespace vmferry {

const Step& VmExists();
const Step& TargetCapacity();
const Step& TargetNameFree();
const Step& TargetNetworkPolicyValidated();
const Step& TargetOutOfService();
const Step& BackupSuccessLast24h();
const Step& PolicyValidated();
const Step& RehearsalFingerprint();
const Step& ClaimSource();
const Step& SourceMeasured();
const Step& UndoProven();
const Step& QuiesceApplication();
const Step& FinalDataSync();
const Step& ConvertImage();
const Step& AttachTargetStorageProfile();
const Step& ValidateGuestToolsAndDrivers();
const Step& PowerOnTarget();
const Step& SmokeTest();
const Step& CommandCheck();
const Step& BackupJobSucceeds();
const Step& UpdateLoadBalancer();
const Step& AppHealthCheckFailureCriterion();
const Step& SustainedLatencyRegressionCriterion();
const Step& TargetBackupFailureCriterion();
const Step& LoadBalancerServerFailureCriterion();
const Step& GuestAgentFailureCriterion();
const Step& CommandFailureCriterion();
const Step& TargetMonitoringReady();
const Step& P95LatencyWithinSlo();
const Step& ErrorRateBelowThreshold();
const Step& AlertingSignalsPresent();
const Step& DnsTtlLowered();
const Step& UpdateDns();
const Step& MergeOverlay();
const Step& ReleaseSource();
const Step& RetireSource();

}  // namespace vmferry
