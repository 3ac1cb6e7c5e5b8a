// SPDX-License-Identifier: Apache-2.0
//
// What the machines of the fake world answer: the one place that decides whether a VM, a domain or a load balancer's
// pool serves the application. A machine answers when it runs, is on the network and booted from intact disks.
// Pure functions on WorldData.
#pragma once

#include <string>

#include "plugins/fake/guest_disk.h"
#include "plugins/fake/world_data.h"

namespace vmferry {

struct Answer {
  int status = 0;  // HTTP; 0: no connection
  std::string body;
  std::string why;  // when there is no connection
  int latency_ms = 0;
};

// The body is "answered by VMware (GUEST)" or "answered by QEMU (GUEST)"; for the path "/records" the records, a line
// each. A sick guest answers 503.
Answer AskVm(const WorldData& world, const FakeVm& vm, const std::string& path);
Answer AskDomain(const WorldData& world, const FakeDomain& domain, const std::string& path);
// Asks the first server that is ready on the first instance, has weight and is not down; 503 if there is none.
Answer AskPool(const WorldData& world, const FakeLbPool& pool, const std::string& path);
// The machine behind a load balancer's server.
Answer AskServer(const WorldData& world, const FakeServer& server, const std::string& path);
bool ServerMachineOn(const WorldData& world, const FakeServer& server);

Result<GuestOnDisk> BootVm(const FakeVm& vm);
Result<GuestOnDisk> BootDomain(const WorldData& world, const FakeDomain& domain);

// The application acknowledges a record: appended on the machine's first disk (a domain's goes to its top overlay).
// `machine`: a domain's name, or a VM's name or path. kUnavailable if the machine does not answer.
Status PostRecord(WorldData& world, const std::string& machine, const std::string& record);
// Every record a machine has on its disks now, running or not.
Result<std::vector<std::string>> RecordsOf(WorldData& world, const std::string& machine);

}  // namespace vmferry
