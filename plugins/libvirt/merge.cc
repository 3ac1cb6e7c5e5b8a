// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/merge.h"

#include <libvirt/virterror.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/domains.h"
#include "plugins/libvirt/seals.h"
#include "plugins/libvirt/storage.h"

namespace vmferry::libvirt {
namespace {

// A job that ended without result this often will not succeed by itself.
constexpr int kMostStarts = 3;

class Merge {
 public:
  Merge(const Session& session, DomainHandle domain)
      : session_(session), domain_(std::move(domain)), object_(DomainObject(virDomainGetName(domain_.get()))) {}

  Result<MergeReply> Run() {
    if (Status read = Read(); !read) return read.error();
    const bool running = virDomainIsActive(domain_.get()) == 1;
    if (!running) return RunStopped();
    if (Status pivoted = PivotReady(); !pivoted) return pivoted.error();
    if (Status started = StartMissing(); !started) return started.error();
    const std::vector<MergeDisk> disks = ReadMergeDisks(live_);
    const auto open = [](const MergeDisk& disk) { return !disk.overlays.empty() || !disk.job.empty(); };
    if (std::any_of(disks.begin(), disks.end(), open)) return MergeReply{false, Percent(disks)};
    return CleanUp();
  }

 private:
  Status Read() {
    Result<pugi::xml_document> live = DomainXml(session_, domain_.get(), false);
    if (!live) return live.error();
    Result<pugi::xml_document> persistent = DomainXml(session_, domain_.get(), true);
    if (!persistent) return persistent.error();
    live_ = std::move(*live);
    persistent_ = std::move(*persistent);
    record_ = ReadMergeRecord(live_);
    return Ok();
  }

  // Nothing can be merged in a domain that is off; but when all is merged, what is left can be cleaned up.
  Result<MergeReply> RunStopped() {
    for (const DomainDisk& disk : ReadDomain(persistent_).disks) {
      Result<bool> overlay = IsOverlay(disk);
      if (!overlay) return overlay.error();
      if (*overlay)
        return session_.Refuse(ErrorKind::kInvalid, object_,
                               "is not running, and overlays are merged only while the guest runs (disk " +
                                   disk.target + " still writes to " + disk.volume + ")",
                               "start the domain and commit again");
    }
    return CleanUp();
  }

  Result<bool> IsOverlay(const DomainDisk& disk) const {
    const std::vector<std::string> ours = ReadDomain(persistent_).our_disks;
    if (std::find(ours.begin(), ours.end(), disk.target) == ours.end()) return false;
    const VolumeHandle volume(virStorageVolLookupByPath(session_.get(), disk.volume.c_str()));
    if (!volume) return session_.Fail(object_, "the volume of disk " + disk.target + " cannot be looked up");
    Result<VolumeDocument> document = ReadVolume(session_, volume.get(), disk.volume);
    if (!document) return document.error();
    return !document->backing.empty();
  }

  Status PivotReady() {
    bool pivoted = false;
    for (const MergeDisk& disk : ReadMergeDisks(live_)) {
      if (!disk.job.empty() && disk.job != "active-commit")
        return session_.Refuse(ErrorKind::kConflict, object_, "disk " + disk.target + " has another job: " + disk.job,
                               "wait for that job or end it");
      if (!disk.ready) continue;
      if (virDomainBlockJobAbort(domain_.get(), disk.target.c_str(), VIR_DOMAIN_BLOCK_JOB_ABORT_PIVOT) < 0)
        return session_.Fail(object_, "disk " + disk.target + " cannot be switched to its merged volume");
      pivoted = true;
    }
    return pivoted ? Read() : Ok();
  }

  Status StartMissing() {
    std::vector<MergeDisk> missing = ReadMergeDisks(live_);
    std::erase_if(missing, [](const MergeDisk& disk) { return disk.overlays.empty() || !disk.job.empty(); });
    if (missing.empty()) return Ok();
    for (const MergeDisk& disk : missing)
      if (Status noted = Note(disk); !noted) return noted;
    if (Status kept = KeepRecord(BuildMergeRecord(record_).c_str()); !kept) return kept;
    for (const MergeDisk& disk : missing)
      if (virDomainBlockCommit(domain_.get(), disk.target.c_str(), nullptr, nullptr, 0,
                               VIR_DOMAIN_BLOCK_COMMIT_ACTIVE) < 0)
        return session_.Fail(object_, "disk " + disk.target + " cannot be merged");
    return Read();
  }

  Status Note(const MergeDisk& disk) {
    auto entry = std::find_if(record_.disks.begin(), record_.disks.end(),
                              [&](const MergeRecord::Disk& known) { return known.target == disk.target; });
    if (entry == record_.disks.end()) entry = record_.disks.insert(entry, {disk.target, 0, {}});
    if (entry->starts >= kMostStarts)
      return session_.Refuse(
          ErrorKind::kInvalid, object_,
          "merging disk " + disk.target + " ended without result " + std::to_string(kMostStarts) + " times",
          "look for room in the pool and for errors in the domain's log on the target host");
    ++entry->starts;
    for (const std::string& path : disk.overlays)
      if (std::find(entry->overlays.begin(), entry->overlays.end(), path) == entry->overlays.end())
        entry->overlays.push_back(path);
    return Ok();
  }

  // Into the running and the persistent definition; null takes it out.
  Status KeepRecord(const char* xml) {
    unsigned where = VIR_DOMAIN_AFFECT_CONFIG;
    if (virDomainIsActive(domain_.get()) == 1) where |= VIR_DOMAIN_AFFECT_LIVE;
    if (virDomainSetMetadata(domain_.get(), VIR_DOMAIN_METADATA_ELEMENT, xml, "merge", kMergeNamespace, where) < 0)
      return session_.Fail(object_, "its metadata cannot be written");
    return Ok();
  }

  // Over all disks alike; 100 is said only when done.
  int Percent(const std::vector<MergeDisk>& disks) const {
    int sum = 0;
    for (const MergeDisk& disk : disks) {
      virDomainBlockJobInfo info{};
      if (disk.overlays.empty())
        sum += 100;
      else if (virDomainGetBlockJobInfo(domain_.get(), disk.target.c_str(), &info, 0) == 1 && info.end > 0)
        sum += static_cast<int>(100 * static_cast<double>(info.cur) / static_cast<double>(info.end));
    }
    virResetLastError();
    return std::min(99, sum / static_cast<int>(disks.size()));
  }

  // First the definition for the next start lets go of the overlays, then they are removed, then forgotten.
  Result<MergeReply> CleanUp() {
    if (PointAtBases(persistent_, live_, record_)) {
      const std::string xml = Print(persistent_.child("domain"));
      const DomainHandle redefined(virDomainDefineXML(session_.get(), xml.c_str()));
      if (!redefined) return session_.Fail(object_, "its definition cannot be pointed at the merged volumes");
    }
    for (const MergeRecord::Disk& disk : record_.disks)
      for (const std::string& path : disk.overlays)
        if (Status removed = RemoveOverlay(path); !removed) return removed.error();
    if (!record_.disks.empty())
      if (Status forgotten = KeepRecord(nullptr); !forgotten) return forgotten.error();
    return MergeReply{true, 100};
  }

  Status RemoveOverlay(const std::string& path) {
    if (InUse(path))
      return session_.Refuse(ErrorKind::kConflict, object_, "still uses the overlay " + path + ", which stays");
    Result<VolumeHandle> volume = FindByPath(path);
    if (!volume) return volume.error();
    if (!*volume) return Ok();
    const PoolHandle pool(virStoragePoolLookupByVolume(volume->get()));
    if (!pool) return session_.Fail(path, "its pool cannot be looked up");
    Result<std::string> seal = ReadSeal(session_, pool.get(), virStorageVolGetName(volume->get()));
    if (!seal) return seal.error();
    if (!seal->empty()) return session_.Refuse(ErrorKind::kConflict, path, "is sealed, so it is no overlay to remove");
    if (virStorageVolDelete(volume->get(), 0) < 0) return session_.Fail(path, "the merged overlay cannot be removed");
    return Ok();
  }

  bool InUse(const std::string& path) const {
    for (const pugi::xml_document* document : {&live_, &persistent_})
      for (const DomainDisk& disk : ReadDomain(*document).disks)
        if (disk.volume == path || disk.backing == path) return true;
    return false;
  }

  Result<VolumeHandle> FindByPath(const std::string& path) const {
    for (const bool refreshed : {false, true}) {
      VolumeHandle volume(virStorageVolLookupByPath(session_.get(), path.c_str()));
      if (volume) return volume;
      const Failure failure = LastFailure();
      if (failure.code != VIR_ERR_NO_STORAGE_VOL) return session_.Fail(failure, path, "cannot be looked up");
      if (!refreshed) RefreshPools();
    }
    return VolumeHandle();
  }

  void RefreshPools() const {
    virStoragePoolPtr* pools = nullptr;
    const int count = virConnectListAllStoragePools(session_.get(), &pools, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);
    for (int i = 0; i < count; ++i) virStoragePoolRefresh(PoolHandle(pools[i]).get(), 0);
    std::free(pools);
    virResetLastError();
  }

  const Session& session_;
  DomainHandle domain_;
  const std::string object_;
  pugi::xml_document live_;
  pugi::xml_document persistent_;
  MergeRecord record_;
};

}  // namespace

Result<MergeReply> MergeOverlays(const Session& session, const DomainRequest& request) {
  Result<DomainHandle> domain = FindOwnDomain(session, request);
  if (!domain) return domain.error();
  if (!*domain) return session.Refuse(ErrorKind::kNotFound, DomainObject(request.domain), "does not exist");
  return Merge(session, std::move(*domain)).Run();
}

}  // namespace vmferry::libvirt
