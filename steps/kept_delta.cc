// SPDX-License-Identifier: Apache-2.0
#include "steps/kept_delta.h"

#include <string>

#include "steps/parameters.h"

namespace vmferry {
namespace {

constexpr std::string_view kMountPoint = "/mnt";
constexpr std::string_view kDevice = "/dev/nbd0";

// guestmount(1): -i finds the guest's own file systems, on all of its disks.
Json MountCommand(const std::vector<std::pair<Overlay, VolumeFacts>>& kept) {
  Json words = {"guestmount", "--ro", "--format=qcow2"};
  for (const auto& [overlay, volume] : kept) {
    words.push_back("-a");
    words.push_back(volume.path);
  }
  words.push_back("-i");
  words.push_back(kMountPoint);
  return words;
}

// qemu-nbd(8)
Json AttachCommand(const std::string& path) {
  return {"qemu-nbd", "--read-only", "--format=qcow2", "--connect=" + std::string(kDevice), path};
}

}  // namespace

bool DiscardsDelta(const StepContext& context) {
  return TextOf(context.parameters, kRollBackData, kKeepDelta) == kDiscard;
}

std::string_view WhatBecomesOfWrites(const StepContext& context) {
  if (!context.target_served) return "none";
  return DiscardsDelta(context) ? "discarded" : "kept";
}

Json DeltaFacts(const Workload& workload, const std::vector<std::pair<Overlay, VolumeFacts>>& kept,
                std::string_view stopped) {
  Json facts = Json::array();
  for (const auto& [overlay, volume] : kept)
    facts.push_back({{"workload", workload.name},
                     {"pool", overlay.pool},
                     {"volume", overlay.volume},
                     {"path", volume.path},
                     {"backing", volume.backing},
                     {"format", volume.format},
                     {"sizeBytes", volume.allocation_bytes},
                     {"stopped", stopped},
                     {"mount", MountCommand(kept)},
                     {"attach", AttachCommand(volume.path)}});
  return facts;
}

}  // namespace vmferry
