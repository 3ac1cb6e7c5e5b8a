// SPDX-License-Identifier: Apache-2.0
#include "plugins/restic/owned.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <system_error>
#include <vector>

#include "plugins/detached.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{15};
constexpr char kOwner[] = "owner", kNewOwner[] = "owner.new";

// Locks `path`; a Descriptor of -1 if another holds it, or it is not there and `flags` do not make it.
Descriptor Locked(const fs::path& path, int flags) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC | flags, 0600));
  if (file.get() >= 0 && flock(file.get(), LOCK_EX | LOCK_NB) != 0) file.Close();
  return file;
}

}  // namespace

OwnedFolders::~OwnedFolders() {
  const steady_clock::time_point deadline = steady_clock::now() + kPatience;
  for (const auto& [folder, lock] : owned_) StopDetached(folder, deadline);
}

void OwnedFolders::Own(const fs::path& folder) {
  const std::lock_guard lock(mutex_);
  if (owned_.contains(folder)) return;
  std::error_code error;
  if (!fs::exists(folder / kOwner, error)) {
    fs::create_directories(folder, error);
    // Under another name until it is locked, so that no sweep takes the folder for one of somebody who is gone.
    Descriptor file = Locked(folder / kNewOwner, O_CREAT);
    if (file.get() < 0) return;
    fs::rename(folder / kNewOwner, folder / kOwner, error);
    if (!error) owned_.emplace(folder, std::move(file));
    return;
  }
  Descriptor file = Locked(folder / kOwner, 0);
  if (file.get() >= 0) owned_.emplace(folder, std::move(file));
}

void OwnedFolders::Forget(const fs::path& folder) {
  const std::lock_guard lock(mutex_);
  owned_.erase(folder);
}

void OwnedFolders::Sweep(const fs::path& root, steady_clock::time_point deadline) const {
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator at(root, error), end; !error && at != end; at.increment(error))
    folders.push_back(at->path());
  for (const fs::path& folder : folders)
    if (const Descriptor lock = Locked(folder / kOwner, 0); lock.get() >= 0) StopDetached(folder, deadline);
}

}  // namespace vmferry
