// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "source platform" (plugins/source_platform.h).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "plugins/source_platform.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class SourceHarness {
 public:
  virtual ~SourceHarness() = default;
  virtual Plugin& plugin() = 0;
  // Full path of a running, unclaimed, unfenced VM with guest tools, a network adapter and a disk.
  virtual std::string vm() = 0;
  // A name without a path that two VMs have; empty: this system has none.
  virtual std::string ambiguous_name() { return ""; }

  // The truth, seen without the plugin.
  virtual bool PoweredOn() = 0;
  virtual int OpenLeases() = 0;
  virtual int SnapshotCount() = 0;
  // All bytes of the disk, zeros included.
  virtual std::string DiskBytes(const DiskFacts& disk) = 0;

  // Somebody else changes the VM's configuration.
  virtual void Reconfigure() = 0;
  // The guest tools stop; false: this system cannot do that.
  virtual bool StopTools() { return false; }
  // Waits until the guest has started its tools, which takes a real one a while.
  virtual void AwaitTools() {}
  // Gives a real system a moment between two looks; false: it needs none.
  virtual bool Breathe() { return false; }
};

class SourceContract : public ::testing::TestWithParam<Maker<SourceHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
    vm_ = harness_->vm();
  }

  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Asker(harness_->plugin())(call, request);
  }
  // The VM as it is now; a failure fails the test.
  VmFacts Facts();
  // Claims the VM; true if the claim took.
  bool Claim(const std::string& claim);
  // Repeats a power call until it is done.
  bool Finish(const Call<PowerRequest, PowerReply>& call, const std::string& claim = "");
  // Reads a disk to its end, into a buffer as large as the disk.
  Result<std::string> ReadDisk(const DiskFacts& disk, const std::string& method, const std::string& handle,
                               std::uint64_t offset = 0, const std::string& snapshot = "");

  std::unique_ptr<SourceHarness> harness_;
  std::string vm_;
};

}  // namespace vmferry::contracts
