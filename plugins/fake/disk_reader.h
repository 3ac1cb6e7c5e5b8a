// SPDX-License-Identifier: Apache-2.0
//
// FakeDiskReader: a disk of a powered-off VM of the fake world, read from the world piece by piece. Fails with
// kUnavailable when the export is gone, the VM was powered on, the connection is cut (FakeVm::cut_reads) or the stop
// token asks. With a rate it sleeps inside Next, outside the world's mutex, and wakes at once when asked to stop.
// Threading: one thread at a time.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "plugins/fake/world.h"
#include "plugins/stream.h"

namespace vmferry {

struct FakeReaderSetup {
  std::string system;
  std::string vm;      // path
  std::string disk;    // id
  std::string handle;  // of the lease; empty: none is needed
  std::string snapshot;  // its key; empty: the disk itself
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::int64_t bytes_per_second = 0;  // logical; 0: as fast as it goes
  std::stop_token stop;
};

class FakeDiskReader final : public DiskReader {
 public:
  FakeDiskReader(std::shared_ptr<World> world, FakeReaderSetup setup)
      : world_(std::move(world)), setup_(std::move(setup)), position_(setup_.offset) {}

  std::uint64_t size() const override { return setup_.size; }
  Result<Piece> Next(std::span<std::byte> buffer) override;

 private:
  Result<Piece> Take(WorldData& world, std::span<std::byte> buffer) const;
  bool SleepFor(std::uint64_t bytes) const;  // false: asked to stop
  Error Broken(const std::string& message) const;

  const std::shared_ptr<World> world_;
  const FakeReaderSetup setup_;
  std::uint64_t position_;
};

}  // namespace vmferry
