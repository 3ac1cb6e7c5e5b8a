// SPDX-License-Identifier: Apache-2.0
//
// alerting_signals_present: an alert about the application reaches people. A signal is raised that a preloaded rule
// fires on, the alert is followed to its receiver, then the signal is cleared and the alert must resolve. What the
// receiver got stays there: an alert cannot be called back, so that undo clears the signal and no more.
#include "plugins/signal.h"
#include "steps/alert_trial.h"
#include "steps/catalogue.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/undo_proof.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};
constexpr double kRaised = 1;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "alerting_signals_present";
  spec.purpose = "Raises a test alert for the application and checks that it reaches its receiver, and resolves.";
  spec.effect = true;
  spec.recovery = Recovery::kObservable;
  spec.undo_continues = true;  // a signal left behind must not keep the source from coming back
  spec.deadline = std::chrono::minutes(10);
  spec.parameters = AlertTrialParameters();
  spec.reads = "the rule at the metrics server, the alert at the alert router, what the receiver shows";
  spec.changes = "raises the signal (value 1, labels application and vmferry) and clears it again; people may be paged";
  spec.undo = "clears the signal; what the receiver got stays with it";
  spec.loses = kLosesNothing;
  spec.example =
      "postChecks:\n  - alerting_signals_present:\n      metricsService: prometheus\n"
      "      alertsService: alertmanager\n"
      "      signalService: signals # plugin `textfile`\n      probe: web\n"
      "      # loaded beforehand: alert: ShopAlertTrial, expr: vmferry_alert_trial{application=\"shop\"} == 1\n"
      "      alertName: ShopAlertTrial\n      signalMetric: vmferry_alert_trial\n"
      "      receiverUrl: http://10.0.0.9:9095/received\n";
  return spec;
}

Result<SignalFacts> ReadSignal(const StepContext& context, const AlertTrial& trial) {
  return Invoke(*trial.signal, signals::kDescribe, trial.series, context.call);
}

Status Raise(const StepContext& context, const AlertTrial& trial) {
  const auto raised = Invoke(*trial.signal, signals::kEnsure,
                             SetSignalRequest{trial.series.metric, trial.series.labels, kRaised}, context.call);
  if (!raised) return raised.error();
  return Ok();
}

Status Clear(const StepContext& context, const AlertTrial& trial) {
  const Result<SignalFacts> now = ReadSignal(context, trial);
  if (now && !now->present) return Ok();
  // What is there cannot be read: it is to go all the same.
  if (!now && now.error().kind != ErrorKind::kCorrupt) return now.error();
  const auto gone = Invoke(*trial.signal, signals::kEnsureGone, trial.series, context.call);
  if (!gone) return gone.error();
  return Ok();
}

// Until the receiver shows the alert. The rule is looked for first, so that nothing is raised in vain.
Result<Pending> Deliver(const StepContext& context, const AlertTrial& trial) {
  const Result<AlertWay> way = FollowAlert(context, trial);
  if (!way) return way.error();
  const Result<Receipt> receipt = ReadReceipt(context, trial);
  if (!receipt) return receipt.error();
  // Name and mark may stand there by two different alerts; that the router has them on one makes it this alert.
  if (receipt->received && way->at_rule && way->at_router) return Pending();
  const Result<SignalFacts> signal = ReadSignal(context, trial);
  if (!signal) return signal.error();
  if (!signal->present || signal->value != kRaised) {
    const Status raised = Raise(context, trial);
    if (!raised) return raised.error();
    return Pending(Progress::NotYet(kPoll, "the signal is raised at " + trial.signal->system()));
  }
  const std::string got = receipt->received ? "what the receiver shows is another alert's" : receipt->why;
  return Pending(Progress::NotYet(kPoll, "the signal is raised; " + way->words + "; " + got));
}

// Until nobody has the alert any more.
Result<Pending> Resolve(const StepContext& context, const AlertTrial& trial) {
  const Status cleared = Clear(context, trial);
  if (!cleared) return cleared.error();
  const Result<AlertWay> way = FollowAlert(context, trial);
  if (!way) return way.error();
  if (!way->at_rule && !way->at_router) return Pending();
  return Pending(Progress::NotYet(
      kPoll, "the alert was received and the signal cleared, but it is not resolved yet: " + way->words));
}

class AlertingSignalsPresentStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<AlertTrial> trial = AlertTrialOf(context);
    if (!trial) return trial.error();
    const Result<SignalFacts> signal = ReadSignal(context, *trial);
    if (!signal) return signal.error();
    const Result<bool> held = AtRouter(context, *trial);
    if (!held) return held.error();
    Observation observation;
    observation.before = {{"key", KeyOf(context)}};
    observation.evidence = Facts(*trial);
    observation.evidence["raised"] = signal->present;
    const bool received = !Member(context.handle, "received").is_null();
    observation.evidence["received"] = received;
    if (signal->present || *held)
      observation.verdict = Verdict::kPartial;
    else if (received)
      observation.verdict = Verdict::kDone;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<AlertTrial> trial = AlertTrialOf(context);
    if (!trial) return trial.error();
    Json handle = context.handle.is_object() ? context.handle : Json::object();
    if (Member(handle, "received").is_null()) {
      Result<Pending> delivered = Deliver(context, *trial);
      if (!delivered) return delivered.error();
      if (*delivered) return **delivered;
      // The receiver may forget; this does not.
      handle["received"] = true;
      return WithHandle(context, Progress::NotYet(milliseconds(0), "the alert was received"), handle);
    }
    Result<Pending> resolved = Resolve(context, *trial);
    if (!resolved) return resolved.error();
    if (*resolved) return **resolved;
    return Progress::Done(Facts(*trial));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const Result<AlertTrial> trial = AlertTrialOf(context);
    if (!trial) return trial.error();
    const Status cleared = Clear(context, *trial);
    if (!cleared) return cleared.error();
    return Progress::Done(Facts(*trial));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    const Result<AlertTrial> trial = AlertTrialOf(context);
    if (!trial) {
      forecast.problems.push_back(trial.error());
      return forecast;
    }
    forecast.will = "raise the signal " + trial->series.metric + " at " + trial->signal->system() + " until alert " +
                    trial->rule + " is received at " + trial->receiver.url + ", then clear it until the alert resolves";
    forecast.undo = "the signal cleared";
    if (const auto way = FollowAlert(context, *trial); !way) forecast.problems.push_back(way.error());
    if (const auto signal = ReadSignal(context, *trial); !signal) forecast.problems.push_back(signal.error());
    const auto receiver = Invoke(*trial->probe, probe::kProbe, trial->receiver, context.call);
    if (!receiver) forecast.problems.push_back(receiver.error());
    if (receiver && !receiver->healthy)
      forecast.problems.push_back(Error{ErrorKind::kConflict, trial->probe->system(), "receiver " + trial->receiver.url,
                                        "it does not show what it got: " + receiver->why, "correct `receiverUrl`"});
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    const Result<AlertTrial> trial = AlertTrialOf(context);
    if (!trial) return trial.error();
    if (const auto signal = ReadSignal(context, *trial); !signal) return signal.error();
    return UndoProof{"signals at " + trial->signal->system() + " can be read", {}, {}, ""};
  }

 private:
  static Json Facts(const AlertTrial& trial) {
    return {{"alert", trial.rule}, {"vmferry", trial.mark}, {"receiver", trial.receiver.url}};
  }
};

}  // namespace

const Step& AlertingSignalsPresent() {
  static const AlertingSignalsPresentStep step;
  return step;
}

}  // namespace vmferry
