// SPDX-License-Identifier: Apache-2.0
//
// Role "alerts": what an alert router holds at the moment: alerts that were sent to it and are not resolved. Read only;
// an alert is raised by the metrics server, from a rule, never by us.
// Source: Alertmanager API v2, GET /alerts.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/call.h"

namespace vmferry {

struct AlertsQuery {
  std::string name;                           // of the alert, its label "alertname"
  std::map<std::string, std::string> labels;  // all of them must be there with these values
};
struct ActiveAlert {
  std::map<std::string, std::string> labels;
  std::string state;                   // "active", "suppressed" (silenced or inhibited), "unprocessed" (just arrived)
  std::vector<std::string> receivers;  // by name: whom the routes give it to
  std::vector<std::string> silenced_by, inhibited_by;  // ids, when suppressed
};
struct ActiveAlerts {
  std::vector<ActiveAlert> alerts;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(AlertsQuery, name, labels)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ActiveAlert, labels, state, receivers, silenced_by, inhibited_by)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(ActiveAlerts, alerts)

namespace alerts {
inline constexpr Call<AlertsQuery, ActiveAlerts> kActive{{"alerts", "Active", Access::kRead}};
}  // namespace alerts

}  // namespace vmferry
