// SPDX-License-Identifier: Apache-2.0
//
// Contract of every target platform: the host and its volumes. Domains: domain_contract.cc.
#include <algorithm>

#include "plugins/target_volumes.h"
#include "tests/contracts/target_contract.h"

namespace vmferry::contracts {
namespace {

constexpr char kSeal[] = R"({"key":"k1","source":"web1"})";

std::string At(const std::string& bytes, std::uint64_t offset, std::size_t length) {
  return bytes.substr(static_cast<std::size_t>(offset), length);
}

}  // namespace

VolumeFacts TargetContract::Volume(const std::string& name) {
  const auto facts = Ask(target::kDescribeVolume, VolumeQuery{harness_->pool(), name});
  EXPECT_GOOD(facts);
  return facts ? *facts : VolumeFacts{};
}

EnsureVolumeRequest TargetContract::RawVolume(const std::string& name) const {
  return EnsureVolumeRequest{harness_->pool(), name, "raw", 8 * kMib, "", ""};
}

Status TargetContract::Put(const std::string& volume, std::uint64_t open_at, std::uint64_t at, const std::string& text,
                           bool finish) {
  const WriteVolumeRequest request{harness_->pool(), volume, open_at, 8 * kMib - open_at};
  const auto writer = Open<VolumeWriter>(harness_->plugin(), target::kWriteVolume, request, CallContext{});
  if (!writer) return writer.error();
  Status status = (*writer)->Write(at, std::as_bytes(std::span<const char>(text)));
  return status && finish ? (*writer)->Finish() : status;
}

std::string TargetContract::SealedCopy(const std::string& text) {
  const std::string raw = harness_->FreshName() + ".raw";
  const std::string copy = harness_->FreshName() + ".qcow2";
  EXPECT_GOOD(Ask(target::kEnsureVolume, RawVolume(raw)));
  EXPECT_GOOD(Put(raw, 0, 0, text, true));
  EXPECT_GOOD(Put(raw, 4 * kMib, 8 * kMib - text.size(), text, true));
  EXPECT_GOOD(Ask(target::kConvertVolume, ConvertVolumeRequest{harness_->pool(), raw, copy, "qcow2"}));
  EXPECT_GOOD(Ask(target::kSealVolume, SealVolumeRequest{harness_->pool(), copy, kSeal}));
  EXPECT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), raw, false}));
  return copy;
}

std::string TargetContract::OverlayOver(const std::string& base) {
  const std::string overlay = harness_->FreshName() + ".qcow2";
  const EnsureVolumeRequest request{harness_->pool(), overlay, "qcow2", 8 * kMib, base, "qcow2"};
  EXPECT_GOOD(Ask(target::kEnsureVolume, request));
  EXPECT_GOOD(Ask(target::kEnsureVolume, request)) << "may be repeated";
  return overlay;
}

TEST_P(TargetContract, VolumesAreListedByTheBeginningOfTheirNames) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name + "-two.raw")));
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name + "-one.raw")));
  const std::string sealed = SealedCopy("listed");
  const auto list = Ask(target::kListVolumes, VolumeListQuery{harness_->pool(), name + "-"});
  ASSERT_GOOD(list);
  EXPECT_EQ(list->volumes, (std::vector<std::string>{name + "-one.raw", name + "-two.raw"})) << "sorted";
  const auto one = Ask(target::kListVolumes, VolumeListQuery{harness_->pool(), sealed});
  ASSERT_GOOD(one);
  EXPECT_EQ(one->volumes, std::vector<std::string>{sealed}) << "without its seal";
  const auto all = Ask(target::kListVolumes, VolumeListQuery{harness_->pool(), ""});
  ASSERT_GOOD(all);
  EXPECT_GE(all->volumes.size(), 2u);
  EXPECT_FALSE(Ask(target::kListVolumes, VolumeListQuery{"no-such-pool", ""}));
}

// Several runs reserve room in one pool: each must see the others', and none must use it up.
TEST_P(TargetContract, AVolumeThatHoldsRoomIsCountedAndTakesNone) {
  const auto pool = [&] {
    const auto facts = Ask(target::kDescribeTarget, PlatformQuery{});
    EXPECT_GOOD(facts);
    for (const PoolFacts& entry : facts ? facts->pools : std::vector<PoolFacts>())
      if (entry.name == harness_->pool()) return entry;
    return PoolFacts{};
  };
  const PoolFacts before = pool();
  const std::string name = harness_->FreshName() + std::string(kReserveSuffix);
  const EnsureVolumeRequest request{harness_->pool(), name, "raw", 8 * kMib, "", ""};
  for (int repeat = 0; repeat < 2; ++repeat) ASSERT_GOOD(Ask(target::kEnsureVolume, request));
  EXPECT_EQ(Volume(name).capacity_bytes, 8 * kMib);
  EXPECT_LT(Volume(name).allocation_bytes, kMib);
  EXPECT_EQ(pool().reserved_bytes, before.reserved_bytes + 8 * kMib);
  ASSERT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), name, false}));
  EXPECT_EQ(pool().reserved_bytes, before.reserved_bytes);
}

TEST_P(TargetContract, NetworksAreLookedUpByTheirMapping) {
  const auto user = Ask(target::kDescribeNetwork, NetworkQuery{"user"});
  ASSERT_GOOD(user);
  EXPECT_TRUE(user->exists && user->active);
  const auto missing = Ask(target::kDescribeNetwork, NetworkQuery{"network:" + harness_->FreshName()});
  ASSERT_GOOD(missing);
  EXPECT_FALSE(missing->exists || missing->active);
  EXPECT_KIND(Ask(target::kDescribeNetwork, NetworkQuery{"nonsense"}), ErrorKind::kInvalid);
}

// Not every platform has filters; one that has none must not be taken for one whose filter is missing.
TEST_P(TargetContract, AMissingFilterIsAnAnswerOrThePlatformHasNone) {
  const auto filter = Ask(target::kDescribeFilter, FilterQuery{harness_->FreshName()});
  if (filter) {
    EXPECT_FALSE(filter->exists);
    EXPECT_TRUE(filter->rules.empty());
  } else {
    EXPECT_KIND(filter, ErrorKind::kInvalid);
    EXPECT_FALSE(filter.error().advice.empty());
  }
}

TEST_P(TargetContract, HostSaysWhatItCanRun) {
  const auto facts = Ask(target::kDescribeTarget, PlatformQuery{});
  ASSERT_GOOD(facts);
  EXPECT_FALSE(facts->product.empty());
  EXPECT_FALSE(facts->domain_types.empty());
  EXPECT_GT(facts->cpus, 0);
  EXPECT_GT(facts->memory_mib, 0);
  EXPECT_NE(std::find(facts->firmwares.begin(), facts->firmwares.end(), "bios"), facts->firmwares.end());
  const auto pool = std::find_if(facts->pools.begin(), facts->pools.end(),
                                 [&](const PoolFacts& entry) { return entry.name == harness_->pool(); });
  ASSERT_NE(pool, facts->pools.end());
  EXPECT_TRUE(pool->active);
  EXPECT_GT(pool->available_bytes, 0U);
  EXPECT_LE(pool->available_bytes, pool->capacity_bytes);
}

TEST_P(TargetContract, MissingVolumeIsAnAnswerAndAMissingPoolAnError) {
  EXPECT_FALSE(Volume(harness_->FreshName()).exists);
  const auto pool = Ask(target::kDescribeVolume, VolumeQuery{"nopool7", "v"});
  EXPECT_KIND(pool, ErrorKind::kNotFound);
  EXPECT_NE(Text(pool).find("nopool7"), std::string::npos) << Text(pool);
  EnsureVolumeRequest request = RawVolume("v");
  request.pool = "nopool7";
  EXPECT_KIND(Ask(target::kEnsureVolume, request), ErrorKind::kNotFound);
}

TEST_P(TargetContract, VolumeIsMadeOnce) {
  const std::string name = harness_->FreshName();
  const auto made = Ask(target::kEnsureVolume, RawVolume(name));
  ASSERT_GOOD(made);
  const VolumeFacts facts = Volume(name);
  EXPECT_TRUE(facts.exists);
  EXPECT_EQ(facts.path, made->path);
  EXPECT_EQ(facts.format, "raw");
  EXPECT_EQ(facts.capacity_bytes, 8 * kMib);
  EXPECT_EQ(facts.backing, "");
  EXPECT_EQ(facts.seal, "");
  const auto again = Ask(target::kEnsureVolume, RawVolume(name));
  ASSERT_GOOD(again);
  EXPECT_EQ(again->path, made->path);
  EXPECT_EQ(Json(Volume(name)), Json(facts));
}

TEST_P(TargetContract, AnotherVolumeOfThatNameIsAConflict) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_GOOD(Put(name, 0, 7 * kMib, "content", true));
  EnsureVolumeRequest smaller = RawVolume(name);
  smaller.capacity_bytes /= 2;
  EXPECT_KIND(Ask(target::kEnsureVolume, smaller), ErrorKind::kConflict);
  EnsureVolumeRequest other_format = RawVolume(name);
  other_format.format = "qcow2";
  EXPECT_KIND(Ask(target::kEnsureVolume, other_format), ErrorKind::kConflict);
  EXPECT_EQ(Volume(name).capacity_bytes, 8 * kMib);
  EXPECT_EQ(At(harness_->GuestView(name), 7 * kMib, 7), "content");
}

// An unsealed raw volume that is smaller may be what an interrupted write left of ours, and be made whole again.
TEST_P(TargetContract, SmallerVolumeOfThatNameIsAConflictOrGrowsWithoutLoss) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_GOOD(Put(name, 0, 7 * kMib, "content", true));
  EnsureVolumeRequest larger = RawVolume(name);
  larger.capacity_bytes *= 2;
  const auto grown = Ask(target::kEnsureVolume, larger);
  if (!grown) {
    EXPECT_KIND(grown, ErrorKind::kConflict);
  }
  EXPECT_EQ(Volume(name).capacity_bytes, grown ? 16 * kMib : 8 * kMib);
  EXPECT_EQ(At(harness_->GuestView(name), 7 * kMib, 7), "content");
}

TEST_P(TargetContract, SealedCopyIsNeverGrown) {
  const std::string raw = harness_->FreshName() + ".raw";
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(raw)));
  ASSERT_GOOD(Put(raw, 0, 0, "sealed", true));
  ASSERT_GOOD(Ask(target::kSealVolume, SealVolumeRequest{harness_->pool(), raw, kSeal}));
  EnsureVolumeRequest larger = RawVolume(raw);
  larger.capacity_bytes *= 2;
  EXPECT_KIND(Ask(target::kEnsureVolume, larger), ErrorKind::kConflict);
  EXPECT_KIND(Put(raw, 0, 0, "overwritten", true), ErrorKind::kConflict);
  EXPECT_EQ(Volume(raw).capacity_bytes, 8 * kMib);
  EXPECT_EQ(At(harness_->GuestView(raw), 0, 6), "sealed");
}

// A thin volume may still be made in a full pool; its bytes then find no room.
TEST_P(TargetContract, FullPoolIsInvalidAndToldWithSizes) {
  if (harness_->full_pool().empty()) GTEST_SKIP() << "this system has no full pool";
  EnsureVolumeRequest request = RawVolume(harness_->FreshName());
  request.pool = harness_->full_pool();
  const auto made = Ask(target::kEnsureVolume, request);
  Status status = made ? Ok() : Status(made.error());
  if (made) {
    const WriteVolumeRequest write{request.pool, request.volume, 0, 8 * kMib};
    const auto writer = Open<VolumeWriter>(harness_->plugin(), target::kWriteVolume, write, CallContext{});
    ASSERT_GOOD(writer);
    const std::string bytes(8 * kMib, 'x');
    status = (*writer)->Write(0, std::as_bytes(std::span<const char>(bytes)));
    if (status) status = (*writer)->Finish();
  }
  EXPECT_KIND(status, ErrorKind::kInvalid);
  EXPECT_NE(status.error().message.find_first_of("0123456789"), std::string::npos) << Text(status);
  EXPECT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{request.pool, request.volume, false}));
}

TEST_P(TargetContract, WrittenBytesAreThereAndTheRestIsZeros) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_GOOD(Put(name, 0, 3 * kMib + 100, "in the middle", true));
  const std::string bytes = harness_->GuestView(name);
  ASSERT_EQ(bytes.size(), 8 * kMib);
  EXPECT_EQ(At(bytes, 3 * kMib + 100, 13), "in the middle");
  EXPECT_EQ(bytes.find_first_not_of('\0'), 3 * kMib + 100);
  EXPECT_EQ(bytes.find_last_not_of('\0'), 3 * kMib + 112);
}

TEST_P(TargetContract, PiecesOfOneWriterKeepTheirPlaces) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  const WriteVolumeRequest request{harness_->pool(), name, 0, 8 * kMib};
  const auto writer = Open<VolumeWriter>(harness_->plugin(), target::kWriteVolume, request, CallContext{});
  ASSERT_GOOD(writer);
  const std::string block(256 << 10, 'x');
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{block.size()}, 2 * kMib, 8 * kMib - block.size()})
    ASSERT_GOOD((*writer)->Write(at, std::as_bytes(std::span<const char>(block))));
  ASSERT_GOOD((*writer)->Finish());
  std::string truth(8 * kMib, '\0');
  for (const std::uint64_t at : {std::uint64_t{0}, std::uint64_t{block.size()}, 2 * kMib, 8 * kMib - block.size()})
    truth.replace(static_cast<std::size_t>(at), block.size(), block);
  EXPECT_TRUE(harness_->GuestView(name) == truth);
}

TEST_P(TargetContract, WriteFromAnOffsetKeepsWhatIsBefore) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_GOOD(Put(name, 0, 0, "first half", true));
  ASSERT_GOOD(Put(name, 4 * kMib, 5 * kMib, "second half", true));
  const std::string bytes = harness_->GuestView(name);
  EXPECT_EQ(At(bytes, 0, 10), "first half");
  EXPECT_EQ(At(bytes, 5 * kMib, 11), "second half");
}

TEST_P(TargetContract, SecondCopyOverAHalfMadeOneLeavesNothingOfTheFirst) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_GOOD(Put(name, 0, 1 * kMib, "left behind by a copy that was cut off", false));
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name))) << "as every attempt begins";
  ASSERT_GOOD(Put(name, 0, 6 * kMib, "second", true));
  const std::string bytes = harness_->GuestView(name);
  EXPECT_EQ(bytes.find_first_not_of('\0'), 6 * kMib) << "what is skipped reads as zeros";
  EXPECT_EQ(At(bytes, 6 * kMib, 6), "second");
}

TEST_P(TargetContract, MissingVolumeCannotBeWrittenSealedOrConverted) {
  const std::string name = harness_->FreshName();
  EXPECT_KIND(Put(name, 0, 0, "x", true), ErrorKind::kNotFound);
  EXPECT_KIND(Ask(target::kSealVolume, SealVolumeRequest{harness_->pool(), name, kSeal}), ErrorKind::kNotFound);
  EXPECT_KIND(Ask(target::kConvertVolume, ConvertVolumeRequest{harness_->pool(), name, name + "2", "qcow2"}),
              ErrorKind::kNotFound);
  EXPECT_FALSE(harness_->VolumeThere(name + "2"));
}

TEST_P(TargetContract, VolumeIsRemovedAndMayBeRemovedAgain) {
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(name)));
  ASSERT_TRUE(harness_->VolumeThere(name));
  ASSERT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), name, false}));
  EXPECT_FALSE(harness_->VolumeThere(name));
  EXPECT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), name, false}));
}

TEST_P(TargetContract, SealedCopyIsNotRemovedUnlessMeant) {
  const std::string copy = SealedCopy("content");
  EXPECT_EQ(Json::parse(Volume(copy).seal), Json::parse(kSeal));
  EXPECT_GOOD(Ask(target::kSealVolume, SealVolumeRequest{harness_->pool(), copy, kSeal})) << "may be repeated";
  EXPECT_KIND(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), copy, false}), ErrorKind::kConflict);
  EXPECT_TRUE(harness_->VolumeThere(copy));
  EXPECT_EQ(At(harness_->GuestView(copy), 0, 7), "content");
  ASSERT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), copy, true}));
  EXPECT_FALSE(harness_->VolumeThere(copy));
  EXPECT_EQ(Volume(copy).seal, "");
}

TEST_P(TargetContract, NewVolumeUnderASealedCopysOldNameIsNotSealed) {
  const std::string copy = SealedCopy("content");
  ASSERT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), copy, true}));
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(copy)));
  EXPECT_EQ(Volume(copy).seal, "");
}

TEST_P(TargetContract, ConvertedCopyHasTheSameContent) {
  const std::string raw = harness_->FreshName() + ".raw";
  const std::string to = harness_->FreshName() + ".qcow2";
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(raw)));
  ASSERT_GOOD(Put(raw, 0, 5 * kMib, "converted", true));
  const ConvertVolumeRequest request{harness_->pool(), raw, to, "qcow2"};
  ASSERT_GOOD(Ask(target::kConvertVolume, request));
  const VolumeFacts facts = Volume(to);
  EXPECT_EQ(facts.format, "qcow2");
  EXPECT_EQ(facts.capacity_bytes, 8 * kMib);
  EXPECT_EQ(facts.backing, "");
  EXPECT_EQ(facts.seal, "");
  EXPECT_TRUE(harness_->GuestView(to) == harness_->GuestView(raw));
  ASSERT_GOOD(Ask(target::kConvertVolume, request)) << "may be repeated";
  EXPECT_TRUE(harness_->GuestView(to) == harness_->GuestView(raw));
}

TEST_P(TargetContract, ConversionReplacesAHalfMadeOne) {
  const std::string raw = harness_->FreshName() + ".raw";
  const std::string to = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(raw)));
  ASSERT_GOOD(Put(raw, 0, 0, "good", true));
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(to)));
  ASSERT_GOOD(Put(to, 0, kMib, "half-made", false));
  ASSERT_GOOD(Ask(target::kConvertVolume, ConvertVolumeRequest{harness_->pool(), raw, to, "qcow2"}));
  EXPECT_EQ(Volume(to).format, "qcow2");
  EXPECT_TRUE(harness_->GuestView(to) == harness_->GuestView(raw));
}

TEST_P(TargetContract, ConversionNeverChangesASealedCopy) {
  const std::string copy = SealedCopy("sealed");
  const std::string raw = harness_->FreshName() + ".raw";
  ASSERT_GOOD(Ask(target::kEnsureVolume, RawVolume(raw)));
  ASSERT_GOOD(Put(raw, 0, 0, "another", true));
  (void)Ask(target::kConvertVolume, ConvertVolumeRequest{harness_->pool(), raw, copy, "qcow2"});  // may be refused
  EXPECT_EQ(At(harness_->GuestView(copy), 0, 6), "sealed");
  EXPECT_NE(Volume(copy).seal, "");
}

TEST_P(TargetContract, OverlayShowsTheCopyBelow) {
  const std::string copy = SealedCopy("below");
  const std::string overlay = OverlayOver(copy);
  const VolumeFacts facts = Volume(overlay);
  EXPECT_EQ(facts.format, "qcow2");
  EXPECT_EQ(facts.capacity_bytes, 8 * kMib);
  EXPECT_EQ(facts.backing, Volume(copy).path);
  EXPECT_TRUE(harness_->GuestView(overlay) == harness_->GuestView(copy));
  ASSERT_GOOD(Ask(target::kEnsureNoVolume, RemoveVolumeRequest{harness_->pool(), overlay, false}));
  EXPECT_EQ(At(harness_->GuestView(copy), 0, 5), "below") << "the sealed copy outlives its overlay";
}

TEST_P(TargetContract, OverlayNeedsWhatLiesBelow) {
  const std::string overlay = harness_->FreshName();
  const EnsureVolumeRequest request{harness_->pool(), overlay, "qcow2", 8 * kMib, "novolume7", "qcow2"};
  EXPECT_KIND(Ask(target::kEnsureVolume, request), ErrorKind::kNotFound);
  EXPECT_FALSE(harness_->VolumeThere(overlay));
}

}  // namespace vmferry::contracts
