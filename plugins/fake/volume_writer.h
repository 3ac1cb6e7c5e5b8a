// SPDX-License-Identifier: Apache-2.0
//
// FakeVolumeWriter: writes into a volume of the fake world. What it wrote is in the file of the world only after
// Finish, as a power loss would have it. Fails with kInvalid when the pool is full or the write makes no sense.
// Threading: one thread at a time.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "plugins/fake/world.h"
#include "plugins/stream.h"

namespace vmferry {

class FakeVolumeWriter final : public VolumeWriter {
 public:
  FakeVolumeWriter(std::shared_ptr<World> world, std::string system, const WriteVolumeRequest& request,
                   std::stop_token stop)
      : world_(std::move(world)),
        system_(std::move(system)),
        pool_(request.pool),
        volume_(request.volume),
        stop_(std::move(stop)),
        position_(request.offset),
        end_(request.offset + request.length) {}

  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override;
  Status Finish() override;

 private:
  Status Put(WorldData& world, std::uint64_t offset, std::span<const std::byte> bytes);
  Error Fails(ErrorKind kind, const std::string& message) const;

  const std::shared_ptr<World> world_;
  const std::string system_;
  const std::string pool_;
  const std::string volume_;
  const std::stop_token stop_;
  std::uint64_t position_;
  const std::uint64_t end_;
};

}  // namespace vmferry
