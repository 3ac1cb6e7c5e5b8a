// SPDX-License-Identifier: Apache-2.0
//
// The pure half of merge.h: what a domain's XML says about overlays and jobs.
#include <algorithm>

#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/merge.h"

namespace vmferry::libvirt {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

MergeDisk ReadMergeDisk(const pugi::xml_node& disk) {
  MergeDisk merge;
  merge.target = disk.child("target").attribute("dev").value();
  merge.source = SourcePath(disk);
  pugi::xml_node layer = disk;
  for (pugi::xml_node below = layer.child("backingStore"); below.child("source"); below = layer.child("backingStore")) {
    merge.overlays.push_back(SourcePath(layer));
    layer = below;
  }
  const pugi::xml_node mirror = disk.child("mirror");
  merge.job = mirror.attribute("job").as_string(mirror ? "copy" : "");
  merge.ready = std::string_view(mirror.attribute("ready").value()) == "yes";
  return merge;
}

pugi::xml_node DiskOf(const pugi::xml_document& domain, const std::string& target) {
  for (const pugi::xml_node disk : domain.child("domain").child("devices").children("disk"))
    if (target == disk.child("target").attribute("dev").value()) return disk;
  return {};
}

}  // namespace

std::vector<MergeDisk> ReadMergeDisks(const pugi::xml_document& domain) {
  std::vector<MergeDisk> disks;
  for (const std::string& target : ReadDomain(domain).our_disks)
    if (const pugi::xml_node disk = DiskOf(domain, target)) disks.push_back(ReadMergeDisk(disk));
  return disks;
}

MergeRecord ReadMergeRecord(const pugi::xml_document& domain) {
  MergeRecord record;
  for (const pugi::xml_node disk : MetadataElement(domain.child("domain"), kMergeNamespace).children()) {
    MergeRecord::Disk entry{disk.attribute("target").value(), disk.attribute("starts").as_int(), {}};
    for (const pugi::xml_node overlay : disk.children()) entry.overlays.emplace_back(overlay.attribute("path").value());
    record.disks.push_back(std::move(entry));
  }
  return record;
}

// Without a prefix: libvirt adds the prefix and the namespace it is told when the element is set.
std::string BuildMergeRecord(const MergeRecord& record) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("merge");
  for (const MergeRecord::Disk& disk : record.disks) {
    pugi::xml_node entry = root.append_child("disk");
    entry.append_attribute("target") = disk.target.c_str();
    entry.append_attribute("starts") = disk.starts;
    for (const std::string& path : disk.overlays) entry.append_child("overlay").append_attribute("path") = path.c_str();
  }
  return Print(root);
}

bool PointAtBases(pugi::xml_document& persistent, const pugi::xml_document& live, const MergeRecord& record) {
  bool changed = false;
  for (const MergeRecord::Disk& entry : record.disks) {
    const pugi::xml_node now = DiskOf(live, entry.target);
    pugi::xml_node next = DiskOf(persistent, entry.target);
    if (!now || !next || !Has(entry.overlays, SourcePath(next)) || Has(entry.overlays, SourcePath(now))) continue;
    next.remove_child("backingStore");
    next.attribute("type") = now.attribute("type").value();
    next.child("driver").attribute("type") = now.child("driver").attribute("type").value();
    pugi::xml_node source = next.child("source");
    source.remove_attributes();
    const char* attribute = now.child("source").attribute("dev") ? "dev" : "file";
    source.append_attribute(attribute) = SourcePath(now).c_str();
    changed = true;
  }
  return changed;
}

}  // namespace vmferry::libvirt
