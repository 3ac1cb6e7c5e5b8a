// SPDX-License-Identifier: Apache-2.0
#include "tests/state/power_loss_vfs.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

namespace vmferry {
namespace {

constexpr char kName[] = "power-loss";
constexpr std::size_t kSector = 512;

}  // namespace

// SQLite allocates it, and behind it as many bytes as the real VFS wants.
struct PowerLossDisk::Handle {
  sqlite3_file base;
  PowerLossDisk* disk;
  File* file;

  static Handle& Of(sqlite3_file* file) { return *reinterpret_cast<Handle*>(file); }
  static sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(&Of(file) + 1); }
};

PowerLossDisk::PowerLossDisk(unsigned seed) : real_(sqlite3_vfs_find("unix")), vfs_(*real_), random_(seed) {
  // All that is not set here stays the real VFS's own function; none of those looks at more of `vfs_` than was copied.
  vfs_.zName = kName;
  vfs_.pNext = nullptr;
  vfs_.pAppData = this;
  vfs_.szOsFile = static_cast<int>(sizeof(Handle)) + real_->szOsFile;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  if (sqlite3_vfs_register(&vfs_, 1) != SQLITE_OK) std::abort();
}

PowerLossDisk::~PowerLossDisk() {
  sqlite3_vfs_unregister(&vfs_);
  sqlite3_vfs_register(real_, 1);
}

// Version 2 has the shared memory of WAL, but no memory-mapped I/O, which would write behind our back.
const sqlite3_io_methods* PowerLossDisk::Methods() {
  using File = sqlite3_file;
  static const sqlite3_io_methods methods = [] {
    sqlite3_io_methods m{};
    m.iVersion = 2;
    m.xWrite = Write;
    m.xTruncate = Truncate;
    m.xSync = Sync;
    m.xClose = [](File* f) { return Handle::Real(f)->pMethods->xClose(Handle::Real(f)); };
    m.xRead = [](File* f, void* to, int size, sqlite3_int64 offset) {
      return Handle::Real(f)->pMethods->xRead(Handle::Real(f), to, size, offset);
    };
    m.xFileSize = [](File* f, sqlite3_int64* size) {
      return Handle::Real(f)->pMethods->xFileSize(Handle::Real(f), size);
    };
    m.xLock = [](File* f, int level) { return Handle::Real(f)->pMethods->xLock(Handle::Real(f), level); };
    m.xUnlock = [](File* f, int level) { return Handle::Real(f)->pMethods->xUnlock(Handle::Real(f), level); };
    m.xCheckReservedLock = [](File* f, int* out) {
      return Handle::Real(f)->pMethods->xCheckReservedLock(Handle::Real(f), out);
    };
    m.xFileControl = [](File* f, int what, void* argument) {
      return Handle::Real(f)->pMethods->xFileControl(Handle::Real(f), what, argument);
    };
    m.xSectorSize = [](File* f) { return Handle::Real(f)->pMethods->xSectorSize(Handle::Real(f)); };
    m.xDeviceCharacteristics = [](File* f) {
      return Handle::Real(f)->pMethods->xDeviceCharacteristics(Handle::Real(f));
    };
    m.xShmMap = [](File* f, int region, int size, int extend, void volatile** out) {
      return Handle::Real(f)->pMethods->xShmMap(Handle::Real(f), region, size, extend, out);
    };
    m.xShmLock = [](File* f, int offset, int n, int flags) {
      return Handle::Real(f)->pMethods->xShmLock(Handle::Real(f), offset, n, flags);
    };
    m.xShmBarrier = [](File* f) { Handle::Real(f)->pMethods->xShmBarrier(Handle::Real(f)); };
    m.xShmUnmap = [](File* f, int remove) { return Handle::Real(f)->pMethods->xShmUnmap(Handle::Real(f), remove); };
    return m;
  }();
  return &methods;
}

int PowerLossDisk::Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  auto& disk = *static_cast<PowerLossDisk*>(vfs->pAppData);
  // A temporary file means nothing after the loss, so it needs no handle of ours.
  if (!name) return disk.real_->xOpen(disk.real_, name, file, flags, out_flags);
  const std::lock_guard lock(disk.mutex_);
  file->pMethods = nullptr;
  if (disk.failed() && !std::filesystem::exists(name)) return SQLITE_CANTOPEN;
  if (const int code = disk.real_->xOpen(disk.real_, name, Handle::Real(file), flags, out_flags); code != SQLITE_OK)
    return code;
  Handle::Of(file).disk = &disk;
  Handle::Of(file).file = disk.FindOrLoad(name, Handle::Real(file));
  file->pMethods = Methods();
  return SQLITE_OK;
}

int PowerLossDisk::Delete(sqlite3_vfs* vfs, const char* name, int /*sync_directory*/) {
  auto& disk = *static_cast<PowerLossDisk*>(vfs->pAppData);
  const std::lock_guard lock(disk.mutex_);
  if (!disk.Powered()) return SQLITE_IOERR_DELETE;
  if (File* file = disk.Find(name)) file->deleted = true;
  return disk.real_->xDelete(disk.real_, name, 0);
}

int PowerLossDisk::Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const Handle& handle = Handle::Of(file);
  const std::lock_guard lock(handle.disk->mutex_);
  std::string bytes(static_cast<const char*>(data), static_cast<std::size_t>(size));
  if (!handle.disk->Record(*handle.file, {offset, std::move(bytes)})) return SQLITE_IOERR_WRITE;
  return Handle::Real(file)->pMethods->xWrite(Handle::Real(file), data, size, offset);
}

int PowerLossDisk::Truncate(sqlite3_file* file, sqlite3_int64 size) {
  const Handle& handle = Handle::Of(file);
  const std::lock_guard lock(handle.disk->mutex_);
  if (!handle.disk->Record(*handle.file, {size, std::nullopt})) return SQLITE_IOERR_TRUNCATE;
  return Handle::Real(file)->pMethods->xTruncate(Handle::Real(file), size);
}

// The real file is not synced: this machine is not the one that loses its power, and its disk is slow.
int PowerLossDisk::Sync(sqlite3_file* file, int /*flags*/) {
  const Handle& handle = Handle::Of(file);
  PowerLossDisk& disk = *handle.disk;
  const std::lock_guard lock(disk.mutex_);
  if (!disk.Powered()) return SQLITE_IOERR_FSYNC;
  if (disk.lie_about_ && handle.file->path.ends_with(*disk.lie_about_)) return SQLITE_OK;
  for (const Change& change : handle.file->unsynced) disk.Apply(change, false, handle.file->durable);
  handle.file->unsynced.clear();
  return SQLITE_OK;
}

bool PowerLossDisk::Powered() {
  if (failed()) return false;
  ++calls_;
  return !failed();
}

// The change under way when the power fails may still have reached the disk, in part; later ones never leave the host.
bool PowerLossDisk::Record(File& file, Change change) {
  if (failed()) return false;
  const bool powered = Powered();
  change.interrupted = !powered;
  file.unsynced.push_back(std::move(change));
  return powered;
}

PowerLossDisk::File* PowerLossDisk::Find(std::string_view path) {
  const auto at = std::ranges::find_if(files_, [&](const File& file) { return !file.deleted && file.path == path; });
  return at == files_.end() ? nullptr : &*at;
}

// What a file holds when it is first seen is durable. It is read through SQLite's own descriptor, since closing another
// one would end the POSIX locks of this process.
PowerLossDisk::File* PowerLossDisk::FindOrLoad(std::string_view path, sqlite3_file* real) {
  if (File* file = Find(path)) return file;
  sqlite3_int64 size = 0;
  if (real->pMethods->xFileSize(real, &size) != SQLITE_OK) std::abort();
  std::string content(static_cast<std::size_t>(size), '\0');
  if (size > 0 && real->pMethods->xRead(real, content.data(), static_cast<int>(size), 0) != SQLITE_OK) std::abort();
  return &files_.emplace_back(File{std::string(path), std::move(content), {}, false});
}

void PowerLossDisk::Apply(const Change& change, bool torn, std::string& image) {
  const auto at = static_cast<std::size_t>(change.offset);
  if (!change.data) return image.resize(at);
  const std::string_view data = *change.data;
  std::size_t done = 0;
  while (done < data.size()) {  // each piece ends with its sector
    const std::size_t size = std::min(data.size() - done, kSector - (at + done) % kSector);
    if (!torn || Chance(0.5)) {
      if (image.size() < at + done + size) image.resize(at + done + size);
      std::memcpy(image.data() + at + done, data.data() + done, size);
    }
    done += size;
  }
}

// With the same chance for each change, all or nothing of many would hardly ever survive, which is what real disks do
// most of the time. So the chance is drawn too.
std::string PowerLossDisk::Survivor(const File& file) {
  constexpr std::array<double, 5> kSurvival{0, 0.1, 0.5, 0.9, 1};
  const double survival = kSurvival.at(random_() % kSurvival.size());
  std::vector<const Change*> changes;
  for (const Change& change : file.unsynced)
    if (Chance(survival)) changes.push_back(&change);
  if (Chance(0.5)) std::ranges::shuffle(changes, random_);
  const double torn = Chance(0.5) ? 0.1 : 0;
  std::string image = file.durable;
  for (const Change* change : changes) Apply(*change, change->interrupted || Chance(torn), image);
  return image;
}

void PowerLossDisk::Recover() {
  for (const File& file : files_) {
    if (file.deleted) continue;
    std::filesystem::remove(file.path + "-shm");
    if (file.unsynced.empty()) continue;
    const std::string image = Survivor(file);
    // Not truncated first: some file systems write such a file to their disk at once, for which we would wait.
    std::ofstream(file.path, std::ios::binary | std::ios::in) << image;
    std::filesystem::resize_file(file.path, image.size());
  }
  files_.clear();
}

}  // namespace vmferry
