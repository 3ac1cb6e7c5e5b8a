// SPDX-License-Identifier: Apache-2.0
//
// Networks and network filters of the target, read live. Filters: https://libvirt.org/formatnwfilter.html; only the
// system daemon (qemu:///system) has them.
#pragma once

#include <string>

#include "plugins/libvirt/connection.h"
#include "plugins/target_network.h"

namespace vmferry::libvirt {

Result<NetworkFacts> DescribeNetwork(const Session& session, const NetworkQuery& query);
Result<FilterFacts> DescribeFilter(const Session& session, const FilterQuery& query);

// The rules of a filter's XML, sorted by priority (lower ones are applied first); pure. kCorrupt if it is no filter.
Result<FilterFacts> ParseFilter(const std::string& xml);

}  // namespace vmferry::libvirt
