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
#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "plugins/libvirt/bounded.h"
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

// A call on the stream is bounded like any other, since the daemon may leave it without an answer: an upload whose disk
// got full while the end of the stream was on its way is dropped by libvirtd 9.0 without a word, and virStreamFinish
// waits for ever.
constexpr CallSpec kSend{"target", "WriteVolume: data", Access::kWrite};
constexpr CallSpec kEnd{"target", "WriteVolume: end of the transfer", Access::kWrite};

// How long the end of a stream may take: the daemon closes the file, and a network file system writes out then what it
// still holds in memory.
CallContext ContextOfEnd(std::uint64_t sent, std::stop_token stop) {
  constexpr std::uint64_t kBytesPerSecond = 50'000'000;
  constexpr std::chrono::seconds kLeast{30};
  constexpr std::chrono::seconds kMost{15 * 60};
  CallContext context;
  context.stop = std::move(stop);
  context.timeout = std::min<std::chrono::seconds>(kMost, kLeast + std::chrono::seconds(sent / kBytesPerSecond));
  return context;
}

// An upload as libvirt sees it. Its calls block; libvirt's words are picked up on the thread of the call.
class Upload {
 public:
  Upload(Session session, OpenVolume volume) : session_(std::move(session)), volume_(std::move(volume)) {}
  ~Upload() { Abort(); }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  Status Open(std::uint64_t offset, std::uint64_t length, bool sparse) {
    stream_.reset(virStreamNew(session_.get(), 0));
    const unsigned flags = sparse ? VIR_STORAGE_VOL_UPLOAD_SPARSE_STREAM : 0;
    if (stream_ && virStorageVolUpload(volume_.handle.get(), stream_.get(), offset, length, flags) == 0) return Ok();
    const Error error = Failed("cannot be written");
    stream_.reset();
    return error;
  }

  Status Send(std::uint64_t position, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::size_t now = std::min(bytes.size(), kSendBytes);
      const int sent = virStreamSend(stream_.get(), reinterpret_cast<const char*>(bytes.data()), now);
      if (sent <= 0) return Failed("cannot be written at byte " + std::to_string(position));
      position += static_cast<std::uint64_t>(sent);
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    }
    return Ok();
  }

  Status SendHole(std::uint64_t position, std::uint64_t length) {
    if (virStreamSendHole(stream_.get(), static_cast<long long>(length), 0) == 0) return Ok();
    return Failed("cannot be written at byte " + std::to_string(position));
  }

  Status Finish() {
    if (virStreamFinish(stream_.get()) < 0) return Failed("the transfer did not finish");
    stream_.reset();
    return Durable(session_, volume_);
  }

  void Abort() {
    if (stream_) virStreamAbort(stream_.get());
    stream_.reset();
  }

 private:
  Error Failed(const std::string& what) const {
    return StorageFailure(session_, LastFailure(), volume_.pool, VolumeObject(volume_.pool, volume_.name), what);
  }

  Session session_;
  OpenVolume volume_;
  StreamHandle stream_;
};

class Writer final : public VolumeWriter {
 public:
  Writer(Session session, OpenVolume volume, std::uint64_t offset, std::uint64_t end, std::stop_token stop)
      : session_(std::move(session)),
        object_(VolumeObject(volume.pool, volume.name)),
        stream_end_(volume.document.type == "block" ? end : volume.document.capacity_bytes),
        upload_(std::make_shared<Upload>(session_, std::move(volume))),
        position_(offset),
        end_(end),
        stop_(std::move(stop)) {}
  ~Writer() override { Abort(); }

  Status Open(bool sparse) {
    sparse_ = sparse;
    // A file that was cut off is made whole again by the last hole.
    if (!sparse) stream_end_ = end_;
    const Status opened = upload_->Open(position_, stream_end_ - position_, sparse);
    if (!opened) upload_.reset();
    return opened;
  }

  Status Write(std::uint64_t offset, std::span<const std::byte> bytes) override {
    if (broken_) return *broken_;
    if (!upload_) return Misuse("a finished volume was written to");
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
    if (!upload_) return Misuse("a volume was finished twice");
    if (Status skipped = Skip(stream_end_ - position_); !skipped) return skipped;
    const Status finished = Do(kEnd, false, [upload = upload_] { return upload->Finish(); });
    upload_.reset();
    return finished;
  }

 private:
  Error Misuse(const std::string& message, ErrorKind kind = ErrorKind::kInternal) {
    return session_.Refuse(kind, object_, message);
  }

  // One call on the stream, given up when stopped or (unless `is_long`) when its time is over. After a failure the
  // stream is over and every later call says the same.
  Status Do(const CallSpec& call, bool is_long, std::function<Status()> work) {
    const Status done = WithinTimeout<Nothing>(session_.connection()->system(), call, ContextOfEnd(sent_, stop_),
                                               is_long, std::move(work));
    if (done) return done;
    broken_ = done.error();
    if (broken_->kind != ErrorKind::kUnknownOutcome || !broken_->object.empty()) {
      Abort();
      return done;
    }
    // Given up: whatever still runs has the upload, and ends it. An unfinished volume is written anew, so nothing
    // depends on what becomes of this one.
    upload_.reset();
    broken_->kind = ErrorKind::kUnavailable;
    broken_->object = object_;
    broken_->advice = "look at libvirtd's log and at the free space of the pool";
    return *broken_;
  }

  void Abort() {
    if (!upload_) return;
    std::function<Status()> abort = [upload = std::move(upload_)] {
      upload->Abort();
      return Ok();
    };
    // Nothing depends on its outcome either.
    static_cast<void>(
        WithinTimeout<Nothing>(session_.connection()->system(), kEnd, ContextOfEnd(0, {}), false, std::move(abort)));
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
    const Status sent = Do(
        kSend, true, [upload = upload_, position = position_, length] { return upload->SendHole(position, length); });
    if (sent) position_ += length;
    return sent;
  }

  Status SendZeros(std::uint64_t length) {
    static const std::vector<std::byte> kZeros(1024 * 1024);
    while (length > 0) {
      const std::size_t now = std::min<std::uint64_t>(length, kZeros.size());
      if (Status sent = Send(std::span(kZeros).first(now)); !sent) return sent;
      length -= now;
    }
    return Ok();
  }

  // The bytes are copied, because a call that was given up may go on with them.
  Status Send(std::span<const std::byte> bytes) {
    const Status sent =
        Do(kSend, true,
           [upload = upload_, position = position_, copy = std::vector<std::byte>(bytes.begin(), bytes.end())] {
             return upload->Send(position, copy);
           });
    if (!sent) return sent;
    position_ += bytes.size();
    sent_ += bytes.size();
    return sent;
  }

  Session session_;
  const std::string object_;
  std::uint64_t stream_end_;
  std::shared_ptr<Upload> upload_;  // none: finished or broken
  std::uint64_t position_;
  const std::uint64_t end_;
  const std::stop_token stop_;
  std::uint64_t sent_ = 0;
  bool sparse_ = false;
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
