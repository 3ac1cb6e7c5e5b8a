// SPDX-License-Identifier: Apache-2.0
//
// The plugin `prometheus`: role "metrics", over the HTTP API v1 of Prometheus and of what speaks it too (of what has no
// /targets or /rules, these are "not found").
// Threading: any number of threads. Repeating: reads only. Waiting: at most the call's timeout, which the server is
// told too, so that it gives up a slow query.
// Source: prometheus.io/docs/prometheus/latest/querying/api (instant queries, targets, rules, format overview).
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind PrometheusKind();

}  // namespace vmferry
