// SPDX-License-Identifier: Apache-2.0
#include "state/journal_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace vmferry {
namespace {

Status SyncDirectory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return FileError(directory, errno, "cannot open the directory", "");
  const int problem = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  if (problem != 0) return FileError(directory, problem, "cannot make the directory durable", "");
  return Ok();
}

}  // namespace

Error FileError(const std::string& path, int number, const std::string& doing, const std::string& advice) {
  ErrorKind kind = ErrorKind::kUnavailable;
  if (number == EACCES || number == EPERM || number == EROFS) kind = ErrorKind::kDenied;
  if (number == ENOENT) kind = ErrorKind::kNotFound;
  if (number == ENOTDIR || number == EISDIR || number == ELOOP) kind = ErrorKind::kInvalid;
  return Error{.kind = kind,
               .system = "journal",
               .object = path,
               .message = doing + ": " + std::strerror(number),
               .advice = advice};
}

std::string DirectoryOf(const std::string& path) {
  const std::string directory = std::filesystem::path(path).parent_path().string();
  return directory.empty() ? "." : directory;
}

Status CreateDirectoriesFor(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  struct stat there {};
  if (stat(directory.c_str(), &there) == 0) {
    if (S_ISDIR(there.st_mode)) return Ok();
    return FileError(directory, ENOTDIR, "cannot keep a journal there", "choose another place with --journal");
  }
  if (directory == "/" || directory == ".") return FileError(directory, errno, "cannot reach the directory", "");
  if (Status above = CreateDirectoriesFor(directory); !above) return above;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return FileError(directory, errno, "cannot create the directory", "choose another place with --journal");
  return SyncDirectory(DirectoryOf(directory));
}

Status CreateFile0600(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0) {
    close(fd);
    return SyncDirectory(DirectoryOf(path));
  }
  if (errno != EEXIST)
    return FileError(path, errno, "cannot create the journal", "choose another place with --journal");
  struct stat there {};
  if (stat(path.c_str(), &there) != 0) return FileError(path, errno, "cannot reach the journal", "");
  if (!S_ISREG(there.st_mode))
    return Error{ErrorKind::kInvalid, "journal", path, "is not a file", "choose another place with --journal"};
  return Ok();
}

std::string FileSystemType(std::string_view mountinfo, dev_t device) {
  const std::string wanted = std::to_string(major(device)) + ":" + std::to_string(minor(device));
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string id, parent, number, word;
    words >> id >> parent >> number;
    if (number != wanted) continue;
    while (words >> word && word != "-") {
    }
    words >> word;
    return word;
  }
  return "";
}

bool IsNetworkFileSystem(std::string_view type) {
  constexpr std::array<std::string_view, 17> kTypes{
      "nfs",   "nfs4",   "cifs", "smb3",       "smbfs",          "afs",       "ceph",     "coda", "lustre", "9p",
      "ncpfs", "beegfs", "gpfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs"};
  return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end();
}

Status CheckLocal(const std::string& path) {
  const std::string directory = DirectoryOf(path);
  struct stat there {};
  if (stat(directory.c_str(), &there) != 0) return FileError(directory, errno, "cannot reach the directory", "");
  std::ifstream file("/proc/self/mountinfo");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string type = FileSystemType(text.str(), there.st_dev);
  if (!IsNetworkFileSystem(type)) return Ok();
  return Error{.kind = ErrorKind::kInvalid,
               .system = "journal",
               .object = path,
               .message = "lies on a network file system (" + type + "), where its durability cannot be promised",
               .advice = "put the journal on a local disk with --journal"};
}

}  // namespace vmferry
