// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/sparse_bytes.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "state/digest.h"

namespace vmferry {
namespace {

void DropTrailingZeros(std::string& text) {
  const std::size_t last = text.find_last_not_of('\0');
  text.resize(last == std::string::npos ? 0 : last + 1);
}

bool Printable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == '\n' || (c >= ' ' && c <= '~'); });
}

std::string ToHex(const std::string& text) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string FromHex(const std::string& hex) {
  if (hex.size() % 2 != 0) throw std::invalid_argument("odd number of hex digits");
  std::string text;
  for (std::size_t i = 0; i < hex.size(); i += 2) text += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return text;
}

}  // namespace

void SparseBytes::WriteInBlock(std::uint64_t block, std::uint64_t at, std::string_view text) {
  std::string& bytes = blocks_[block];
  if (bytes.size() < at + text.size()) bytes.resize(at + text.size(), '\0');
  bytes.replace(at, text.size(), text);
  DropTrailingZeros(bytes);
  if (bytes.empty() && !keep_zeros_) blocks_.erase(block);
}

void SparseBytes::Write(std::uint64_t offset, std::string_view text) {
  while (!text.empty()) {
    const std::uint64_t at = offset % kBlock;
    const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock - at, text.size()));
    WriteInBlock(offset / kBlock, at, text.substr(0, length));
    text.remove_prefix(length);
    offset += length;
  }
}

void SparseBytes::Write(std::uint64_t offset, std::span<const std::byte> bytes) {
  Write(offset, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string SparseBytes::Read(std::uint64_t offset, std::uint64_t length) const {
  std::string text(static_cast<std::size_t>(length), '\0');
  Read(offset, std::as_writable_bytes(std::span<char>(text)));
  return text;
}

void SparseBytes::Read(std::uint64_t offset, std::span<std::byte> buffer) const {
  if (buffer.empty()) return;
  std::memset(buffer.data(), 0, buffer.size());
  const std::uint64_t end = offset + buffer.size();
  for (auto entry = blocks_.lower_bound(offset / kBlock); entry != blocks_.end(); ++entry) {
    const std::uint64_t start = entry->first * kBlock;
    if (start >= end) break;
    const std::uint64_t from = std::max(start, offset);
    const std::uint64_t to = std::min(start + entry->second.size(), end);
    if (from < to) std::memcpy(buffer.data() + (from - offset), entry->second.data() + (from - start), to - from);
  }
}

std::optional<SparseBytes::Run> SparseBytes::NextRun(std::uint64_t offset, std::uint64_t longest) const {
  auto entry = blocks_.lower_bound(offset / kBlock);
  if (entry == blocks_.end()) return std::nullopt;
  const std::uint64_t from = std::max(offset, entry->first * kBlock);
  std::uint64_t end = (entry->first + 1) * kBlock;
  for (++entry; entry != blocks_.end() && entry->first * kBlock == end && end - from < longest; ++entry) end += kBlock;
  return Run{from, std::min(end - from, longest)};
}

void SparseBytes::Truncate(std::uint64_t offset) {
  if (offset % kBlock != 0) {
    const auto cut = blocks_.find(offset / kBlock);
    if (cut != blocks_.end() && cut->second.size() > offset % kBlock) cut->second.resize(offset % kBlock);
  }
  blocks_.erase(blocks_.lower_bound((offset + kBlock - 1) / kBlock), blocks_.end());
}

void SparseBytes::Overlay(const SparseBytes& above) {
  for (const auto& [number, bytes] : above.blocks_) {
    if (bytes.empty() && !keep_zeros_)
      blocks_.erase(number);
    else
      blocks_[number] = bytes;
  }
}

std::uint64_t SparseBytes::allocated_bytes() const {
  return blocks_.size() * kBlock;
}

std::string SparseBytes::DigestFrom(std::uint64_t offset) const {
  Sha256 digest;
  for (auto entry = blocks_.lower_bound(offset / kBlock); entry != blocks_.end(); ++entry) {
    if (entry->second.empty()) continue;
    const std::string head = std::to_string(entry->first) + ":" + std::to_string(entry->second.size()) + ":";
    digest.Add(std::as_bytes(std::span<const char>(head)));
    digest.Add(std::as_bytes(std::span<const char>(entry->second)));
  }
  return digest.Hex();
}

void to_json(nlohmann::json& json, const SparseBytes& bytes) {
  json = nlohmann::json::array();
  for (const auto& [number, text] : bytes.blocks_) {
    nlohmann::json block{{"at", number * SparseBytes::kBlock}};
    block[Printable(text) ? "text" : "hex"] = Printable(text) ? text : ToHex(text);
    json.push_back(std::move(block));
  }
}

void from_json(const nlohmann::json& json, SparseBytes& bytes) {
  bytes = SparseBytes();
  bytes.KeepZeros(true);
  for (const auto& block : json) {
    const std::string text =
        block.contains("hex") ? FromHex(block.at("hex").get<std::string>()) : block.at("text").get<std::string>();
    const auto at = block.at("at").get<std::uint64_t>();
    if (text.empty()) bytes.blocks_[at / SparseBytes::kBlock];
    bytes.Write(at, text);
  }
  bytes.KeepZeros(false);
}

}  // namespace vmferry
