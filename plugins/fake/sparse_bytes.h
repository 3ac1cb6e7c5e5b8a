// SPDX-License-Identifier: Apache-2.0
//
// SparseBytes: the content of a disk or volume of the fake world, kept in blocks; what was never written reads as
// zeros. A value without a size: its owner knows the capacity. Threading: as any plain value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vmferry {

class SparseBytes {
 public:
  static constexpr std::uint64_t kBlock = 4096;
  struct Run {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
  };

  SparseBytes() = default;

  void Write(std::uint64_t offset, std::span<const std::byte> bytes);
  void Write(std::uint64_t offset, std::string_view text);
  // Bytes [offset, offset + length).
  std::string Read(std::uint64_t offset, std::uint64_t length) const;
  // Copies into `buffer`, zeros included.
  void Read(std::uint64_t offset, std::span<std::byte> buffer) const;
  // The first run of written blocks that ends after `offset`, clipped to start there; at most `longest` bytes.
  std::optional<Run> NextRun(std::uint64_t offset, std::uint64_t longest) const;
  // Forgets everything from `offset` on.
  void Truncate(std::uint64_t offset);
  // Lays `above` over this: its blocks win, its zero blocks included.
  void Overlay(const SparseBytes& above);
  bool HasBlockAt(std::uint64_t offset) const { return blocks_.contains(offset / kBlock); }
  // An overlay remembers written zeros, since they hide what lies below; other volumes forget them.
  void KeepZeros(bool keep) { keep_zeros_ = keep; }

  std::uint64_t allocated_bytes() const;
  // SHA-256 of what is there from `offset` (a multiple of kBlock) on; the same for the same bytes, however written.
  std::string DigestFrom(std::uint64_t offset) const;
  bool operator==(const SparseBytes& other) const { return DigestFrom(0) == other.DigestFrom(0); }

  friend void to_json(nlohmann::json& json, const SparseBytes& bytes);
  friend void from_json(const nlohmann::json& json, SparseBytes& bytes);

 private:
  void WriteInBlock(std::uint64_t block, std::uint64_t at, std::string_view text);

  std::map<std::uint64_t, std::string> blocks_;  // number -> bytes without trailing zeros
  bool keep_zeros_ = false;
};

}  // namespace vmferry
