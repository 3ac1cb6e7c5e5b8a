// SPDX-License-Identifier: Apache-2.0
//
// The names vmferry gives to objects on the platforms. Pure functions. A volume's name carries the idempotency key of
// the step that makes it, so that a crashed attempt finds its own and two generations never meet.
#pragma once

#include <string>
#include <string_view>

#include "steps/step.h"

namespace vmferry {

// "r-20260301-7f3a9c/shop/web1": stands on the source VM while the run owns it.
std::string ClaimText(const StepContext& context, const Workload& workload);

// The run named by a claim or a migrated mark: the text up to the first '/' or ' '.
std::string RunOf(std::string_view text);

// The key under which Apply makes and finds its objects: the one that Observe put into the before-image as "key", so
// that undo and recovery mean the same objects whatever key they are called with.
std::string KeyOf(const StepContext& context);

// "r-20260301-7f3a9c web1 on kvm": stands on the source VM after commit, in place of the claim.
std::string MigratedText(const StepContext& context, const Workload& workload);

// "web1-0123456789ab-disk1.raw"; `number` counts from 1 in the order of the VM's disks.
std::string VolumeName(std::string_view domain, std::string_view key, int number, std::string_view format);

// "web1-0123456789ab-disk1.overlay.qcow2"
std::string OverlayName(std::string_view domain, std::string_view key, int number);

// "web1-0123456789ab.reserve": room for what the domain will write.
std::string ReserveName(std::string_view domain, std::string_view key);

// "datastore1" of "[datastore1] web1/web1.vmdk"; empty if the path names no datastore.
std::string DatastoreOf(std::string_view path);

}  // namespace vmferry
