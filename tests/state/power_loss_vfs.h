// SPDX-License-Identifier: Apache-2.0
//
// PowerLossDisk: a disk with a volatile write cache below SQLite, and a plug that can be pulled. While the object
// lives, it is SQLite's default VFS, so the code under test opens its database as always.
//
// What the disk promises: what a file held at its last sync is durable. Writes and truncations since then may each be
// lost, may reach the disk in any order, and a write may be torn between sectors of 512 bytes. The bytes beside a write
// keep their values, which SQLite expects too (https://sqlite.org/psow.html).
//
// What it simplifies: names are durable at once (creating and deleting are not undone by the loss), although a file
// that was never synced may come back empty. Only what goes through SQLite counts: the shared memory of a WAL is passed
// on, and gone after the loss, as SQLite rebuilds it; the lock beside a journal is none of its business.
//
// Threading: any number of connections on any threads. All of them are closed before Recover and before the object
// ends. One object at a time. Reading goes on after the loss, so that the code under test can end.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace vmferry {

class PowerLossDisk {
 public:
  explicit PowerLossDisk(unsigned seed);
  ~PowerLossDisk();
  PowerLossDisk(const PowerLossDisk&) = delete;
  PowerLossDisk& operator=(const PowerLossDisk&) = delete;

  // The power fails in the call (a write, truncation, sync or deletion on any file, counted from 1): it and all later
  // ones answer SQLITE_IOERR. Never without this.
  void FailAt(std::int64_t call) { fail_at_ = call; }
  // From now on, syncs of files with this ending do nothing and say they did.
  void LieAboutSyncsOf(std::string ending) { lie_about_ = std::move(ending); }
  // Makes the real files what the disk holds when the power is back; what was not synced is at risk even when the power
  // had not failed before.
  void Recover();

  std::int64_t calls() const { return calls_; }
  bool failed() const { return fail_at_ > 0 && calls_ >= fail_at_; }

 private:
  struct Change {  // a write, or without data a truncation
    std::int64_t offset = 0;
    std::optional<std::string> data;
    bool interrupted = false;  // by the failing power
  };
  struct File {
    std::string path;
    std::string durable;
    std::vector<Change> unsynced;
    bool deleted = false;  // may still be open
  };
  struct Handle;  // SQLite's view of an open file

  static const sqlite3_io_methods* Methods();
  static int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags);
  static int Delete(sqlite3_vfs* vfs, const char* name, int sync_directory);
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset);
  static int Truncate(sqlite3_file* file, sqlite3_int64 size);
  static int Sync(sqlite3_file* file, int flags);

  bool Powered();  // counts a call
  bool Record(File& file, Change change);
  File* Find(std::string_view path);
  File* FindOrLoad(std::string_view path, sqlite3_file* real);
  bool Chance(double probability) { return std::bernoulli_distribution(probability)(random_); }
  void Apply(const Change& change, bool torn, std::string& image);
  std::string Survivor(const File& file);

  sqlite3_vfs* const real_;
  sqlite3_vfs vfs_;
  std::mutex mutex_;
  std::mt19937 random_;
  std::list<File> files_;
  std::int64_t calls_ = 0, fail_at_ = 0;
  std::optional<std::string> lie_about_;
};

}  // namespace vmferry
