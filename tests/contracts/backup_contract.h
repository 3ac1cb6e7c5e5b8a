// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "backup" (plugins/backup.h).
#pragma once

#include <string>

#include "plugins/backup.h"
#include "tests/contracts/contract.h"

namespace vmferry::contracts {

// A product without backups.
class BackupHarness {
 public:
  virtual ~BackupHarness() = default;
  virtual Plugin& plugin() = 0;
  // Something that can be backed up.
  virtual std::string existing_path() = 0;

  // The truth, seen without the plugin: how many backups are kept; whether anything begun still works or left files.
  virtual int Kept() = 0;
  virtual bool WorksLeft() = 0;
  // Damages the data of the newest backup; its list and the structure of the repository stay good.
  virtual void Damage() = 0;
  virtual bool Breathe() { return false; }
};

class BackupContract : public ::testing::TestWithParam<Maker<BackupHarness>> {
 protected:
  void SetUp() override {
    harness_ = GetParam().make();
    ASSERT_NE(harness_, nullptr);
  }
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request) {
    return Asker(harness_->plugin())(call, request);
  }
  BackupRunRequest Run(const std::string& key = "0123456789ab");
  // Makes a backup and waits for it.
  BackupFacts Make(const std::string& key = "0123456789ab");
  BackupCheck Await(const Call<BackupCheckRequest, BackupCheck>& call, const std::string& depth);

  std::unique_ptr<BackupHarness> harness_;
};

}  // namespace vmferry::contracts
