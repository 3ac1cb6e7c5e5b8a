// SPDX-License-Identifier: Apache-2.0
//
// MergeOverlays: the domain's overlays are merged into the volumes below while the guest runs, then removed. Block
// commit: https://libvirt.org/html/libvirt-libvirt-domain.html#virDomainBlockCommit (active commit and pivot).
//
// One call does what can be done now and answers how far it is; it is called again until done. It may be called after
// a crash at any point, of us, the daemon or the host, because what it needs later is written into the domain's
// metadata before the first job starts, and taken out last:
//   <merge:merge xmlns:merge="https://vmferry.dev/xmlns/merge/1">
//     <merge:disk target="vda" starts="1"><merge:overlay path="/pool/web1.overlay"/></merge:disk>
//   </merge:merge>
// `starts` counts how often the job was begun, so that one that always fails ends in an error and not in a loop.
#pragma once

#include <pugixml.hpp>
#include <string>
#include <vector>

#include "plugins/libvirt/connection.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {

// A disk of ours, as the running domain's XML shows it.
struct MergeDisk {
  std::string target;
  std::string source;                 // what the guest writes to
  std::vector<std::string> overlays;  // from the top down to just above the base; empty: nothing to merge
  std::string job;                    // of a block job at work: "active-commit", "copy"; empty: none
  bool ready = false;                 // the job waits for its pivot
};
std::vector<MergeDisk> ReadMergeDisks(const pugi::xml_document& domain);

// What was planned, out of the metadata.
struct MergeRecord {
  struct Disk {
    std::string target;
    int starts = 0;
    std::vector<std::string> overlays;
  };
  std::vector<Disk> disks;
};
MergeRecord ReadMergeRecord(const pugi::xml_document& domain);
std::string BuildMergeRecord(const MergeRecord& record);

// Points the disks of a persistent definition at what the running domain uses, where they still name an overlay of
// the record. True if anything changed.
bool PointAtBases(pugi::xml_document& persistent, const pugi::xml_document& live, const MergeRecord& record);

Result<MergeReply> MergeOverlays(const Session& session, const DomainRequest& request);

}  // namespace vmferry::libvirt
