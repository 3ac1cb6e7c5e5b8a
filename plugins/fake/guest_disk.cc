// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/guest_disk.h"

#include <sstream>

#include "state/digest.h"

namespace vmferry {
namespace {

constexpr std::uint64_t kRecordsAt = SparseBytes::kBlock;
constexpr std::uint64_t kRecordsSize = 15 * SparseBytes::kBlock;
constexpr std::uint64_t kDataEvery = 4 << 20;

struct Header {
  std::string magic, name, digest;
  int number = 0;
  int count = 0;
};

Header ReadHeader(const SparseBytes& disk) {
  Header header;
  std::istringstream text(disk.Read(0, SparseBytes::kBlock));
  std::string word;
  text >> header.magic >> word >> header.name >> word >> header.number >> word >> header.count >> word >> header.digest;
  header.digest = header.digest.substr(0, 64);
  return header;
}

void WriteHeader(SparseBytes& disk, const std::string& name, int number, int count) {
  std::string text = "fake-disk\nguest " + name + "\ndisk " + std::to_string(number) + " of " + std::to_string(count) +
                     "\nrest " + disk.DigestFrom(SparseBytes::kBlock) + "\n";
  text.resize(SparseBytes::kBlock, '\0');
  disk.Write(0, text);
}

Error Unbootable(std::size_t number, const std::string& why) {
  return Error{ErrorKind::kCorrupt, "", "disk " + std::to_string(number), why, ""};
}

std::vector<std::string> ReadRecords(const SparseBytes& disk) {
  std::string text = disk.Read(kRecordsAt, kRecordsSize);
  text.resize(text.find_last_not_of('\0') + 1);
  std::vector<std::string> records;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) records.push_back(line);
  return records;
}

}  // namespace

SparseBytes FormatGuestDisk(const std::string& name, int number, int count, std::uint64_t capacity_bytes) {
  SparseBytes disk;
  for (std::uint64_t at = kDataEvery; at + SparseBytes::kBlock <= capacity_bytes; at += kDataEvery)
    disk.Write(at, "data of " + name + " disk " + std::to_string(number) + " at " + std::to_string(at) + " " +
                       Sha256Hex(name + std::to_string(number) + std::to_string(at)) + "\n");
  WriteHeader(disk, name, number, count);
  return disk;
}

Result<GuestOnDisk> BootGuest(const std::vector<const SparseBytes*>& disks) {
  if (disks.empty()) return Unbootable(1, "there is no disk");
  GuestOnDisk guest;
  for (std::size_t i = 0; i < disks.size(); ++i) {
    const Header header = ReadHeader(*disks[i]);
    if (header.magic != "fake-disk") return Unbootable(i + 1, "no boot block");
    if (i == 0) guest.name = header.name;
    if (header.name != guest.name) return Unbootable(i + 1, "belongs to guest " + header.name);
    if (header.number != static_cast<int>(i) + 1) return Unbootable(i + 1, "disks are in the wrong order");
    if (header.count != static_cast<int>(disks.size()))
      return Unbootable(i + 1, "the guest needs " + std::to_string(header.count) + " disks");
    if (header.digest != disks[i]->DigestFrom(SparseBytes::kBlock))
      return Unbootable(i + 1, "its content does not match its digest");
  }
  guest.records = ReadRecords(*disks[0]);
  return guest;
}

void AppendRecord(SparseBytes& first_disk, const std::string& record) {
  const Header header = ReadHeader(first_disk);
  std::string text;
  for (const std::string& line : ReadRecords(first_disk)) text += line + "\n";
  text += record + "\n";
  first_disk.Write(kRecordsAt, text);
  WriteHeader(first_disk, header.name, header.number, header.count);
}

}  // namespace vmferry
