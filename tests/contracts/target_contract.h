// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "target platform" (plugins/target_platform.h).
#pragma once

#include <string>
#include <vector>

#include "plugins/stream.h"
#include "plugins/target_network.h"
#include "plugins/target_platform.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class TargetHarness {
 public:
  virtual ~TargetHarness() = default;
  virtual Plugin& plugin() = 0;
  virtual std::string pool() = 0;
  // A name nothing on the system has yet; the harness removes what is made under it.
  virtual std::string FreshName() = 0;

  // The domain type that works on this machine.
  virtual std::string domain_type() { return "auto"; }
  // A pool that has no room for 8 MiB; empty: this system has none.
  virtual std::string full_pool() { return ""; }

  // The truth, seen without the plugin.
  // All bytes of a volume as a guest sees them, zeros included, whatever its format.
  virtual std::string GuestView(const std::string& volume) = 0;
  virtual bool VolumeThere(const std::string& volume) = 0;
  virtual bool DomainThere(const std::string& domain) = 0;
  virtual bool DomainRuns(const std::string& domain) = 0;
  // Makes a domain that is not ours.
  virtual void DefineForeign(const std::string& domain) = 0;
  virtual bool Breathe() { return false; }
};

inline constexpr std::uint64_t kMib = 1 << 20;

class TargetContract : public ::testing::TestWithParam<Maker<TargetHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
  }
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Asker(harness_->plugin())(call, request);
  }
  VolumeFacts Volume(const std::string& name);
  DomainFacts Domain(const std::string& name);
  // A raw volume of 8 MiB.
  EnsureVolumeRequest RawVolume(const std::string& name) const;
  // Writes `text` at `at`, through a writer opened at `open_at`; with `finish`.
  Status Put(const std::string& volume, std::uint64_t open_at, std::uint64_t at, const std::string& text, bool finish);
  // A finished, sealed qcow2 copy of 8 MiB with `text` at its start and its end; its name.
  std::string SealedCopy(const std::string& text);
  // A qcow2 overlay over `base`; its name.
  std::string OverlayOver(const std::string& base);
  // A definition with one disk and one adapter.
  DefineRequest Definition(const std::string& domain, const std::string& key, const std::string& volume) const;

  std::unique_ptr<TargetHarness> harness_;
};

}  // namespace vmferry::contracts
