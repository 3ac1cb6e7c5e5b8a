// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/vmdk_stream.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace vmferry::vsphere {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kGrain = 65536;

// Builds a stream by hand, as the specification says.
class Builder {
 public:
  explicit Builder(std::uint64_t sectors) : bytes_(512, '\0') {
    Put<std::uint32_t>(0, 0x564d444b);
    Put<std::uint32_t>(4, 3);
    Put<std::uint32_t>(8, 0x30001);
    Put<std::uint64_t>(12, sectors);
    Put<std::uint64_t>(20, kGrain / 512);
    Put<std::uint64_t>(28, 1);
    Put<std::uint64_t>(36, 2);
    Put<std::uint32_t>(44, 512);
    Put<std::uint64_t>(56, ~std::uint64_t{0});
    Put<std::uint64_t>(64, 8);
    Put<std::uint32_t>(73, 0x0a0d200a);
    Put<std::uint16_t>(77, 1);
    bytes_.resize(8 * 512);
    std::memcpy(bytes_.data() + 512, "# Disk DescriptorFile\n", 22);
  }
  template <class T>
  void Put(std::size_t at, T value) {
    if (bytes_.size() < at + sizeof value) bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);  // little-endian machines only, as the product's
  }
  Builder& Grain(std::uint64_t sector, const std::string& data) {
    std::string packed(compressBound(data.size()), '\0');
    uLongf size = packed.size();
    compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(data.data()), data.size());
    packed.resize(size);
    return Raw(sector, packed);
  }
  Builder& Raw(std::uint64_t sector, const std::string& packed) {
    const std::size_t at = bytes_.size();
    Put<std::uint64_t>(at, sector);
    Put<std::uint32_t>(at + 8, static_cast<std::uint32_t>(packed.size()));
    bytes_ += packed;
    bytes_.resize((bytes_.size() + 511) / 512 * 512);
    return *this;
  }
  Builder& Marker(std::uint32_t type, std::uint64_t sectors) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + 512);
    Put<std::uint64_t>(at, sectors);
    Put<std::uint32_t>(at + 12, type);
    bytes_.resize(bytes_.size() + (type == 0 ? 0 : sectors * 512), '\x5a');
    return *this;
  }
  std::string bytes_;
};

std::string Pattern(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 3 == 0 ? random() : seed);
  return text;
}

ByteSource SourceOf(std::string text, std::size_t step) {
  auto at = std::make_shared<std::size_t>(0);
  return [text = std::move(text), step, at](std::span<std::byte> buffer) -> Result<std::size_t> {
    const std::size_t count = std::min({step, buffer.size(), text.size() - *at});
    std::memcpy(buffer.data(), text.data() + *at, count);
    *at += count;
    return count;
  };
}

struct Decoded {
  std::string disk;
  std::string error;
  ErrorKind kind = ErrorKind::kInternal;
};

Decoded Decode(const std::string& stream, std::size_t step = 7777, std::size_t buffer_size = 1 << 20) {
  Decoded decoded;
  const auto Fail = [&](const Error& error) {
    decoded.error = error.message;
    decoded.kind = error.kind;
    return decoded;
  };
  auto opened = VmdkStream::Open(SourceOf(stream, step));
  if (!opened) return Fail(opened.error());
  decoded.disk.assign((*opened)->capacity(), '\0');
  std::vector<std::byte> buffer(buffer_size);
  std::uint64_t at = 0;
  for (;;) {
    const auto piece = (*opened)->Next(buffer);
    if (!piece) return Fail(piece.error());
    if (piece->length == 0) return decoded;
    EXPECT_GE(piece->offset, at);
    EXPECT_LE(piece->offset + piece->length, decoded.disk.size());
    at = piece->offset + piece->length;
    std::memcpy(decoded.disk.data() + piece->offset, buffer.data(), piece->length);
  }
}

// Three grains, two of them adjoining, a gap, and a last one that the disk's end cuts; tables as real streams have
// them.
struct Sample {
  std::string disk = std::string(kGrain * 6 + 1024, '\0');
  std::string stream;
  Sample() {
    Builder builder(disk.size() / 512);
    const auto Grain = [&](std::size_t index) {
      std::string data = Pattern(kGrain, static_cast<unsigned>(index));
      const std::size_t length = std::min(kGrain, disk.size() - index * kGrain);
      std::memcpy(disk.data() + index * kGrain, data.data(), length);
      builder.Grain(index * kGrain / 512, data);
    };
    Grain(0);
    Grain(1);
    builder.Marker(1, 4);
    Grain(4);
    Grain(6);
    builder.Marker(1, 4).Marker(2, 1).Marker(3, 1).Marker(0, 0);
    stream = builder.bytes_;
  }
};

TEST(VmdkStreamTest, DiskIsDecodedHoweverItArrivesAndWhateverTheBuffer) {
  const Sample sample;
  for (const std::size_t step : {std::size_t{1}, std::size_t{511}, std::size_t{100000}})
    for (const std::size_t buffer : {kGrain, kGrain + 1, std::size_t{1} << 20, std::size_t{1000}}) {
      const Decoded decoded = Decode(sample.stream, step, buffer);
      EXPECT_EQ(decoded.error, "");
      EXPECT_TRUE(decoded.disk == sample.disk) << step << " " << buffer;
    }
}

TEST(VmdkStreamTest, EveryTruncationIsCorruptNeverAShorterDisk) {
  const Sample sample;
  for (std::size_t size = 0; size + 512 <= sample.stream.size(); size += size < 8192 ? 256 : 5000) {
    const Decoded decoded = Decode(sample.stream.substr(0, size), 65536);
    EXPECT_EQ(decoded.kind, ErrorKind::kCorrupt) << size;
    EXPECT_THAT(decoded.error, HasSubstr("damaged at byte"));
  }
}

TEST(VmdkStreamTest, GoodGrainsBeforeDamageAreHandedOutFirst) {
  const Sample sample;
  auto stream = *VmdkStream::Open(SourceOf(sample.stream.substr(0, sample.stream.size() - 512), 65536));
  std::vector<std::byte> buffer(1 << 20);
  std::size_t total = 0;
  Result<Piece> piece = stream->Next(buffer);
  for (; piece && piece->length > 0; piece = stream->Next(buffer)) total += piece->length;
  EXPECT_FALSE(piece.ok());
  EXPECT_EQ(total, kGrain * 3 + 1024);
}

TEST(VmdkStreamTest, DamagedHeadersAreRefused) {
  const Sample sample;
  struct Damage {
    std::size_t at;
    std::uint64_t value;
    const char* says;
  };
  for (const Damage& damage : {Damage{0, 1, "does not begin"},
                               {8, 1, "not stream-optimised"},
                               {12, 0, "capacity"},
                               {12, ~0ULL, "capacity"},
                               {20, 100, "grains of"},
                               {20, 1 << 20, "grains of"},
                               {64, 0, "overhead"},
                               {64, ~0ULL, "overhead"},
                               {73, 0x0a0a, "line ends"}}) {
    Builder builder(1);
    builder.bytes_ = sample.stream;
    if (damage.at == 8 || damage.at == 73 || damage.at == 0)
      builder.Put<std::uint32_t>(damage.at, static_cast<std::uint32_t>(damage.value));
    else
      builder.Put<std::uint64_t>(damage.at, damage.value);
    const Decoded decoded = Decode(builder.bytes_);
    EXPECT_EQ(decoded.kind, ErrorKind::kCorrupt);
    EXPECT_THAT(decoded.error, HasSubstr(damage.says));
  }
}

TEST(VmdkStreamTest, GrainsOutOfPlaceOrderOrSizeAreCorrupt) {
  const std::string data = Pattern(kGrain, 1);
  const std::uint64_t sectors = kGrain / 512;
  const auto End = [](Builder& builder) { return Decode(builder.Marker(0, 0).bytes_); };
  Builder outside(sectors * 2), crooked(sectors * 2), twice(sectors * 2), back(sectors * 2), short_one(sectors * 2);
  EXPECT_THAT(End(outside.Grain(sectors * 2, data)).error, HasSubstr("outside the disk"));
  EXPECT_THAT(End(crooked.Grain(8, data)).error, HasSubstr("not a grain's place"));
  EXPECT_THAT(End(twice.Grain(0, data).Grain(0, data)).error, HasSubstr("out of order"));
  EXPECT_THAT(End(back.Grain(sectors, data).Grain(0, data)).error, HasSubstr("out of order"));
  EXPECT_THAT(End(short_one.Grain(0, data.substr(1))).error, HasSubstr("does not inflate"));
}

TEST(VmdkStreamTest, CompressedDataThatLiesIsCorrupt) {
  const std::uint64_t sectors = kGrain / 512;
  const auto End = [](Builder& builder) { return Decode(builder.Marker(0, 0).bytes_); };
  Builder garbage(sectors), bomb(sectors), huge(sectors), table(sectors), unknown(sectors);
  EXPECT_THAT(End(garbage.Raw(0, Pattern(500, 7))).error, HasSubstr("does not inflate"));
  EXPECT_THAT(End(bomb.Grain(0, std::string(50 << 20, 'x'))).error, HasSubstr("does not inflate"));
  EXPECT_THAT(End(huge.Raw(0, std::string(1 << 20, 'x'))).error, HasSubstr("a compressed grain of 1048576 bytes"));
  table.Marker(0, 0);
  table.Put<std::uint64_t>(8 * 512, ~0ULL);
  table.Put<std::uint32_t>(8 * 512 + 12, 1);
  EXPECT_THAT(Decode(table.bytes_).error, HasSubstr("a table of"));
  EXPECT_THAT(End(unknown.Marker(9, 0)).error, HasSubstr("unknown marker 9"));
}

// qemu-img's form: grain tables in front that list the grains, and no end-of-stream marker.
TEST(VmdkStreamTest, StreamWithTablesInFrontEndsWhenAllListedGrainsCame) {
  const std::string data = Pattern(kGrain, 3);
  const std::uint64_t sectors = kGrain / 512;
  for (const int listed : {2, 3}) {
    Builder builder(sectors * 4);
    builder.Put<std::uint64_t>(56, 2);       // the directory
    builder.Put<std::uint32_t>(2 * 512, 3);  // its one table
    for (int i = 0; i < listed; ++i) builder.Put<std::uint32_t>(3 * 512 + 4 * static_cast<std::size_t>(i), 100);
    builder.bytes_.resize(8 * 512);
    const Decoded decoded = Decode(builder.Grain(0, data).Grain(sectors, data).bytes_);
    EXPECT_EQ(decoded.error.empty(), listed == 2) << decoded.error;
  }
}

TEST(VmdkStreamTest, RandomDamageNeverGetsPastTheBounds) {
  const Sample sample;
  std::mt19937 random(42);
  for (int round = 0; round < 400; ++round) {
    std::string stream = sample.stream;
    for (int i = 0; i < 3; ++i) stream[random() % stream.size()] = static_cast<char>(random());
    (void)Decode(stream, 65536);  // checks offsets and lengths; sanitizers check the rest
  }
}

TEST(VmdkStreamTest, FailureOfTheSourceIsPassedOn) {
  const Sample sample;
  auto inner = SourceOf(sample.stream, 30000);
  int calls = 0;
  const Decoded decoded = [&] {
    Decoded result;
    auto stream = VmdkStream::Open([&](std::span<std::byte> buffer) -> Result<std::size_t> {
      if (++calls > 3) return Error{ErrorKind::kUnavailable, "vc", "", "the connection broke", ""};
      return inner(buffer);
    });
    std::vector<std::byte> buffer(1 << 20);
    for (;;) {
      auto piece = stream ? (*stream)->Next(buffer) : Result<Piece>(stream.error());
      if (piece && piece->length > 0) continue;
      if (!piece) result.kind = piece.error().kind;
      return result;
    }
  }();
  EXPECT_EQ(decoded.kind, ErrorKind::kUnavailable);
}

}  // namespace
}  // namespace vmferry::vsphere
