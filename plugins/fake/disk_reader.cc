// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/disk_reader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace vmferry {

Error FakeDiskReader::Broken(const std::string& message) const {
  return Error{ErrorKind::kUnavailable, setup_.system, "disk " + setup_.disk + " of VM " + setup_.vm,
               message + " at byte " + std::to_string(position_), ""};
}

bool FakeDiskReader::SleepFor(std::uint64_t bytes) const {
  std::mutex mutex;
  std::condition_variable_any woken;
  std::unique_lock lock(mutex);
  const std::chrono::duration<double> time(static_cast<double>(bytes) / static_cast<double>(setup_.bytes_per_second));
  woken.wait_for(lock, setup_.stop, time, [] { return false; });
  return !setup_.stop.stop_requested();
}

Result<Piece> FakeDiskReader::Take(WorldData& world, std::span<std::byte> buffer) const {
  FakeVm* vm = FindVmByPath(world, setup_.vm);
  if (vm == nullptr) return Broken("the VM is gone");
  FakeSnapshot* snapshot = FindSnapshot(*vm, setup_.snapshot);
  if (!setup_.snapshot.empty() && snapshot == nullptr) return Broken("the snapshot is gone");
  if (snapshot == nullptr && vm->facts.power != "off") return Broken("the disk is locked by the running VM");
  if (!setup_.handle.empty() && FindLease(world, setup_.handle) == nullptr) return Broken("the export is gone");
  std::vector<FakeDisk>& disks = snapshot == nullptr ? vm->disks : snapshot->disks;
  const auto disk =
      std::find_if(disks.begin(), disks.end(), [&](const FakeDisk& entry) { return entry.facts.id == setup_.disk; });
  if (disk == disks.end()) return Broken("the disk is gone");
  const auto run = disk->content.NextRun(position_, buffer.size());
  if (!run || run->offset >= setup_.size) return Piece{setup_.size, 0};
  const std::uint64_t length = std::min(run->length, setup_.size - run->offset);
  if (vm->cut_reads > 0 && run->offset + length > static_cast<std::uint64_t>(vm->cut_reads_after)) {
    --vm->cut_reads;
    Touch(world);
    return Broken("connection reset by peer");
  }
  disk->content.Read(run->offset, buffer.first(static_cast<std::size_t>(length)));
  return Piece{run->offset, static_cast<std::size_t>(length)};
}

Result<Piece> FakeDiskReader::Next(std::span<std::byte> buffer) {
  if (setup_.stop.stop_requested()) return Broken("stopped as asked");
  std::optional<Result<Piece>> piece;
  const Status status = world_->Change([&](WorldData& world) { piece.emplace(Take(world, buffer)); });
  if (!status) return status.error();
  if (!*piece) return std::move(*piece);
  const std::uint64_t end = (*piece)->offset + (*piece)->length;
  if (setup_.bytes_per_second > 0 && end > position_ && !SleepFor(end - position_)) return Broken("stopped as asked");
  position_ = end;
  return std::move(*piece);
}

}  // namespace vmferry
