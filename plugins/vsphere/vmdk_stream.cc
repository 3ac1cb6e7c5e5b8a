// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/vmdk_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace vmferry::vsphere {
namespace {

constexpr std::size_t kSector = 512;
constexpr std::uint32_t kMagic = 0x564d444b;  // "KDMV"
constexpr std::uint32_t kCompressed = 1U << 16;
constexpr std::uint32_t kMarkers = 1U << 17;
constexpr std::uint64_t kMostGrainSectors = 2048;               // 1 MiB; 64 KiB is usual
constexpr std::uint64_t kMostSectors = std::uint64_t{1} << 40;  // 512 TiB; vSphere's disks end at 62 TiB
constexpr std::uint64_t kMostOverhead = 1 << 21;                // sectors before the first marker
constexpr std::size_t kInput = 512 * 1024;
constexpr std::uint64_t kDirectoryAtEnd = ~std::uint64_t{0};
constexpr std::uint64_t kTableEntries = 512;
constexpr std::uint64_t kTableSectors = kTableEntries * 4 / kSector;

enum Marker : std::uint32_t { kEndOfStream = 0, kGrainTable = 1, kGrainDirectory = 2, kFooter = 3 };

template <class T>
T Little(const std::byte* at) {
  T value = 0;
  for (std::size_t i = sizeof(T); i-- > 0;) value = static_cast<T>((value << 8) | std::to_integer<T>(at[i]));
  return value;
}

std::uint64_t Padded(std::uint64_t bytes) {
  return (bytes + kSector - 1) / kSector * kSector;
}

}  // namespace

VmdkStream::VmdkStream(ByteSource source) : source_(std::move(source)), input_(kInput) {
  inflateInit(&zlib_);
}

VmdkStream::~VmdkStream() {
  inflateEnd(&zlib_);
}

Result<std::unique_ptr<VmdkStream>> VmdkStream::Open(ByteSource source) {
  std::unique_ptr<VmdkStream> stream(new VmdkStream(std::move(source)));
  const Status read = stream->ReadHeader();
  if (!read) return read.error();
  return stream;
}

Error VmdkStream::Corrupt(const std::string& what) const {
  return Error{ErrorKind::kCorrupt, "", "",
               "the VMDK stream is damaged at byte " + std::to_string(position_) + ": " + what,
               "start the copy of this disk again"};
}

Status VmdkStream::ReadHeader() {
  if (Status filled = Fill(kSector); !filled) return filled;
  const std::byte* at = front();
  if (Little<std::uint32_t>(at) != kMagic) return Corrupt("it does not begin like a sparse extent");
  const auto flags = Little<std::uint32_t>(at + 8);
  const auto sectors = Little<std::uint64_t>(at + 12);
  const auto grain = Little<std::uint64_t>(at + 20);
  const auto table_entries = Little<std::uint32_t>(at + 44);
  const auto directory = Little<std::uint64_t>(at + 56);
  const auto overhead = Little<std::uint64_t>(at + 64);
  const auto line_ends = Little<std::uint32_t>(at + 73);
  const auto algorithm = Little<std::uint16_t>(at + 77);
  if ((flags & kCompressed) == 0 || (flags & kMarkers) == 0 || algorithm != 1)
    return Corrupt("it is not stream-optimised");
  if (line_ends != 0x0a0d200a) return Corrupt("its line ends were converted on the way");
  if (sectors == 0 || sectors > kMostSectors) return Corrupt("capacity of " + std::to_string(sectors) + " sectors");
  if (grain < 8 || grain > kMostGrainSectors || (grain & (grain - 1)) != 0)
    return Corrupt("grains of " + std::to_string(grain) + " sectors");
  if (overhead == 0 || overhead > kMostOverhead) return Corrupt("overhead of " + std::to_string(overhead) + " sectors");
  capacity_ = sectors * kSector;
  grain_bytes_ = grain * kSector;
  // One table entry of 4 bytes for each grain, twice, and generous padding.
  most_table_bytes_ = sectors / grain * 8 + (1 << 20);
  Consume(kSector);
  const bool in_front = directory != kDirectoryAtEnd && directory < overhead && table_entries == kTableEntries;
  if (Status read = ReadOverhead(in_front ? directory : kDirectoryAtEnd, overhead); !read) return read;
  return ReadMarker();
}

Status VmdkStream::ReadDirectory(std::uint64_t tables, std::vector<std::uint64_t>* table_sectors) {
  for (std::uint64_t at = 0; at < tables; at += kSector / 4) {
    if (Status filled = Fill(kSector); !filled) return filled;
    for (std::uint64_t i = at; i < std::min(tables, at + kSector / 4); ++i)
      table_sectors->push_back(Little<std::uint32_t>(front() + (i - at) * 4));
    Consume(kSector);
  }
  return Ok();
}

Status VmdkStream::ReadOverhead(std::uint64_t directory_sector, std::uint64_t end_sector) {
  const auto Rest = [&] { return Skip(end_sector * kSector - position_); };
  const std::uint64_t grains = (capacity_ + grain_bytes_ - 1) / grain_bytes_;
  const std::uint64_t tables = (grains + kTableEntries - 1) / kTableEntries;
  if (directory_sector == kDirectoryAtEnd || directory_sector + tables * 4 / kSector >= end_sector) return Rest();
  if (directory_sector == 0) return Corrupt("a grain directory in the header's place");
  if (Status skipped = Skip((directory_sector - 1) * kSector); !skipped) return skipped;
  std::vector<std::uint64_t> sectors;
  if (Status read = ReadDirectory(tables, &sectors); !read) return read;
  std::uint64_t listed = 0;
  for (const std::uint64_t sector : sectors) {
    // Tables elsewhere than in order behind their directory: then only the marker tells the end.
    if (sector * kSector < position_ || sector + kTableSectors > end_sector) return Rest();
    if (Status skipped = Skip(sector * kSector - position_); !skipped) return skipped;
    if (Status filled = Fill(kTableSectors * kSector); !filled) return filled;
    for (std::uint64_t i = 0; i < kTableEntries; ++i) listed += Little<std::uint32_t>(front() + i * 4) > 1 ? 1 : 0;
    Consume(kTableSectors * kSector);
  }
  listed_grains_ = listed;
  return Rest();
}

Status VmdkStream::ReadMarker() {
  next_.reset();
  for (;;) {
    if (listed_grains_ && grains_ == *listed_grains_) {
      const auto at_end = AtEnd();
      if (!at_end) return at_end.error();
      ended_ = *at_end;
      if (ended_) return Ok();
    }
    if (Status filled = Fill(kSector); !filled) return filled;
    const auto value = Little<std::uint64_t>(front());
    const auto size = Little<std::uint32_t>(front() + 8);
    if (size != 0) return TakeGrain(value, size);
    const auto type = Little<std::uint32_t>(front() + 12);
    if (type == kEndOfStream) {
      ended_ = true;
      return Ok();
    }
    if (type > kFooter) return Corrupt("unknown marker " + std::to_string(type));
    if (value > most_table_bytes_ / kSector) return Corrupt("a table of " + std::to_string(value) + " sectors");
    Consume(kSector);
    if (Status skipped = Skip(value * kSector); !skipped) return skipped;
  }
}

Status VmdkStream::TakeGrain(std::uint64_t sector, std::size_t packed) {
  const std::uint64_t offset = sector * kSector;
  if (sector >= capacity_ / kSector)
    return Corrupt("a grain at sector " + std::to_string(sector) + " outside the disk");
  if (offset % grain_bytes_ != 0)
    return Corrupt("a grain at sector " + std::to_string(sector) + ", not a grain's place");
  if (offset < lowest_next_) return Corrupt("grains out of order at sector " + std::to_string(sector));
  if (packed > compressBound(grain_bytes_) + kSector)
    return Corrupt("a compressed grain of " + std::to_string(packed) + " bytes");
  next_ = Grain{offset, packed, static_cast<std::size_t>(std::min(grain_bytes_, capacity_ - offset))};
  return Ok();
}

// Inflates next_ into grain_bytes_ bytes at `out` and moves past it.
Status VmdkStream::Inflate(std::byte* out) {
  constexpr std::size_t kMarkerHead = 12;
  const std::size_t total = Padded(kMarkerHead + next_->packed);
  if (Status filled = Fill(total); !filled) return filled;
  inflateReset(&zlib_);
  zlib_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(front() + kMarkerHead));
  zlib_.avail_in = static_cast<uInt>(next_->packed);
  zlib_.next_out = reinterpret_cast<Bytef*>(out);
  zlib_.avail_out = static_cast<uInt>(grain_bytes_);
  const int code = inflate(&zlib_, Z_FINISH);
  const std::size_t got = grain_bytes_ - zlib_.avail_out;
  if (code != Z_STREAM_END || got < next_->length)
    return Corrupt("a grain of " + std::to_string(got) +
                   " bytes that does not inflate: " + (zlib_.msg != nullptr ? zlib_.msg : "wrong length"));
  lowest_next_ = next_->offset + grain_bytes_;
  ++grains_;
  Consume(total);
  return Ok();
}

Result<Piece> VmdkStream::Next(std::span<std::byte> buffer) {
  if (left_ > 0) {
    const std::size_t count = std::min(left_, buffer.size());
    std::memcpy(buffer.data(), scratch_.data() + (scratch_.size() - left_), count);
    const Piece piece{left_offset_, count};
    left_ -= count;
    left_offset_ += count;
    return piece;
  }
  if (failed_) return *failed_;
  if (ended_) return Piece{};
  Piece piece{next_->offset, 0};
  const auto Fail = [&](const Error& error) -> Result<Piece> {
    failed_ = error;
    if (piece.length > 0) return piece;  // what is good is handed out first
    return error;
  };
  if (buffer.size() < grain_bytes_) {
    const Grain grain = *next_;
    scratch_.resize(grain_bytes_);
    if (Status inflated = Inflate(scratch_.data()); !inflated) return Fail(inflated.error());
    scratch_.resize(grain.length);
    left_ = grain.length;
    left_offset_ = grain.offset;
    if (Status read = ReadMarker(); !read) failed_ = read.error();
    return Next(buffer);
  }
  // As many adjoining grains as fit.
  while (next_ && next_->offset == piece.offset + piece.length && buffer.size() - piece.length >= grain_bytes_) {
    const std::size_t length = next_->length;
    if (Status inflated = Inflate(buffer.data() + piece.length); !inflated) return Fail(inflated.error());
    piece.length += length;
    if (Status read = ReadMarker(); !read) return Fail(read.error());
  }
  return piece;
}

void VmdkStream::Consume(std::size_t count) {
  begin_ += count;
  position_ += count;
}

Status VmdkStream::Fill(std::size_t count) {
  if (end_ - begin_ >= count) return Ok();
  if (input_.size() - begin_ < count) {
    std::memmove(input_.data(), front(), end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    if (input_.size() < count) input_.resize(count);  // bounded: the largest grain
  }
  while (end_ - begin_ < count) {
    auto got = source_(std::span(input_).subspan(end_));
    if (!got) return got.error();
    if (*got == 0) return Corrupt("it ends here, before its end-of-stream marker");
    end_ += *got;
  }
  return Ok();
}

Result<bool> VmdkStream::AtEnd() {
  if (end_ > begin_) return false;
  begin_ = end_ = 0;
  auto got = source_(input_);
  if (!got) return got.error();
  end_ = *got;
  return end_ == 0;
}

Status VmdkStream::Skip(std::uint64_t count) {
  while (count > 0) {
    const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(count, kSector * 64));
    if (Status filled = Fill(step); !filled) return filled;
    Consume(step);
    count -= step;
  }
  return Ok();
}

}  // namespace vmferry::vsphere
