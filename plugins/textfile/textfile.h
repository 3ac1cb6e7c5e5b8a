// SPDX-License-Identifier: Apache-2.0
//
// The plugin `textfile`: role "signal", by files in a folder of the site's whose content gets to the metrics server:
// the folder of node_exporter's textfile collector, or one that a web server shows. Each signal is a file of its own,
// vmferry-<12 hex digits of the digest of metric and labels>.prom, mode 0644, put in place by a rename, so that a
// scrape sees the whole signal or none.
// Threading: any number of threads, one change at a time. Repeating: as the role says. Waiting: for the disk only; the
// folder should be on a local one.
// Source: node_exporter README, "Textfile Collector"; prometheus.io/docs/instrumenting/exposition_formats.
#pragma once

#include "plugins/registry.h"

namespace vmferry {

PluginKind TextfileKind();

}  // namespace vmferry
