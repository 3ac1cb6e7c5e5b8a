// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/world.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "plugins/fake/world_json.h"

namespace vmferry {
namespace {

Error FileError(ErrorKind kind, const std::string& path, const std::string& message) {
  return Error{kind, "fake world", "file " + path, message, "name a world file this user can read and write"};
}

// Holds an exclusive flock on a directory; other processes and other worlds wait.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::string& directory)
      : descriptor_(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (descriptor_ < 0) return;
    while (flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~DirectoryLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_;
};

// Changes whenever the file is replaced or written; empty if there is none.
std::string StampOf(const std::string& path) {
  struct stat facts {};
  if (stat(path.c_str(), &facts) != 0) return "";
  return std::to_string(facts.st_ino) + "." + std::to_string(facts.st_size) + "." +
         std::to_string(facts.st_mtim.tv_sec) + "." + std::to_string(facts.st_mtim.tv_nsec);
}

Result<WorldData> Load(const std::string& path) {
  std::ifstream file(path);
  if (!file) return FileError(ErrorKind::kNotFound, path, std::strerror(errno));
  const Json json = Json::parse(file, nullptr, false);
  if (json.is_discarded()) return FileError(ErrorKind::kInvalid, path, "not JSON");
  Result<WorldData> world = WorldFromJson(json);
  if (!world) return FileError(ErrorKind::kInvalid, path, world.error().message);
  return world;
}

}  // namespace

Result<std::shared_ptr<World>> World::Open(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<World>> worlds;
  std::error_code failure;
  const std::string canonical = std::filesystem::canonical(path, failure);
  if (failure) return FileError(ErrorKind::kNotFound, path, failure.message());
  const std::lock_guard lock(mutex);
  std::shared_ptr<World> world = worlds[canonical].lock();
  if (!world) {
    world = std::shared_ptr<World>(new World());
    world->path_ = canonical;
    worlds[canonical] = world;
  }
  const Status loaded = world->Change([](WorldData&) {});
  if (!loaded) return loaded.error();
  return world;
}

Status World::LoadIfChanged() {
  const std::string stamp = StampOf(path_);
  if (!stamp.empty() && stamp == stamp_) return Ok();
  Result<WorldData> data = Load(path_);
  if (!data) return data.error();
  data_ = std::move(*data);
  stamp_ = stamp;
  return Ok();
}

Status World::Save() {
  const std::string temporary = path_ + ".new";
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << WorldToJson(data_).dump(1, ' ', false, Json::error_handler_t::replace) << "\n";
    file.flush();
    if (!file) return FileError(ErrorKind::kUnavailable, temporary, "cannot be written");
  }
  if (std::rename(temporary.c_str(), path_.c_str()) != 0)
    return FileError(ErrorKind::kUnavailable, path_, std::strerror(errno));
  stamp_ = StampOf(path_);
  return Ok();
}

Status World::Change(const std::function<void(WorldData&)>& act) {
  const std::lock_guard lock(mutex_);
  if (path_.empty()) {
    act(data_);
    return Ok();
  }
  const DirectoryLock files(std::filesystem::path(path_).parent_path());
  Status status = LoadIfChanged();
  if (!status) return status;
  const std::uint64_t before = data_.revision;
  act(data_);
  if (data_.revision == before) return Ok();
  status = Save();
  if (!status) stamp_.clear();  // the file is the truth: read it again
  return status;
}

WorldData World::Copy() {
  WorldData copy;
  (void)Change([&](WorldData& data) { copy = data; });
  return copy;
}

}  // namespace vmferry
