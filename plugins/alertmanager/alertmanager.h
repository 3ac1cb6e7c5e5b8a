// SPDX-License-Identifier: Apache-2.0
//
// The plugin `alertmanager`: role "alerts", over the API v2 of Alertmanager (of one instance: those of a cluster hold
// the same alerts).
// Threading: any number of threads. Repeating: reads only. Waiting: at most the call's timeout.
// Source: github.com/prometheus/alertmanager, api/v2/openapi.yaml (getAlerts).
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind AlertmanagerKind();

}  // namespace vmferry
