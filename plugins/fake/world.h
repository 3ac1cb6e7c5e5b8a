// SPDX-License-Identifier: Apache-2.0
//
// World: a WorldData shared by plugins and tests, in memory or in a file.
//
// Ownership: plugins hold it by shared_ptr; World::Open gives all who name the same file the same object in a process.
// Threading: any thread; one caller at a time inside Change. Processes: a world with a file is locked (flock on the
// file's directory), loaded again when the file changed, and replaced by rename after each call that changed it, so
// several processes may use it in turn. What is not saved is lost with the process: as a power loss would do it, a
// disk copy that did not finish loses its bytes.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "plugins/fake/world_data.h"

namespace vmferry {

class World {
 public:
  // In memory.
  explicit World(WorldData data) : data_(std::move(data)) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // The world in `path`. kNotFound, kInvalid if it cannot be read.
  static Result<std::shared_ptr<World>> Open(const std::string& path);

  // Runs `act`; what it changed (WorldData::revision rose) is saved before this returns. kUnavailable if the file
  // cannot be read or written: then nothing was changed.
  Status Change(const std::function<void(WorldData&)>& act);
  // A copy, for tests and checkers. REQUIRES: the file, if any, is readable.
  WorldData Copy();
  // "in memory" or the file's path.
  std::string where() const { return path_.empty() ? "in memory" : path_; }

 private:
  World() = default;
  Status LoadIfChanged();
  Status Save();

  std::mutex mutex_;
  WorldData data_;
  std::string path_;
  std::string stamp_;  // of the file as loaded or saved last
};

}  // namespace vmferry
