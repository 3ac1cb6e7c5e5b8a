// SPDX-License-Identifier: Apache-2.0
//
// The libvirt plugin against a real daemon: the host, volumes, seals, faults. Run by the lab's end-to-end script only.
#include <libvirt/libvirt.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>
#include <thread>

#include "state/digest.h"
#include "tests/live/libvirt_lab.h"

namespace vmferry::live {
namespace {

TEST_F(LibvirtLive, TheHostIsDescribed) {
  auto facts = Invoke(*plugin_, target::kDescribeTarget, PlatformQuery{}, kContext);
  ASSERT_OK(facts);
  EXPECT_TRUE(facts->product.starts_with("QEMU ")) << facts->product;
  EXPECT_NE(facts->product.find(", libvirt "), std::string::npos);
  EXPECT_GT(facts->cpus, 0);
  EXPECT_GT(facts->memory_free_mib, 0);
  EXPECT_NE(std::find(facts->domain_types.begin(), facts->domain_types.end(), "qemu"), facts->domain_types.end());
  EXPECT_NE(std::find(facts->firmwares.begin(), facts->firmwares.end(), "bios"), facts->firmwares.end());
  EXPECT_NE(std::find(facts->networks.begin(), facts->networks.end(), "user"), facts->networks.end());
  const auto pool = std::find_if(facts->pools.begin(), facts->pools.end(), [&](auto& p) { return p.name == pool_; });
  ASSERT_NE(pool, facts->pools.end());
  EXPECT_EQ(pool->type, "dir");
  EXPECT_TRUE(pool->active);
  EXPECT_GT(pool->available_bytes, 0u);
}

TEST_F(LibvirtLive, ACopyArrivesByteForByteSparseAndFast) {
  const std::uint64_t size = 512 * kMiB;
  std::string disk(size, '\0');
  const std::string noise = Noise(256 * kMiB);
  disk.replace(64 * kMiB, 128 * kMiB, noise, 0, 128 * kMiB);
  disk.replace(384 * kMiB, 127 * kMiB, noise, 128 * kMiB, 127 * kMiB);
  ASSERT_OK(MakeRaw("disk.raw", size));
  const auto began = std::chrono::steady_clock::now();
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, disk));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
  std::cout << "uploaded 512 MiB (255 MiB of data) in " << took.count()
            << " s: " << static_cast<int>(512 / took.count()) << " MiB/s logical, "
            << static_cast<int>(255 / took.count()) << " MiB/s of data\n";
  EXPECT_EQ(Sha256Hex(OnDisk("disk.raw")), Sha256Hex(disk));
  EXPECT_LT(Volume("disk.raw").allocation_bytes, 260 * kMiB);
  EXPECT_EQ(Volume("disk.raw").capacity_bytes, size);
}

TEST_F(LibvirtLive, AHoleWrittenOverOldDataReadsAsZeros) {
  ASSERT_OK(MakeRaw("disk.raw", 8 * kMiB));
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, std::string(8 * kMiB, 'o')));
  std::string second(8 * kMiB, '\0');
  second.replace(3 * kMiB, 5, "hello");
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, second));
  EXPECT_EQ(OnDisk("disk.raw"), second);
}

TEST_F(LibvirtLive, ACopyResumedAtAnOffsetKeepsWhatIsBeforeAndNothingBehind) {
  ASSERT_OK(MakeRaw("disk.raw", 8 * kMiB));
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, std::string(8 * kMiB, 'o')));
  std::string tail(5 * kMiB, '\0');
  tail.replace(2 * kMiB, 5, "hello");
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 3 * kMiB, tail));
  EXPECT_EQ(OnDisk("disk.raw"), std::string(3 * kMiB, 'o') + tail);
}

TEST_F(LibvirtLive, AnUploadThatWasCutIsStartedAgainInTheSameVolume) {
  ASSERT_OK(MakeRaw("disk.raw", 8 * kMiB));
  {
    auto writer =
        Open<VolumeWriter>(*plugin_, target::kWriteVolume, WriteVolumeRequest{pool_, Name("disk.raw"), 0, 0}, {});
    ASSERT_OK(writer);
    const std::string data(kMiB, 'x');
    ASSERT_OK((*writer)->Write(kMiB, std::as_bytes(std::span(data))));
  }
  plugin_ = NewPlugin();
  // The daemon lets go of the volume a moment after the stream was cut.
  ASSERT_TRUE(Await([&] { return MakeRaw("disk.raw", 8 * kMiB).ok(); }));
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, std::string(8 * kMiB, 'y')));
  EXPECT_EQ(OnDisk("disk.raw"), std::string(8 * kMiB, 'y'));
  EXPECT_EQ(Volume("disk.raw").capacity_bytes, 8 * kMiB);
}

TEST_F(LibvirtLive, SeveralDisksAreWrittenAtOnce) {
  ASSERT_OK(MakeRaw("disk.raw", 64 * kMiB));
  ASSERT_OK(MakeRaw("two.raw", 64 * kMiB));
  const std::string data = Noise(64 * kMiB);
  std::thread other([&] { EXPECT_TRUE(Upload(*plugin_, pool_, Name("two.raw"), 0, data).ok()); });
  EXPECT_TRUE(Upload(*plugin_, pool_, Name("disk.raw"), 0, data).ok());
  other.join();
  EXPECT_EQ(Sha256Hex(OnDisk("disk.raw")), Sha256Hex(data));
  EXPECT_EQ(Sha256Hex(OnDisk("two.raw")), Sha256Hex(data));
}

TEST_F(LibvirtLive, ASealedVolumeIsKeptByFailurePaths) {
  ASSERT_OK(MakeRaw("disk.raw", kMiB));
  EXPECT_EQ(Volume("disk.raw").seal, "");
  ASSERT_OK(Seal("disk.raw"));
  ASSERT_OK(Seal("disk.raw"));
  EXPECT_EQ(Json::parse(Volume("disk.raw").seal)["key"], "key-1");
  auto other = Seal("disk.raw", "key-2");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().kind, ErrorKind::kConflict);
  auto removed = Invoke(*plugin_, target::kEnsureNoVolume, {pool_, Name("disk.raw"), false}, kContext);
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().kind, ErrorKind::kConflict);
  auto written = Upload(*plugin_, pool_, Name("disk.raw"), 0, "x");
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind, ErrorKind::kConflict);
  ASSERT_OK(Invoke(*plugin_, target::kEnsureNoVolume, {pool_, Name("disk.raw"), true}, kContext));
  EXPECT_FALSE(Volume("disk.raw").exists);
}

TEST_F(LibvirtLive, AHalfWrittenSealSealsNothing) {
  ASSERT_OK(MakeRaw("disk.raw", kMiB));
  // As a crash leaves it: the companion volume created, not or not wholly written.
  ASSERT_OK(Seal("disk.raw"));
  for (const std::string& rest : {std::string(40, '\0'), std::string("{\"key\": \"ke"), std::string()}) {
    std::FILE* file = std::fopen((LabValue("POOL_DIR") + "/" + Name("disk.raw.seal")).c_str(), "wb");
    ASSERT_NE(file, nullptr);
    std::fwrite(rest.data(), 1, rest.size(), file);
    std::fclose(file);
    EXPECT_EQ(Volume("disk.raw").seal, "");
  }
  ASSERT_OK(Seal("disk.raw"));
  EXPECT_EQ(Json::parse(Volume("disk.raw").seal)["key"], "key-1");
}

TEST_F(LibvirtLive, AHalfMadeConversionIsReplacedAndASealedOneKept) {
  ASSERT_OK(MakeRaw("disk.raw", kMiB));
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, std::string(kMiB, 'n')));
  ASSERT_OK(MakeRaw("disk.qcow2", 4096));  // stands for what a crash left
  const ConvertVolumeRequest convert{pool_, Name("disk.raw"), Name("disk.qcow2"), "qcow2"};
  ASSERT_OK(Invoke(*plugin_, target::kConvertVolume, convert, kContext));
  const VolumeFacts made = Volume("disk.qcow2");
  EXPECT_EQ(made.format, "qcow2");
  EXPECT_EQ(made.capacity_bytes, kMiB);
  ASSERT_OK(Seal("disk.qcow2"));
  const std::string before = OnDisk("disk.qcow2");
  ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, std::string(kMiB, 'm')));
  ASSERT_OK(Invoke(*plugin_, target::kConvertVolume, convert, kContext));
  EXPECT_EQ(OnDisk("disk.qcow2"), before);
}

TEST_F(LibvirtLive, AFullPoolIsNamedWithItsSizes) {
  std::string pool = LabHas("FULL_POOL") ? LabValue("FULL_POOL") : "";
  const std::string mounted = LabValue("POOL_DIR") + "-small-" + prefix_;
  virConnectPtr connect = virConnectOpen(LabValue("LIBVIRT_URI").c_str());
  ASSERT_NE(connect, nullptr);
  virStoragePoolPtr made = nullptr;
  if (pool.empty()) {
    ASSERT_EQ(::geteuid(), 0u) << "needs FULL_POOL in the lab's env file, or root to mount one";
    ASSERT_EQ(::mkdir(mounted.c_str(), 0700), 0);
    ASSERT_EQ(::mount("tmpfs", mounted.c_str(), "tmpfs", 0, "size=8m"), 0);
    pool = Name("small");
    const std::string xml =
        "<pool type='dir'><name>" + pool + "</name><target><path>" + mounted + "</path></target></pool>";
    made = virStoragePoolCreateXML(connect, xml.c_str(), 0);
    ASSERT_NE(made, nullptr);
  }
  ASSERT_OK(Invoke(*plugin_, target::kEnsureVolume, {pool, Name("full.raw"), "raw", 256 * kMiB, "", ""}, kContext));
  const Status full = Upload(*plugin_, pool, Name("full.raw"), 0, Noise(256 * kMiB));
  ASSERT_FALSE(full.ok());
  std::cout << Describe(full.error()) << "\n";
  EXPECT_EQ(full.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(full.error().message.find("is full (capacity"), std::string::npos) << full.error().message;
  EXPECT_NE(full.error().message.find("No space left on device"), std::string::npos);
  EXPECT_TRUE(Await([&] {
    return Invoke(*plugin_, target::kEnsureNoVolume, {pool, Name("full.raw"), false}, kContext).ok();
  }));
  if (made != nullptr) {
    virStoragePoolDestroy(made);
    virStoragePoolFree(made);
    ::umount(mounted.c_str());
    ::rmdir(mounted.c_str());
  }
  virConnectClose(connect);
}

TEST_F(LibvirtLive, ADaemonThatDiesInMidCopyLeavesAnUnknownOutcomeAndIsFoundAgain) {
  ASSERT_OK(MakeRaw("disk.raw", 64 * kMiB));
  auto writer =
      Open<VolumeWriter>(*plugin_, target::kWriteVolume, WriteVolumeRequest{pool_, Name("disk.raw"), 0, 0}, {});
  ASSERT_OK(writer);
  const std::string data = Noise(kMiB);
  ASSERT_OK((*writer)->Write(0, std::as_bytes(std::span(data))));
  const std::string restart =
      std::string("'") + VMFERRY_SOURCE_DIR + "/tests/lab/lab' restart-libvirt --state '" + LabValue("LAB_STATE") + "'";
  ASSERT_EQ(std::system(restart.c_str()), 0);
  Status written = Ok();
  for (std::uint64_t at = 1; at < 64 && written; ++at)
    written = (*writer)->Write(at * kMiB, std::as_bytes(std::span(data)));
  if (written) written = (*writer)->Finish();
  ASSERT_FALSE(written.ok());
  std::cout << Describe(written.error()) << "\n";
  EXPECT_EQ(written.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_EQ((*writer)->Finish().error().message, written.error().message) << "a broken writer stays broken";
  EXPECT_TRUE(Volume("disk.raw").exists) << "the same plugin connects again";
  EXPECT_EQ(Volume("disk.raw").seal, "");
}

TEST(LibvirtLiveConnection, ADaemonThatIsNotThereIsUnavailable) {
  auto made = PluginAt("qemu:///session?socket=/nonexistent/libvirt-sock");
  auto facts = Invoke(*made, target::kDescribeTarget, PlatformQuery{}, kContext);
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry::live
