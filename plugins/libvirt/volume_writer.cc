// SPDX-License-Identifier: Apache-2.0
//
// OpenWriter of transfer.h.
//
// Holes: with VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM the daemon skips a hole in a file (and cuts the file off behind
// it) and writes zeros over it on a block device. So a hole in a file that holds older data would bring that data
// back. The file is therefore cut off at the offset first, and the cut is verified by the volume's physical size;
// where it cannot be had, zeros are sent as bytes. (Whether a volume was ever written cannot be asked: its allocation
// is known late on some file systems.) Until Finish such a volume may look smaller than it was created; EnsureVolume
// knows that.
#include <libvirt/virterror.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

#include "plugins/libvirt/transfer.h"

namespace vmferry::libvirt {
namespace {

// Zeros shorter than this are not worth a message of their own.
constexpr std::size_t kHoleBytes = 64 * 1024;
// libvirt's messages carry up to 256 KiB to any daemon; larger sends are cut by the library.
constexpr std::size_t kSendBytes = 256 * 1024 - 64;

bool AllZero(std::span<const std::byte> bytes) {
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

class Writer final : public VolumeWriter {
 public:
  Writer(Session session, OpenVolume volume, std::uint64_t offset, std::uint64_t end, std::stop_token stop)
      : session_(std::move(session)),
        volume_(std::move(volume)),
        position_(offset),
        end_(end),
        stop_(std::move(stop)) {}
  ~Writer() override {
    if (stream_) virStreamAbort(stream_.get());
  }

  Status Open(bool sparse) {
    sparse_ = sparse;
    stream_.reset(virStreamNew(session_.get(), 0));
    if (!stream_) return Break("cannot be written");
    // A file that was cut off is made whole again by the last hole.
    stream_end_ = sparse && volume_.document.type != "block" ? volume_.document.capacity_bytes : end_;
    const unsigned flags = sparse ? VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM : 0;
    const std::uint64_t length = stream_end_ - position_;
    if (virStorageVolUpload(volume_.handle.get(), stream_.get(), position_, length, flags) == 0) return Ok();
    const Failure failure = LastFailure();
    stream_.reset();
    return StorageFailure(session_, failure, volume_.pool, Object(), "cannot be written");
  }

  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (broken_) return *broken_;
    if (!stream_) return Misuse("a finished volume was written to");
    if (offset < position_ || offset > end_ || bytes.size() > end_ - offset)
      return Misuse("a write at " + std::to_string(offset) + " of " + std::to_string(bytes.size()) +
                    " bytes is out of order or beyond the end");
    if (Status skipped = Skip(offset - position_); !skipped) return skipped;
    while (!bytes.empty()) {
      if (stop_.stop_requested()) return Misuse("stopped on request", ErrorKind::kUnavailable);
      const auto block = bytes.first(std::min(bytes.size(), kHoleBytes - position_ % kHoleBytes));
      const auto run = RunOfSameKind(bytes, block.size());
      if (Status sent = AllZero(block) ? Skip(run) : Send(bytes.first(run)); !sent) return sent;
      bytes = bytes.subspan(run);
    }
    return Ok();
  }

  Status Finish() override {
    if (broken_) return *broken_;
    if (!stream_) return Misuse("a volume was finished twice");
    if (Status skipped = Skip(stream_end_ - position_); !skipped) return skipped;
    const int finished = virStreamFinish(stream_.get());
    if (finished < 0) return Break("the transfer did not finish");
    stream_.reset();
    return Durable(session_, volume_);
  }

 private:
  std::string Object() const { return VolumeObject(volume_.pool, volume_.name); }

  Error Misuse(const std::string& message, ErrorKind kind = ErrorKind::kInternal) {
    return session_.Refuse(kind, Object(), message);
  }

  // The stream is over; every later call says the same.
  Error Break(const std::string& what) {
    const Failure failure = LastFailure();
    if (stream_) virStreamAbort(stream_.get());
    stream_.reset();
    broken_ = StorageFailure(session_, failure, volume_.pool, Object(), what + " at byte " + std::to_string(position_));
    return *broken_;
  }

  // How many bytes from the start go the same way (zeros or data) as the first block does; whole blocks.
  static std::size_t RunOfSameKind(std::span<const std::byte> bytes, std::size_t first) {
    const bool zero = AllZero(bytes.first(first));
    std::size_t run = first;
    while (run < bytes.size()) {
      const std::size_t next = std::min(kHoleBytes, bytes.size() - run);
      if (AllZero(bytes.subspan(run, next)) != zero) break;
      run += next;
    }
    return run;
  }

  Status Skip(std::uint64_t length) {
    if (length == 0) return Ok();
    if (!sparse_) return SendZeros(length);
    if (virStreamSendHole(stream_.get(), static_cast<long long>(length), 0) < 0) return Break("cannot be written");
    position_ += length;
    return Ok();
  }

  Status SendZeros(std::uint64_t length) {
    static const std::array<std::byte, kSendBytes> kZeros{};
    while (length > 0) {
      const std::size_t now = std::min<std::uint64_t>(length, kZeros.size());
      if (Status sent = Send(std::span(kZeros).first(now)); !sent) return sent;
      length -= now;
    }
    return Ok();
  }

  Status Send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      if (stop_.stop_requested()) return Misuse("stopped on request", ErrorKind::kUnavailable);
      const std::size_t now = std::min(bytes.size(), kSendBytes);
      const int sent = virStreamSend(stream_.get(), reinterpret_cast<const char*>(bytes.data()), now);
      if (sent <= 0) return Break("cannot be written");
      position_ += static_cast<std::uint64_t>(sent);
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return Ok();
  }

  Session session_;
  OpenVolume volume_;
  std::uint64_t position_;
  const std::uint64_t end_;
  const std::stop_token stop_;
  std::uint64_t stream_end_ = 0;
  bool sparse_ = false;
  StreamHandle stream_;
  std::optional<Error> broken_;
};

// One short sparse upload: `bytes` data, then a hole of `hole` bytes, whose end becomes the end of the file.
Status ShortUpload(const Session& session, const OpenVolume& volume, std::uint64_t offset, std::size_t bytes,
                   std::size_t hole) {
  const StreamHandle stream(virStreamNew(session.get(), 0));
  const char zeros[1] = {0};
  const bool opened = stream && virStorageVolUpload(volume.handle.get(), stream.get(), offset, bytes + hole,
                                                    VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM) == 0;
  const bool sent = opened && (bytes == 0 || virStreamSend(stream.get(), zeros, bytes) == static_cast<int>(bytes)) &&
                    (hole == 0 || virStreamSendHole(stream.get(), static_cast<long long>(hole), 0) == 0);
  if (sent && virStreamFinish(stream.get()) == 0) return Ok();
  const Failure failure = LastFailure();
  if (opened) virStreamAbort(stream.get());
  return StorageFailure(session, failure, volume.pool, VolumeObject(volume.pool, volume.name), "cannot be written");
}

// Cuts a file off at `offset` (at 1 for 0), by a hole over the byte before, which keeps its value. True if the
// physical size proves that it worked.
Result<bool> CutOff(const Session& session, const OpenVolume& volume, std::uint64_t offset) {
  if (volume.document.type != "file") return false;
  if (offset == 0) {
    if (Status first = ShortUpload(session, volume, 0, 1, 0); !first) return first.error();
    offset = 1;
  }
  if (Status cut = ShortUpload(session, volume, offset - 1, 0, 1); !cut) return cut.error();
  virStorageVolInfo info{};
  if (virStorageVolGetInfoFlags(volume.handle.get(), &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0)
    return session.Fail(VolumeObject(volume.pool, volume.name), "cannot be described");
  return info.allocation == offset;
}

// Whether skipped ranges will read as zeros when sent as holes.
Result<bool> HolesAreZeros(const Session& session, const OpenVolume& volume, std::uint64_t offset) {
  if (volume.document.type != "block") return CutOff(session, volume, offset);
  unsigned long daemon = 0;  // 6.6.0 began to write zeros over holes of block devices
  if (virConnectGetLibVersion(session.get(), &daemon) < 0) virResetLastError();
  return daemon >= 6006000;
}

}  // namespace

Result<std::shared_ptr<VolumeWriter>> OpenWriter(const Session& session, OpenVolume volume, std::uint64_t offset,
                                                 std::uint64_t length, std::stop_token stop) {
  const Result<bool> sparse = HolesAreZeros(session, volume, offset);
  if (!sparse) return sparse.error();
  auto writer = std::make_shared<Writer>(session, std::move(volume), offset, offset + length, std::move(stop));
  if (Status opened = writer->Open(*sparse); !opened) return opened.error();
  return std::shared_ptr<VolumeWriter>(std::move(writer));
}

}  // namespace vmferry::libvirt
