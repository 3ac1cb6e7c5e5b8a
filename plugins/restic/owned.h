// SPDX-License-Identifier: Apache-2.0
//
// OwnedFolders: detached work that nobody can end by a call, since it is begun by checks, which may only read. It
// belongs to this object, which stops it at its end; what a process left that was killed, the next one stops.
//
// Who owns a folder is asked of the kernel: its owner holds a lock (flock) on FOLDER/owner, which goes with the process.
// Threading: any thread. Waiting: Sweep until `deadline`, the destructor 15 s at most.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>

#include "plugins/descriptor.h"

namespace vmferry {

class OwnedFolders {
 public:
  OwnedFolders() = default;
  ~OwnedFolders();
  OwnedFolders(const OwnedFolders&) = delete;
  OwnedFolders& operator=(const OwnedFolders&) = delete;

  // Makes `folder` ours, unless somebody who lives has it; it is made if it is not there. May be repeated.
  void Own(const std::filesystem::path& folder);
  // It is gone.
  void Forget(const std::filesystem::path& folder);
  // Stops and removes the folders below `root` whose owner is gone. Those without an owner are left alone.
  void Sweep(const std::filesystem::path& root, std::chrono::steady_clock::time_point deadline) const;

 private:
  std::mutex mutex_;
  std::map<std::filesystem::path, Descriptor> owned_;
};

}  // namespace vmferry
