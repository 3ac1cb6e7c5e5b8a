// SPDX-License-Identifier: Apache-2.0
#include "tests/orchestrator/checkers.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>

namespace vmferry {
namespace {

using StepOf = std::pair<std::string, int>;  // application and step

StepOf StepOfEvent(const Event& event) {
  return {event.application, event.step};
}

// While an effect may happen; both ends belong to it, since milliseconds tell no order within one.
struct Span {
  StepOf step;
  std::string name;
  std::int64_t from_ms = 0;
  std::int64_t until_ms = std::numeric_limits<std::int64_t>::max();
};

bool Begins(const Event& event) {
  return event.kind == EventKind::kIntent || event.kind == EventKind::kUndoIntent;
}

bool Ends(const Event& event) {
  const bool outcome = event.kind == EventKind::kOutcome || event.kind == EventKind::kUndoOutcome;
  return outcome && event.payload.value("result", "") == "done";
}

std::vector<Span> OpenSpans(const std::vector<Event>& events) {
  std::vector<Span> spans;
  for (const Event& event : events) {
    if (Begins(event) && event.payload.value("effect", false))
      spans.push_back({StepOfEvent(event), event.payload.value("name", ""), event.at.wall_ms});
    if (!Ends(event)) continue;
    for (Span& span : spans)
      if (span.step == StepOfEvent(event)) span.until_ms = std::min(span.until_ms, event.at.wall_ms);
  }
  return spans;
}

bool SameDisks(const FakeVm& before, const FakeVm& now) {
  return std::equal(before.disks.begin(), before.disks.end(), now.disks.begin(), now.disks.end(),
                    [](const FakeDisk& was, const FakeDisk& is) {
                      return was.facts.path == is.facts.path && was.content == is.content;
                    });
}

}  // namespace

std::string Words(const Fact& fact) {
  return fact.effect + " " + fact.object;
}

void NeverTwo(const std::vector<Fact>& history, std::size_t machines, Faults& faults) {
  std::set<std::string> sources_off;
  std::set<std::string> targets_on;
  for (const Fact& fact : history) {
    const bool on_network = fact.detail.value("on_network", true);
    if (fact.effect == "source-off" || (fact.effect == "source-on" && !on_network)) sources_off.insert(fact.object);
    if (fact.effect == "source-on" && on_network) sources_off.erase(fact.object);
    if (fact.effect == "target-on" && on_network) targets_on.insert(fact.object);
    if (fact.effect == "target-off" || (fact.effect == "target-on" && !on_network)) targets_on.erase(fact.object);
    if (sources_off.size() < machines && !targets_on.empty())
      faults.push_back("source and target both run after " + Words(fact));
  }
}

void TrafficRule(const std::vector<Fact>& history, Faults& faults) {
  for (const Fact& fact : history)
    if (fact.effect == "lb" && fact.detail.value("state", "") == "ready" && !fact.detail.value("machine_on", false))
      faults.push_back("traffic to a machine that is off: " + Words(fact));
}

void FinishedCopiesAreKept(const std::vector<Fact>& history, Faults& faults) {
  std::set<std::string> finished;
  for (const Fact& fact : history) {
    if (fact.effect == "volume-sealed") finished.insert(fact.object);
    if (fact.effect == "volume-removed" && finished.contains(fact.object))
      faults.push_back("a finished copy was removed: " + fact.object);
  }
}

void NothingTwice(const std::vector<Fact>& history, Faults& faults) {
  static const std::set<std::string> once{"claimed", "released", "target-on", "source-on", "merged", "domain-defined"};
  std::map<std::string, int> times;
  for (const Fact& fact : history)
    if (once.contains(fact.effect) && ++times[Words(fact)] > 1) faults.push_back("done twice: " + Words(fact));
}

void NoBackupTwice(const std::vector<Fact>& history, Faults& faults) {
  std::set<std::string> begun;
  for (const Fact& fact : history)
    if (fact.effect == "backup-begun" && !begun.insert(fact.object).second)
      faults.push_back("a second backup for the key " + fact.object);
}

void SignalsAreCleared(const std::vector<Fact>& history, Faults& faults) {
  std::set<std::string> raised;
  for (const Fact& fact : history) {
    const std::string series = fact.object + fact.detail.value("labels", Json::object()).dump();
    if (fact.effect == "signal") raised.insert(series);
    if (fact.effect == "no-signal") raised.erase(series);
  }
  for (const std::string& series : raised) faults.push_back("the signal still stands: " + series);
}

void CheckHistory(const std::vector<Fact>& history, std::size_t machines, Faults& faults) {
  NeverTwo(history, machines, faults);
  TrafficRule(history, faults);
  FinishedCopiesAreKept(history, faults);
  NothingTwice(history, faults);
  NoBackupTwice(history, faults);
  SignalsAreCleared(history, faults);
}

bool MayCause(const std::string& step, const std::string& effect) {
  static const std::map<std::string, std::set<std::string>> causes{
      {"dns", {"dns_ttl_lowered", "update_dns"}},
      {"signal", {"alerting_signals_present"}},
      {"no-signal", {"alerting_signals_present"}},
      {"backup-begun", {"backup_job_succeeds"}},
      {"backup-stopped", {"backup_job_succeeds"}},
      {"restore-begun", {"backup_job_succeeds"}},
      {"claimed", {"claim_source"}},
      {"lb", {"quiesce_application", "update_load_balancer"}},
      {"target-on", {"power_on_target"}},
      {"merged", {"merge_overlay"}}};
  const auto found = causes.find(effect);
  return found == causes.end() || found->second.contains(step);
}

void IntentFirst(const std::vector<Fact>& history, const std::vector<Event>& events, Faults& faults) {
  const std::vector<Span> spans = OpenSpans(events);
  for (const Fact& fact : history) {
    const bool intended = std::any_of(spans.begin(), spans.end(), [&fact](const Span& span) {
      return span.from_ms <= fact.at_ms && fact.at_ms <= span.until_ms && MayCause(span.name, fact.effect);
    });
    if (!intended)
      faults.push_back("an effect without an intent: " + Words(fact) + " at " + std::to_string(fact.at_ms));
  }
}

void NothingFoundIsUndone(const std::vector<Event>& events, Faults& faults) {
  std::set<StepOf> found;
  for (const Event& event : events) {
    if (event.kind == EventKind::kFound) found.insert(StepOfEvent(event));
    if (event.kind == EventKind::kIntent) found.erase(StepOfEvent(event));
    if (event.kind == EventKind::kUndoIntent && found.contains(StepOfEvent(event)))
      faults.push_back("undone although it was found so: step " + std::to_string(event.step) + ", event " +
                       std::to_string(event.seq));
  }
}

void SourceIsKept(const WorldData& before, const WorldData& now, Faults& faults) {
  for (const FakeVm& vm : before.vms) {
    const FakeVm* still = FindVmByPath(now, vm.facts.path);
    if (still == nullptr)
      faults.push_back("the source VM is gone: " + vm.facts.path);
    else if (!SameDisks(vm, *still))
      faults.push_back("the source VM has not its disks any more: " + vm.facts.path);
  }
}

void NamesAreAsBefore(const WorldData& before, const WorldData& now, Faults& faults) {
  const auto words = [](const WorldData& world) {
    std::set<std::string> records;
    for (const FakeRecords& entry : world.dns.records)
      records.insert(entry.name + " " + entry.type + ": " + InWords(entry.set));
    return records;
  };
  const std::set<std::string> was = words(before), is = words(now);
  for (const std::string& record : was)
    if (!is.contains(record)) faults.push_back("the name servers do not say any more: " + record);
  for (const std::string& record : is)
    if (!was.contains(record)) faults.push_back("the name servers did not say before: " + record);
}

std::string Picture(const WorldData& world) {
  std::string text;
  for (const FakeVm& vm : world.vms) {
    text += "VM " + vm.facts.power + (vm.facts.claim.empty() ? ", free" : ", claimed");
    for (const NicFacts& nic : vm.facts.nics) text += nic.start_connected ? ", connects; " : ", fenced; ";
  }
  for (const FakeDomain& domain : world.domains) text += "domain " + domain.state + "; ";
  for (const FakeServer& server : world.load_balancers.front().servers)
    text += (server.vm.empty() ? "target " : "source ") + server.instances.begin()->second.state + "; ";
  return text;
}

std::string PictureAt(Phase phase, std::size_t machines) {
  const bool went = phase != Phase::kRolledBack && phase != Phase::kAborted;
  const std::string vm = !went                          ? "VM on, free, connects; "
                         : phase == Phase::kCommitted ? "VM off, free, fenced; "
                                                        : "VM off, claimed, fenced; ";
  std::string text;
  for (std::size_t i = 0; i < machines; ++i) text += vm;
  for (std::size_t i = 0; went && i < machines; ++i) text += "domain running; ";
  return text + (went ? "source maint; target ready; " : "source ready; target maint; ");
}

}  // namespace vmferry
