// SPDX-License-Identifier: Apache-2.0
//
// AlertTrial: one alert tried on its whole way. A signal of ours is the metric that a rule loaded beforehand fires on;
// the alert goes from the metrics server over the alert router to a receiver, which shows over HTTP what it got. The
// label vmferry="<first 12 digits of the step's key>" makes it known everywhere. Reads only; the writes are the step's.
#pragma once

#include <string>
#include <vector>

#include "plugins/probe.h"
#include "plugins/signal.h"
#include "steps/step.h"

namespace vmferry {

struct AlertTrial {
  Plugin* metrics = nullptr;
  Plugin* alerts = nullptr;
  Plugin* signal = nullptr;
  Plugin* probe = nullptr;
  std::string rule;       // name of rule and alert
  std::string mark;       // the 12 digits
  SignalQuery series;     // metric{application="...", vmferry="..."}
  ProbeRequest receiver;  // without expect_body
};

// metricsService, alertsService, signalService, probe, alertName, signalMetric, receiverUrl, receiverCaFile.
std::vector<ParameterSpec> AlertTrialParameters();
Result<AlertTrial> AlertTrialOf(const StepContext& context);

// Whether the receiver's record holds the alert's name and our mark (perhaps in two entries); if not, why.
struct Receipt {
  bool received = false;
  std::string why;
};
Result<Receipt> ReadReceipt(const StepContext& context, const AlertTrial& trial);

// Where the alert stands now.
struct AlertWay {
  bool at_rule = false;    // pending or firing for our signal
  bool at_router = false;  // held there, unresolved
  std::string words;       // how far it got: "rule ShopTrial fires; Alertmanager has the alert, for pager"
};
// kNotFound if no such rule is loaded.
Result<AlertWay> FollowAlert(const StepContext& context, const AlertTrial& trial);
// Whether the alert router holds it.
Result<bool> AtRouter(const StepContext& context, const AlertTrial& trial);

}  // namespace vmferry
