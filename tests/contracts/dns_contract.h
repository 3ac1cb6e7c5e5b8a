// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "dns" (plugins/dns.h).
#pragma once

#include <string>

#include "plugins/dns.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

class DnsHarness {
 public:
  virtual ~DnsHarness() = default;
  virtual Plugin& plugin() = 0;
  virtual std::string zone() = 0;

  // The truth at the primary, seen and changed without the plugin. Names are within the zone.
  virtual RecordSet Truth(const std::string& name, const std::string& type) = 0;
  // Rises with every change that the plugin makes.
  virtual int Changes() = 0;
  virtual void SomebodySets(const std::string& name, const std::string& type, const RecordSet& records) = 0;
  virtual bool Breathe() { return false; }
};

class DnsContract : public ::testing::TestWithParam<Maker<DnsHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
    harness_->SomebodySets(Name(), "A", Old());
    harness_->SomebodySets(Name(), "AAAA", {});
  }
  std::string Name(const std::string& host = "web") { return host + "." + harness_->zone(); }
  static RecordSet Old() { return {{"10.0.0.1"}, 300}; }

  Result<RecordFacts> Look(const std::string& name, const std::string& type = "A",
                           const std::vector<std::string>& wanted = {}) {
    return Asker(harness_->plugin())(dns::kDescribeRecords, RecordQuery{name, type, wanted});
  }
  Result<Done> Set(const std::string& name, const std::string& type, const RecordSet& expected,
                   const RecordSet& wanted) {
    return Asker(harness_->plugin())(dns::kSetRecords, SetRecordsRequest{name, type, expected, wanted});
  }
  RecordSet Truth(const std::string& type = "A") { return harness_->Truth(Name(), type); }

  std::unique_ptr<DnsHarness> harness_;
};

}  // namespace vmferry::contracts
