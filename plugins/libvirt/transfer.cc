// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/transfer.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace vmferry::libvirt {
namespace {

std::string Object(const OpenVolume& volume) {
  return VolumeObject(volume.pool, volume.name);
}

// fsync by path. False with errno set if the file could be opened but not synced.
bool SyncPath(const std::string& path, int flags) {
  const int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return true;  // not ours to open: nothing is known, and nothing promised
  const bool synced = ::fsync(fd) == 0 || errno == EINVAL || errno == EROFS;
  const int saved = errno;
  ::close(fd);
  errno = saved;
  return synced;
}

// A stream that is aborted unless it was finished.
class Transfer {
 public:
  Transfer(const Session& session, const OpenVolume& volume)
      : session_(session), volume_(volume), stream_(virStreamNew(session.get(), 0)) {}
  ~Transfer() {
    if (stream_ && open_) virStreamAbort(stream_.get());
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  virStreamPtr get() const { return stream_.get(); }
  void Opened() { open_ = true; }
  Status Finish() {
    open_ = false;
    if (virStreamFinish(stream_.get()) < 0) return Failed("the transfer did not finish");
    return Ok();
  }
  Error Failed(const std::string& what) {
    const Failure failure = LastFailure();
    if (open_) virStreamAbort(stream_.get());
    open_ = false;
    return StorageFailure(session_, failure, volume_.pool, Object(volume_), what);
  }

 private:
  const Session& session_;
  const OpenVolume& volume_;
  StreamHandle stream_;
  bool open_ = false;
};

}  // namespace

Status Durable(const Session& session, const OpenVolume& volume) {
  const std::string& path = volume.document.path;
  if (!session.connection()->IsLocal() || !path.starts_with('/')) return Ok();
  const auto slash = path.rfind('/');
  if (SyncPath(path, O_RDONLY) && SyncPath(path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY)) return Ok();
  return session.Refuse(ErrorKind::kUnknownOutcome, Object(volume),
                        path + " could not be synced to disk: " + std::generic_category().message(errno),
                        "the host's storage reports a fault: check its log before copying again");
}

Result<std::string> ReadHead(const Session& session, const OpenVolume& volume, std::uint64_t limit) {
  return ReadRange(session, volume, 0, std::min(limit, volume.document.capacity_bytes));
}

Result<std::string> ReadRange(const Session& session, const OpenVolume& volume, std::uint64_t offset,
                              std::uint64_t length) {
  if (length == 0) return std::string();
  Transfer transfer(session, volume);
  if (transfer.get() == nullptr || virStorageVolDownload(volume.handle.get(), transfer.get(), offset, length, 0) < 0)
    return transfer.Failed("cannot be read");
  transfer.Opened();
  std::string bytes;
  std::array<char, 65536> buffer;
  while (bytes.size() < length) {
    const int got = virStreamRecv(transfer.get(), buffer.data(), buffer.size());
    if (got < 0) return transfer.Failed("cannot be read");
    if (got == 0) break;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
  if (Status finished = transfer.Finish(); !finished) return finished.error();
  return bytes;
}

Status WriteHead(const Session& session, const OpenVolume& volume, const std::string& bytes) {
  Transfer transfer(session, volume);
  if (transfer.get() == nullptr || virStorageVolUpload(volume.handle.get(), transfer.get(), 0, bytes.size(), 0) < 0)
    return transfer.Failed("cannot be written");
  transfer.Opened();
  for (std::size_t sent = 0; sent < bytes.size();) {
    const int now = virStreamSend(transfer.get(), bytes.data() + sent, bytes.size() - sent);
    if (now < 0) return transfer.Failed("cannot be written");
    sent += static_cast<std::size_t>(now);
  }
  if (Status finished = transfer.Finish(); !finished) return finished;
  return Durable(session, volume);
}

}  // namespace vmferry::libvirt
