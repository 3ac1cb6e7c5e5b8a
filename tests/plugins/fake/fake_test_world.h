// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the fake share: a world, a plugin on it, and short ways to ask.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "plugins/fake/example_world.h"
#include "plugins/fake/fake.h"
#include "plugins/fake/machine.h"
#include "plugins/fake/world_json.h"
#include "plugins/probe.h"
#include "plugins/stream.h"

namespace vmferry {

struct FakeTestWorld {
  explicit FakeTestWorld(WorldData data)
      : world(std::make_shared<World>(std::move(data))), plugin(MakeFake("fake", world)) {}

  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Invoke(*plugin, call, request, CallContext{});
  }
  void Edit(const std::function<void(WorldData&)>& edit) { ASSERT_TRUE(world->Change(edit).ok()); }

  ProbeReply Probe(const std::string& url) {
    ProbeRequest request;
    request.url = url;
    const auto reply = Ask(probe::kProbe, request);
    EXPECT_TRUE(reply.ok()) << Describe(reply.error());
    return reply ? *reply : ProbeReply{};
  }
  std::vector<std::string> Records(const std::string& machine) {
    Result<std::vector<std::string>> records = std::vector<std::string>{};
    Edit([&](WorldData& data) { records = RecordsOf(data, machine); });
    EXPECT_TRUE(records.ok()) << Describe(records.error());
    return records ? *records : std::vector<std::string>{};
  }
  std::vector<std::string> Effects() {
    std::vector<std::string> effects;
    for (const Fact& fact : world->Copy().history) effects.push_back(fact.effect + " " + fact.object);
    return effects;
  }

  std::shared_ptr<World> world;
  std::shared_ptr<Plugin> plugin;
};

// Copies disk `id` of `vm` into the raw volume `volume` of pool vmferry, from `offset`; `pieces` at most.
inline Status CopyDisk(FakeTestWorld& test, const std::string& vm, const std::string& id, const std::string& volume,
                       int pieces = 1 << 30, std::uint64_t offset = 0) {
  constexpr std::uint64_t kSize = 64 << 20;
  const auto made = test.Ask(target::kEnsureVolume, EnsureVolumeRequest{"vmferry", volume, "raw", kSize, "", ""});
  if (!made) return made.error();
  auto reader = Open<DiskReader>(*test.plugin, source::kOpenDisk, OpenDiskRequest{vm, id, "folder", "", offset}, {});
  if (!reader) return reader.error();
  auto writer = Open<VolumeWriter>(*test.plugin, target::kWriteVolume,
                                   WriteVolumeRequest{"vmferry", volume, offset, kSize - offset}, {});
  if (!writer) return writer.error();
  std::vector<std::byte> buffer(64 << 10);
  for (int i = 0; i < pieces; ++i) {
    const Result<Piece> piece = (*reader)->Next(buffer);
    if (!piece) return piece.error();
    if (piece->length == 0) return (*writer)->Finish();
    const Status written = (*writer)->Write(piece->offset, std::span(buffer).first(piece->length));
    if (!written) return written;
  }
  return Ok();
}

inline DefineRequest TwoDiskDomain(const std::string& domain, const std::string& first, const std::string& second,
                                   const std::string& format) {
  DefineRequest request;
  request.domain = domain;
  request.key = "key";
  request.cpus = 1;
  request.memory_mib = 256;
  request.firmware = "bios";
  request.disk_bus = "virtio";
  request.disks = {{"vmferry", first, format}, {"vmferry", second, format}};
  request.nics = {{"00:50:56:00:00:01", "network:default", "virtio"}};
  request.domain_type = "auto";
  return request;
}

}  // namespace vmferry
