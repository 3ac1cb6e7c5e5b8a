// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/volume_writer.h"

namespace vmferry {

Error FakeVolumeWriter::Fails(ErrorKind kind, const std::string& message) const {
  return Error{kind, system_, "volume " + volume_ + " of pool " + pool_, message, ""};
}

Status FakeVolumeWriter::Put(WorldData& world, std::uint64_t offset, std::span<const std::byte> bytes) {
  FakePool* pool = FindPool(world, pool_);
  FakeVolume* volume = FindVolume(world, pool_, volume_);
  if (volume == nullptr) return Fails(ErrorKind::kNotFound, "is gone");
  const std::uint64_t used = UsedBytes(*pool);
  if (used + bytes.size() > pool->capacity_bytes)
    return Fails(ErrorKind::kInvalid, "the pool is full: " + std::to_string(used) + " of " +
                                          std::to_string(pool->capacity_bytes) + " bytes are used");
  volume->content.Write(offset, bytes);
  pool->written_bytes += bytes.size();
  return Ok();
}

Status FakeVolumeWriter::Write(std::uint64_t offset, std::span<const std::byte> bytes) {
  if (stop_.stop_requested()) return Fails(ErrorKind::kUnavailable, "stopped as asked");
  if (offset < position_)
    return Fails(ErrorKind::kInvalid,
                 "write at " + std::to_string(offset) + " goes back behind " + std::to_string(position_));
  if (offset + bytes.size() > end_)
    return Fails(ErrorKind::kInvalid,
                 "write at " + std::to_string(offset) + " goes beyond the end " + std::to_string(end_));
  Status put = Ok();
  const Status status = world_->Change([&](WorldData& world) { put = Put(world, offset, bytes); });
  if (!status) return status;
  if (put) position_ = offset + bytes.size();
  return put;
}

Status FakeVolumeWriter::Finish() {
  Status finished = Ok();
  const Status status = world_->Change([&](WorldData& world) {
    FakeVolume* volume = FindVolume(world, pool_, volume_);
    if (volume == nullptr) {
      finished = Fails(ErrorKind::kNotFound, "is gone");
      return;
    }
    volume->complete = true;
    volume->durable_bytes = end_;
    Record(world, "target.WriteVolume", "volume-written", pool_ + "/" + volume_, {{"finished", true}});
  });
  return status ? finished : status;
}

}  // namespace vmferry
