// SPDX-License-Identifier: Apache-2.0
#include "steps/copy.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

#include "plugins/source_platform.h"
#include "plugins/stream.h"
#include "plugins/target_platform.h"
#include "state/digest.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

Error CopyError(const Plugin& system, ErrorKind kind, const CopyJob& job, std::string message, std::string advice) {
  return Error{kind, system.system(), job.copy.label + " of VM " + job.copy.vm, std::move(message), std::move(advice)};
}

// Digest of a disk whose gaps are zeros.
class DiskDigest {
 public:
  void ZerosUpTo(std::uint64_t offset) {
    static const std::vector<std::byte> zeros(kBufferBytes);
    while (position_ < offset) {
      const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(offset - position_, zeros.size()));
      digest_.Add(std::span(zeros).first(length));
      position_ += length;
    }
  }
  void Add(std::span<const std::byte> bytes) {
    digest_.Add(bytes);
    position_ += bytes.size();
  }
  std::uint64_t position() const { return position_; }
  std::string Hex() { return digest_.Hex(); }

 private:
  Sha256 digest_;
  std::uint64_t position_ = 0;
};

// A fresh, empty volume; a half-made one of ours goes first.
Status MakeVolume(const CopyJob& job, const CallContext& call) {
  const DiskCopy& copy = job.copy;
  const auto removed =
      Invoke(*job.target, target::kEnsureNoVolume, RemoveVolumeRequest{copy.pool, copy.volume, false}, call);
  if (!removed) return removed.error();
  const auto made = Invoke(*job.target, target::kEnsureVolume,
                           EnsureVolumeRequest{copy.pool, copy.volume, "raw", copy.bytes, "", ""}, call);
  if (!made) return made.error();
  return Ok();
}

Result<std::string> Pump(const CopyJob& job, DiskReader& reader, VolumeWriter& writer, WorkerReport& report,
                         const std::stop_token& stop) {
  std::vector<std::byte> buffer(kBufferBytes);
  DiskDigest digest;
  while (true) {
    if (stop.stop_requested())
      return CopyError(*job.source, ErrorKind::kUnavailable, job, "the copy was stopped as asked", "");
    const Result<Piece> piece = reader.Next(buffer);
    if (!piece) return piece.error();
    if (piece->length == 0) break;
    if (piece->offset < digest.position() || piece->offset + piece->length > job.copy.bytes)
      return CopyError(*job.source, ErrorKind::kCorrupt, job,
                       "data out of order or beyond the end, at byte " + std::to_string(piece->offset),
                       "read the disk with another `method`");
    const auto bytes = std::span<const std::byte>(buffer).first(piece->length);
    digest.ZerosUpTo(piece->offset);
    const Status written = writer.Write(piece->offset, bytes);
    if (!written) return written.error();
    digest.Add(bytes);
    report.done = digest.position();
  }
  digest.ZerosUpTo(job.copy.bytes);
  report.done = job.copy.bytes;
  const Status finished = writer.Finish();
  if (!finished) return finished.error();
  return digest.Hex();
}

Result<std::string> Transfer(const CopyJob& job, const CallContext& call, WorkerReport& report) {
  const DiskCopy& copy = job.copy;
  const auto reader = Open<DiskReader>(*job.source, source::kOpenDisk,
                                       OpenDiskRequest{copy.vm, copy.disk, job.method, job.handle, 0, job.snapshot}, call);
  if (!reader) return reader.error();
  if ((*reader)->size() != copy.bytes)
    return CopyError(*job.source, ErrorKind::kCorrupt, job,
                     "its size is " + std::to_string(copy.bytes) + " bytes, but the platform offers " +
                         std::to_string((*reader)->size()) + " to read",
                     "check the disk's descriptor on the source");
  const auto writer = Open<VolumeWriter>(*job.target, target::kWriteVolume,
                                         WriteVolumeRequest{copy.pool, copy.volume, 0, copy.bytes}, call);
  if (!writer) return writer.error();
  return Pump(job, **reader, **writer, report, call.stop);
}

Status Seal(const CopyJob& job, const std::string& seal, const CallContext& call) {
  const DiskCopy& copy = job.copy;
  const auto volume = Invoke(*job.target, target::kDescribeVolume, VolumeQuery{copy.pool, copy.volume}, call);
  if (!volume) return volume.error();
  if (!volume->exists || volume->capacity_bytes != copy.bytes)
    return CopyError(*job.target, ErrorKind::kCorrupt, job,
                     "the finished copy " + copy.pool + "/" + copy.volume + " has " +
                         std::to_string(volume->capacity_bytes) + " bytes instead of " + std::to_string(copy.bytes),
                     "look for somebody else at work in the pool");
  const auto sealed = Invoke(*job.target, target::kSealVolume, SealVolumeRequest{copy.pool, copy.volume, seal}, call);
  if (!sealed) return sealed.error();
  return Ok();
}

Result<Json> RunCopy(const CopyJob& job, std::stop_token stop, WorkerReport& report) {
  CallContext call;
  call.stop = std::move(stop);
  report.total = job.copy.bytes;
  const auto volume = Invoke(*job.target, target::kDescribeVolume, VolumeQuery{job.copy.pool, job.copy.volume}, call);
  if (!volume) return volume.error();
  Json seal = SealOf(volume->seal, TextOf(job.seal, "key"));
  if (seal.is_object()) return seal;
  const Status made = MakeVolume(job, call);
  if (!made) return made.error();
  const Result<std::string> digest = Transfer(job, call, report);
  if (!digest) return digest.error();
  seal = job.seal;
  seal["sha256"] = *digest;
  const Status sealed = Seal(job, seal.dump(), call);
  if (!sealed) return sealed.error();
  return seal;
}

}  // namespace

Result<std::vector<DiskCopy>> ListCopies(const StepContext& context) {
  std::vector<DiskCopy> copies;
  for (const Workload& workload : context.application->workloads) {
    const Result<VmFacts> vm = ReadVm(context, workload);
    if (!vm) return vm.error();
    int number = 0;
    for (const DiskFacts& disk : vm->disks) {
      const Result<std::string> pool = PoolFor(context, workload, disk);
      if (!pool) return pool.error();
      copies.push_back(DiskCopy{workload.name, workload.vm, disk.id, disk.label, *pool,
                                VolumeName(workload.domain, context.key, ++number, "raw"), disk.capacity_bytes});
    }
  }
  return copies;
}

std::vector<DiskCopy> CopiesFrom(const Json& before) {
  const Json& copies = Member(before, "copies");
  return copies.is_array() ? copies.get<std::vector<DiskCopy>>() : std::vector<DiskCopy>();
}

WorkerBody CopyBody(CopyJob job) {
  return [job = std::move(job)](std::stop_token stop, WorkerReport& report) {
    return RunCopy(job, std::move(stop), report);
  };
}

bool GoesWithRehearsal(const StepContext& context, const VolumeFacts& volume) {
  return context.application->rehearsal && SealOf(volume.seal, KeyOf(context)).is_object();
}

Json SealOf(const std::string& seal, const std::string& key) {
  Json json = Json::parse(seal, nullptr, false);
  return !key.empty() && TextOf(json, "key") == key ? json : Json();
}

}  // namespace vmferry
