// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/folder_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace vmferry::vsphere {
namespace {

constexpr std::size_t kMostDescriptor = 64 * 1024;
constexpr std::size_t kZeroBlock = 64 * 1024;

Error HttpError(const Session& session, const std::string& file, const HttpResponse& head) {
  const std::string said = "the server answered HTTP " + std::to_string(head.status) + " " + head.reason;
  Error error{ErrorKind::kUnavailable, "", "file " + file, said, "check the datastore and the platform's services"};
  if (head.status == 404) {
    error.kind = ErrorKind::kNotFound;
    error.advice = "check that the datastore is accessible and the disk still there";
  } else if (head.status == 401 || head.status == 403) {
    error.kind = ErrorKind::kDenied;
    error.advice = "grant Datastore.Browse and Datastore.FileManagement on the datastore to the user";
  }
  return session.Failed(error);
}

Result<std::string> FetchDescriptor(Session& session, const std::string& target, const std::string& file,
                                    Deadline& deadline) {
  auto download = session.Download(target, {}, deadline);
  if (!download) return download.error();
  if ((*download)->head().status != 200) return HttpError(session, file, (*download)->head());
  std::string text;
  std::vector<std::byte> buffer(kMostDescriptor);
  for (;;) {
    auto count = (*download)->Read(buffer, deadline.Left());
    if (!count) return count.error();
    if (*count == 0) return text;
    text.append(reinterpret_cast<const char*>(buffer.data()), *count);
    if (text.size() > kMostDescriptor)
      return session.Failed(Error{ErrorKind::kInvalid, "", "file " + file,
                                  "it is no text descriptor of a disk but something larger",
                                  "copy this disk by `nfc` instead"});
  }
}

bool AllZero(std::span<const std::byte> bytes) {
  return bytes.front() == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
}

class FolderReader final : public DiskReader {
 public:
  FolderReader(std::unique_ptr<HttpDownload> download, std::uint64_t size, std::uint64_t offset,
               std::chrono::milliseconds idle)
      : download_(std::move(download)), size_(size), offset_(offset), idle_(idle) {}

  std::uint64_t size() const override { return size_; }

  Result<Piece> Next(std::span<std::byte> buffer) override {
    while (offset_ < size_) {
      if (failed_) return *failed_;
      const std::uint64_t start = offset_;
      if (Status filled = Fill(buffer); !filled) {
        failed_ = filled.error();
        if (offset_ == start) return *failed_;
      }
      const auto got = buffer.first(static_cast<std::size_t>(offset_ - start));
      const Piece piece = WithoutZeros(got, start);
      if (piece.length > 0) return piece;
    }
    return Piece{};
  }

 private:
  // Reads until the buffer is full or the disk is at its end.
  Status Fill(std::span<std::byte> buffer);
  // Cuts blocks of zeros off both ends; the rest is moved to the front of the buffer.
  static Piece WithoutZeros(std::span<std::byte> bytes, std::uint64_t offset);

  std::unique_ptr<HttpDownload> download_;
  const std::uint64_t size_;
  std::uint64_t offset_;  // of the next byte to come
  const std::chrono::milliseconds idle_;
  std::optional<Error> failed_;
};

Status FolderReader::Fill(std::span<std::byte> buffer) {
  std::size_t have = 0;
  while (have < buffer.size() && offset_ < size_) {
    auto count = download_->Read(buffer.subspan(have), idle_);
    if (!count) {
      Error error = count.error();
      error.message += "; the disk had come up to byte " + std::to_string(offset_) + " of " + std::to_string(size_);
      return error;
    }
    if (*count == 0)
      return Error{ErrorKind::kUnavailable, "", "",
                   "the download ended at byte " + std::to_string(offset_) + " of " + std::to_string(size_), ""};
    have += *count;
    offset_ += *count;
  }
  return Ok();
}

Piece FolderReader::WithoutZeros(std::span<std::byte> bytes, std::uint64_t offset) {
  std::size_t begin = 0, end = bytes.size();
  while (begin < end && AllZero(bytes.subspan(begin, std::min(kZeroBlock, end - begin))))
    begin += std::min(kZeroBlock, end - begin);
  while (end > begin) {
    const std::size_t block = std::min(kZeroBlock, end - begin);
    if (!AllZero(bytes.subspan(end - block, block))) break;
    end -= block;
  }
  if (begin > 0 && end > begin) std::memmove(bytes.data(), bytes.data() + begin, end - begin);
  return Piece{offset + begin, end - begin};
}

// A line of the extent section: RW 8388608 VMFS "web1-flat.vmdk" 0
struct ExtentLine {
  std::uint64_t sectors = 0;
  std::string type, file;
};

std::optional<ExtentLine> ParseExtent(const std::string& line) {
  std::istringstream words(line);
  std::string access;
  ExtentLine extent;
  if (!(words >> access >> extent.sectors >> extent.type)) return std::nullopt;
  if (access != "RW" && access != "RDONLY" && access != "NOACCESS") return std::nullopt;
  const auto open = line.find('"'), close = line.rfind('"');
  if (open != std::string::npos && close > open) extent.file = line.substr(open + 1, close - open - 1);
  return extent;
}

Error NotFlat(const std::string& why, const std::string& advice) {
  return Error{ErrorKind::kInvalid, "", "", "the disk cannot be read as a flat file: " + why, advice};
}

}  // namespace

Result<DatastorePath> ParseDatastorePath(const std::string& text) {
  const auto close = text.find(']');
  if (text.empty() || text.front() != '[' || close == std::string::npos || close == 1)
    return Error{ErrorKind::kInvalid, "", "file " + text, "this is not a path on a datastore ([NAME] DIR/FILE)", ""};
  const auto start = text.find_first_not_of(' ', close + 1);
  if (start == std::string::npos)
    return Error{ErrorKind::kInvalid, "", "file " + text, "this path on a datastore names no file", ""};
  return DatastorePath{text.substr(1, close - 1), text.substr(start)};
}

std::string FolderTarget(const DatastorePath& file, const std::string& datacenter) {
  return "/folder/" + EncodePath(file.path) + "?dcPath=" + EncodeQuery(datacenter) +
         "&dsName=" + EncodeQuery(file.datastore);
}

Result<FlatExtent> ReadDescriptor(const std::string& descriptor) {
  if (descriptor.find("# Disk DescriptorFile") == std::string::npos)
    return NotFlat("its descriptor is not one", "copy this disk by `nfc` instead");
  std::istringstream lines(descriptor);
  std::vector<ExtentLine> extents;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("parentFileNameHint"))
      return NotFlat("it is the delta of a snapshot", "remove the VM's snapshots, or copy by `nfc`");
    if (auto extent = ParseExtent(line)) extents.push_back(*std::move(extent));
  }
  if (extents.size() != 1)
    return NotFlat("it has " + std::to_string(extents.size()) + " extents", "copy this disk by `nfc` instead");
  const ExtentLine& extent = extents.front();
  if (extent.type != "VMFS" && extent.type != "FLAT")
    return NotFlat("its extent is of type " + extent.type, "copy this disk by `nfc` instead");
  if (extent.file.empty() || extent.file.find('/') != std::string::npos)
    return NotFlat("its descriptor names no extent beside it", "");
  return FlatExtent{extent.file, extent.sectors * 512};
}

Result<std::shared_ptr<DiskReader>> OpenFolderDisk(Session& session, const FolderDisk& disk,
                                                   std::chrono::milliseconds idle, Deadline& deadline) {
  auto file = ParseDatastorePath(disk.path);
  if (!file) return session.Failed(file.error());
  auto text = FetchDescriptor(session, FolderTarget(*file, disk.datacenter), disk.path, deadline);
  if (!text) return text.error();
  const auto extent = ReadDescriptor(*text);
  if (!extent) return session.Failed(extent.error());
  const Error other_size{ErrorKind::kCorrupt, "", "file " + disk.path, "", "look at the disk on the datastore"};
  const auto Mismatch = [&](const std::string& what, std::uint64_t bytes) {
    Error error = session.Failed(other_size);
    error.message = what + " " + std::to_string(bytes) + " bytes, the VM's hardware " + std::to_string(disk.capacity);
    return error;
  };
  if (extent->bytes != disk.capacity) return Mismatch("the descriptor says", extent->bytes);
  if (disk.offset > disk.capacity)
    return session.Failed(Error{ErrorKind::kInvalid, "", "file " + disk.path, "the offset is beyond the disk", ""});
  const auto slash = file->path.rfind('/');
  file->path = (slash == std::string::npos ? "" : file->path.substr(0, slash + 1)) + extent->file;
  HttpHeaders headers;
  if (disk.offset > 0) headers.emplace_back("Range", "bytes=" + std::to_string(disk.offset) + "-");
  if (disk.offset == disk.capacity)
    return std::shared_ptr<DiskReader>(std::make_shared<FolderReader>(nullptr, disk.capacity, disk.offset, idle));
  auto download = session.Download(FolderTarget(*file, disk.datacenter), headers, deadline);
  if (!download) return download.error();
  const HttpResponse& head = (*download)->head();
  if (disk.offset > 0 && head.status == 200)
    return session.Failed(Error{ErrorKind::kInvalid, "", "file " + disk.path,
                                "the server does not serve parts of files, so the copy cannot be resumed",
                                "start the copy of this disk again from its beginning"});
  if (head.status != (disk.offset > 0 ? 206 : 200)) return HttpError(session, file->path, head);
  const auto length = (*download)->content_length();
  if (length && *length != disk.capacity - disk.offset)
    return Mismatch("the file on the datastore has", *length + disk.offset);
  return std::shared_ptr<DiskReader>(
      std::make_shared<FolderReader>(*std::move(download), disk.capacity, disk.offset, idle));
}

}  // namespace vmferry::vsphere
