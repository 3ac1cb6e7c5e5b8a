// SPDX-License-Identifier: Apache-2.0
//
// Images: the facts by which final_data_sync, convert_image and power_on_target hand disks on to each other:
//   {"workloads": {NAME: {"disks": [{"pool", "volume", "format", ...}], "diskBus", "nicModel"}}}
// Disks are in the order of the VM's. Pure functions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "steps/step.h"

namespace vmferry {

struct Image {
  std::string pool;
  std::string volume;
  std::string format;
  std::string sha256;  // of the disk's content when it was copied
};
struct WorkloadImages {
  std::vector<Image> disks;
  std::string disk_bus = "virtio";
  std::string nic_model = "virtio";
};

// Of the facts of one step; empty if they hold none.
std::map<std::string, WorkloadImages> ImagesFrom(const Json& facts);
Json ImagesToJson(const std::map<std::string, WorkloadImages>& images);

// What convert_image made of the copies, or the copies themselves where a runbook does not convert. An Error if a
// workload of the application has none.
Result<std::map<std::string, WorkloadImages>> ImagesToBoot(const StepContext& context);

// kConflict unless the image is there and sealed.
Status RequireSealed(const StepContext& context, const Image& image);

}  // namespace vmferry
