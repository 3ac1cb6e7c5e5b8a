// SPDX-License-Identifier: Apache-2.0
#include "state/space_reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "state/journal_files.h"

namespace vmferry {

Status SpaceReserve::Hold(const std::string& path, std::int64_t bytes) {
  Release();
  std::string name = DirectoryOf(path) + "/.vmferry-space-XXXXXX";
  const std::string advice = "free " + std::to_string((bytes >> 20) + 1) + " MiB there, or choose another place";
  descriptor_ = mkostemp(name.data(), O_CLOEXEC);
  if (descriptor_ < 0) return FileError(path, errno, "cannot write beside the journal", advice);
  unlink(name.c_str());
  const int problem = bytes > 0 ? posix_fallocate(descriptor_, 0, bytes) : 0;
  if (problem == 0) return Ok();
  Release();
  return FileError(path, problem, "not enough space for the journal", advice);
}

bool SpaceReserve::Release() {
  if (descriptor_ < 0) return false;
  close(descriptor_);
  descriptor_ = -1;
  return true;
}

}  // namespace vmferry
