// SPDX-License-Identifier: Apache-2.0
#include "steps/images.h"

#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {

std::map<std::string, WorkloadImages> ImagesFrom(const Json& facts) {
  std::map<std::string, WorkloadImages> images;
  const Json& workloads = Member(facts, "workloads");
  if (!workloads.is_object()) return images;
  for (const auto& [name, entry] : workloads.items()) {
    const Json& disks = Member(entry, "disks");
    if (!disks.is_array()) continue;
    WorkloadImages& of = images[name];
    of.disk_bus = TextOf(entry, "diskBus", of.disk_bus);
    of.nic_model = TextOf(entry, "nicModel", of.nic_model);
    for (const Json& disk : disks)
      of.disks.push_back(
          Image{TextOf(disk, "pool"), TextOf(disk, "volume"), TextOf(disk, "format"), TextOf(disk, "sha256")});
  }
  return images;
}

Json ImagesToJson(const std::map<std::string, WorkloadImages>& images) {
  Json workloads = Json::object();
  for (const auto& [name, of] : images) {
    workloads[name] = {{"disks", Json::array()}, {"diskBus", of.disk_bus}, {"nicModel", of.nic_model}};
    for (const Image& image : of.disks)
      workloads[name]["disks"].push_back(
          {{"pool", image.pool}, {"volume", image.volume}, {"format", image.format}, {"sha256", image.sha256}});
  }
  return {{"workloads", workloads}};
}

Result<std::map<std::string, WorkloadImages>> ImagesToBoot(const StepContext& context) {
  std::map<std::string, WorkloadImages> images = ImagesFrom(context.earlier("convert_image", ""));
  if (images.empty()) images = ImagesFrom(context.earlier("final_data_sync", ""));
  for (const Workload& workload : context.application->workloads)
    if (!images.contains(workload.name) || images[workload.name].disks.empty())
      return Error{ErrorKind::kInvalid, "vmferry", "workload " + workload.name, "no earlier step has made disks for it",
                   "put final_data_sync before this step in the runbook"};
  return images;
}

Status RequireSealed(const StepContext& context, const Image& image) {
  const Result<VolumeFacts> volume = ReadVolume(context, image.pool, image.volume);
  if (!volume) return volume.error();
  if (volume->exists && !volume->seal.empty()) return Ok();
  return TargetError(context, ErrorKind::kConflict, "volume " + image.pool + "/" + image.volume,
                     volume->exists ? "it is no finished copy: it carries no seal" : "the finished copy is gone",
                     "find out who changed the pool during the run, and roll back");
}

}  // namespace vmferry
