// SPDX-License-Identifier: Apache-2.0
//
// What the live test of the libvirt plugin needs of the lab: its env file (named by VMFERRY_LAB_ENV, lines KEY=VALUE),
// the plugin on the lab's URI, and a plain HTTP client for the guest.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "plugins/call.h"
#include "plugins/stream.h"
#include "plugins/target_platform.h"
#include "state/digest.h"

namespace vmferry::live {

// The value of a key of the lab's env file. Missing file or key: prints why and ends the program with status 1.
std::string LabValue(const std::string& key);
bool LabHas(const std::string& key);
// The bytes of a file; ends the program if it cannot be read.
std::string FileBytes(const std::string& path);
// The lab's guest disk, built on first use; the path of a raw image.
std::string GuestImage();

// A new plugin on the lab's libvirt, as after a restart of vmferry.
std::shared_ptr<Plugin> NewPlugin();
// A plugin on another URI.
std::shared_ptr<Plugin> PluginAt(const std::string& uri);

// The response to one HTTP/1.0 request on loopback; empty if nothing answered.
std::string Http(int port, const std::string& method, const std::string& path, const std::string& body = "");

// Writes `bytes` into a raw volume at `offset`, as a copy worker does.
Status Upload(Plugin& plugin, const std::string& pool, const std::string& volume, std::uint64_t offset,
              const std::string& bytes);

inline constexpr std::uint64_t kMiB = 1024 * 1024;
inline const CallContext kContext;

// Bytes without a zero word.
std::string Noise(std::size_t bytes);

#define ASSERT_OK(result) ASSERT_TRUE(result.ok()) << Describe(result.error())

// A plugin on the lab, names of its own, and the promise that nothing is left behind.
class LibvirtLive : public ::testing::Test {
 protected:
  LibvirtLive() : pool_(LabValue("POOL")), prefix_("live-" + RandomHex(4)), plugin_(NewPlugin()) {}

  ~LibvirtLive() override {
    const DomainRequest domain{Name("vm"), "key-1"};
    (void)Invoke(*plugin_, target::kEnsureStopped, domain, kContext);
    (void)Invoke(*plugin_, target::kEnsureUndefined, domain, kContext);
    for (const char* volume : {"ov", "disk.qcow2", "disk.raw", "two.raw"})
      EXPECT_TRUE(Invoke(*plugin_, target::kEnsureNoVolume, {pool_, Name(volume), true}, kContext).ok());
    for (const auto& entry : std::filesystem::directory_iterator(LabValue("POOL_DIR")))
      EXPECT_FALSE(entry.path().filename().string().starts_with(prefix_)) << "left behind: " << entry.path();
  }

  std::string Name(const std::string& what) const { return prefix_ + "-" + what; }
  std::string OnDisk(const std::string& what) const { return FileBytes(LabValue("POOL_DIR") + "/" + Name(what)); }
  Result<VolumeReply> MakeRaw(const std::string& what, std::uint64_t bytes) {
    return Invoke(*plugin_, target::kEnsureVolume, {pool_, Name(what), "raw", bytes, "", ""}, kContext);
  }
  VolumeFacts Volume(const std::string& what) {
    auto facts = Invoke(*plugin_, target::kDescribeVolume, {pool_, Name(what)}, kContext);
    EXPECT_TRUE(facts.ok()) << Describe(facts.error());
    return facts ? *facts : VolumeFacts{};
  }
  Result<Done> Seal(const std::string& what, const std::string& key = "key-1") {
    return Invoke(*plugin_, target::kSealVolume, {pool_, Name(what), Json{{"key", key}, {"digest", "d"}}.dump()},
                  kContext);
  }

  // The guest of the lab as the steps would bring it: copied raw, converted, sealed, under an overlay, defined.
  void BringGuest() {
    const std::string image = FileBytes(GuestImage());
    ASSERT_OK(MakeRaw("disk.raw", image.size()));
    ASSERT_OK(Upload(*plugin_, pool_, Name("disk.raw"), 0, image));
    ASSERT_OK(Seal("disk.raw"));
    ASSERT_OK(
        Invoke(*plugin_, target::kConvertVolume, {pool_, Name("disk.raw"), Name("disk.qcow2"), "qcow2"}, kContext));
    ASSERT_OK(Seal("disk.qcow2"));
    ASSERT_OK(Invoke(*plugin_, target::kEnsureVolume,
                     {pool_, Name("ov"), "qcow2", image.size(), Name("disk.qcow2"), "qcow2"}, kContext));
    ASSERT_OK(Invoke(*plugin_, target::kEnsureDefined, Definition(), kContext));
  }
  DefineRequest Definition() const {
    DefineRequest request;
    request.domain = Name("vm");
    request.key = "key-1";
    request.cpus = 1;
    request.memory_mib = 256;
    request.firmware = "bios";
    request.disk_bus = "virtio";
    request.disks = {{pool_, Name("ov"), "qcow2"}};
    request.nics = {{"00:50:56:aa:bb:0c", "user", "virtio"}};
    request.domain_type = LabValue("LIBVIRT_DOMAIN_TYPE");
    request.extra_xml = LabHas("APP1_EXTRA_DOMAIN_XML") ? LabValue("APP1_EXTRA_DOMAIN_XML")
                                                        : FileBytes(LabValue("APP1_EXTRA_DOMAIN_XML_FILE"));
    return request;
  }
  DomainRequest Vm() const { return {Name("vm"), "key-1"}; }
  DomainFacts Domain() {
    auto facts = Invoke(*plugin_, target::kDescribeDomain, {Name("vm")}, kContext);
    EXPECT_TRUE(facts.ok()) << Describe(facts.error());
    return facts ? *facts : DomainFacts{};
  }

  // Polls until `true`, at most two minutes: a TCG guest boots in seconds, on a busy machine in many more.
  template <class Condition>
  static bool Await(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return true;
  }
  static int Port() { return std::stoi(LabValue("APP1_KVM_PORT")); }
  static bool Answers() { return Http(Port(), "GET", "/healthz").find("ok") != std::string::npos; }
  void StartAndAwait() {
    ASSERT_TRUE(Await([&] {
      auto started = Invoke(*plugin_, target::kEnsureRunning, Vm(), kContext);
      EXPECT_TRUE(started.ok()) << Describe(started.error());
      return !started || started->done;
    }));
    ASSERT_TRUE(Await(Answers)) << "the guest does not answer on port " << Port();
  }
  bool StopByButton() {
    return Await([&] {
      auto asked = Invoke(*plugin_, target::kRequestStop, Vm(), kContext);
      EXPECT_TRUE(asked.ok()) << Describe(asked.error());
      return !asked || asked->done;
    });
  }
  Result<MergeReply> Merge() { return Invoke(*plugin_, target::kMergeOverlays, Vm(), kContext); }

  const std::string pool_;
  const std::string prefix_;
  std::shared_ptr<Plugin> plugin_;
};

}  // namespace vmferry::live
