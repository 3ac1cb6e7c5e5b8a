// SPDX-License-Identifier: Apache-2.0
//
// The example world: applications in production on the source platform, each with one VM of two 64 MiB disks and three
// records, a load-balancer pool with the servers `vmware` and `kvm` (in maintenance until the move), and an empty pool
// `vmferry` of 100 GiB on the target. The applications: customer-analytics-api (VM web1, load-balancer pool app),
// billing (VM billing1, pool billing), inventory (VM inventory1, pool inventory), then app4 (app4vm, app4), ...
// `http://APPLICATION.example` leads to the pool, `http://VM.vmware.example` and `http://VM.kvm.example` to a side.
// Around the first: its A record (10.0.0.1, TTL 3 s), a metrics server with rules AppDown and AppAlertTrial whose alerts
// `http://receiver.example` shows, a backup of web1, a network filter `app` and three flows on the target.
#pragma once

#include "plugins/fake/world_data.h"

namespace vmferry {

// As a world file. In a world of several, billing is sick on the target.
Json ExampleWorldJson(int applications);
// The same as data, copying as fast as it goes.
WorldData ExampleWorld(int applications);

}  // namespace vmferry
