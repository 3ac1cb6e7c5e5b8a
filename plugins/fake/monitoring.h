// SPDX-License-Identifier: Apache-2.0
//
// FakeMonitoring: what watches the fake world: a metrics server, an alert router and the receiver of the alerts. Plain
// values, part of WorldData. A query answers what the world's author wrote down for its text; an alert goes its way
// with every look at the rules (monitoring_calls.cc).
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/metrics.h"

namespace vmferry {

// A signal that stands, and how many looks at the rules there were since.
struct FakeSignal {
  std::string metric;
  MetricLabels labels;
  double value = 0;
  int looks = 0;
};
// A rule that fires on a signal: its alerts carry the signal's labels, and its own.
struct FakeRule {
  AlertRule facts;            // name, group, health; state and alerts follow from the signals
  std::string metric;         // of the signals it fires on; empty: none
  MetricLabels labels;        // added to each alert
  bool drops_labels = false;  // its alerts lack the labels of the signal
  int pending_polls = 0;      // looks until it fires
};
struct FakeMonitoring {
  std::map<std::string, std::vector<MetricSample>> answers;  // by the query's text; any other has no data
  std::map<std::string, std::string> refusals;               // by the query's text: what is wrong with it
  std::string warnings;  // that come with every answer
  std::vector<ScrapeTarget> targets;
  std::vector<FakeRule> rules;
  std::int64_t now_ms = 1767225600000;
  std::vector<FakeSignal> signals;
  bool routed = true;                 // firing alerts reach the router
  bool suppressed = false;            // ... which keeps them, since they are silenced
  bool delivered = true;              // what the router has reaches the receiver
  std::vector<std::string> received;  // a line for each alert, the newest last
};

}  // namespace vmferry
