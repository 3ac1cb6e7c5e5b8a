// SPDX-License-Identifier: Apache-2.0
//
// Repository: runs restic on the site's repository, short commands bounded by the call, and gives what a detached one
// needs. Secrets are resolved at every use and go into the environment of restic alone.
// Threading: any thread. Errors are complete: system, words of restic, advice.
#pragma once

#include <string>
#include <vector>

#include "plugins/backup.h"
#include "plugins/registry.h"

namespace vmferry {

class Repository {
 public:
  explicit Repository(PluginSetup setup);
  std::string system() const { return system_; }
  const std::string& work_directory() const { return work_directory_; }

  std::vector<std::string> Argv(const std::vector<std::string>& arguments) const;
  // As execve wants it.
  Result<std::vector<std::string>> Environment() const;
  // Standard output of a command that only reads.
  Result<std::string> Read(const std::vector<std::string>& arguments, const CallContext& context) const;
  // The snapshots that have all of it, newest first for each host and set of paths.
  Result<std::vector<BackupFacts>> Snapshots(const BackupScope& scope, const CallContext& context) const;

  Error Fail(ErrorKind kind, std::string object, std::string message, std::string advice) const;
  // Of a command that ended with another exit code than 0. `kind`: when it is none of OutsideFailure.
  Error Failed(ErrorKind kind, int exit_code, const std::string& errors) const;

 private:
  Result<std::vector<std::pair<std::string, std::string>>> Secrets() const;

  const PluginSetup setup_;
  const std::string program_, repository_, work_directory_, system_;
};

}  // namespace vmferry
