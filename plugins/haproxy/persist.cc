// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/persist.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <system_error>

#include "plugins/printable.h"
#include "plugins/program.h"

namespace vmferry::haproxy {
namespace {

constexpr mode_t kStateFileMode = 0644;  // no secrets in it, and HAProxy may run as somebody else

Error BadSetting(const std::string& message, const std::string& advice) {
  return Error{ErrorKind::kInvalid, "", "setting persist", message, advice};
}

Result<std::map<std::string, std::string>> ParseStateFiles(const Json& value,
                                                           const std::vector<std::string>& instances) {
  const std::string advice = "give one file for each instance: a list in the order of instances, or a map";
  std::map<std::string, std::string> files;
  if (value.is_string() && instances.size() == 1) files[instances[0]] = value.get<std::string>();
  if (value.is_array() && value.size() == instances.size())
    for (std::size_t i = 0; i < instances.size(); ++i)
      if (value[i].is_string()) files[instances[i]] = value[i].get<std::string>();
  if (value.is_object())
    for (const auto& [instance, file] : value.items())
      if (file.is_string()) files[instance] = file.get<std::string>();
  std::set<std::string> distinct;
  for (const std::string& instance : instances) {
    if (!files.contains(instance)) return BadSetting("stateFile names no file for " + instance, advice);
    if (!files[instance].starts_with('/'))
      return BadSetting("state file " + files[instance] + " is not an absolute path", "write it from / on");
    if (!distinct.insert(files[instance]).second)
      return BadSetting("state file " + files[instance] + " serves two instances, which would overwrite each other's",
                        advice);
  }
  if (files.size() != instances.size()) return BadSetting("stateFile names an instance that is not there", advice);
  return files;
}

Result<std::vector<std::string>> ParseCommand(const Json& value) {
  std::vector<std::string> command;
  if (value.is_array())
    for (const Json& word : value)
      if (word.is_string()) command.push_back(word.get<std::string>());
  if (command.empty() || command.size() != value.size())
    return BadSetting("command is not a list of words",
                      "write command: [/path/to/program, argument]; no shell runs it");
  if (!command[0].starts_with('/'))
    return BadSetting("program " + command[0] + " is not an absolute path", "write it from / on");
  return command;
}

std::string ReadWhole(const std::string& file, bool* there) {
  std::ifstream in(file, std::ios::binary);
  *there = in.is_open();
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

Error StateFileFailed(const std::string& file, const std::string& doing, int error) {
  return Error{ErrorKind::kInvalid, "", "state file " + file, doing + ": " + std::generic_category().message(error),
               "make its directory writable for vmferry, or declare another way in persist"};
}

// 0 or the errno of what failed.
int WriteDurably(const std::string& path, const std::string& text, mode_t mode) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0) return errno;
  std::size_t at = 0;
  int error = fchmod(fd, mode) == 0 ? 0 : errno;
  while (error == 0 && at < text.size()) {
    const ssize_t count = write(fd, text.data() + at, text.size() - at);
    if (count >= 0) at += static_cast<std::size_t>(count);
    if (count < 0 && errno != EINTR) error = errno;
  }
  if (error == 0 && fsync(fd) != 0) error = errno;
  if (close(fd) != 0 && error == 0) error = errno;
  return error;
}

int SyncDirectory(const std::string& directory) {
  const int fd = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return errno;
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  return error;
}

// What the server would be after a reload, as far as it can be told: (state, weight).
struct Kept {
  std::string state;
  int weight = 0;
};

// HAProxy takes over the forced bits of the file, and its weight unless the configured one was changed.
std::optional<Kept> FromFile(const ServerRow& now, const std::vector<ServerRow>& file) {
  const auto kept = std::find_if(file.begin(), file.end(), [&](const ServerRow& row) { return row.name == now.name; });
  if (kept == file.end()) return std::nullopt;
  const bool reweighted = kept->initial_weight != now.initial_weight;
  return Kept{StateOf(kept->admin & (kForcedMaint | kForcedDrain)), reweighted ? now.initial_weight : kept->weight};
}

Kept FromConfiguration(const ServerRow& now) {
  return Kept{now.admin & kConfiguredMaint ? "maint" : "ready", now.initial_weight};
}

}  // namespace

std::string Persist::InWords() const {
  if (way == Way::kNone) return "not persisted: " + reason;
  if (way == Way::kCommand) return "command " + command[0];
  std::string words = "state file ";
  for (const auto& [instance, file] : state_files) words += (words.ends_with(' ') ? "" : ", ") + file;
  return words;
}

Result<Persist> ParsePersist(const Json& setting, const std::vector<std::string>& instances) {
  if (!setting.is_object() || setting.size() != 1)
    return BadSetting("declares no way, or several, to keep states over a reload of HAProxy",
                      "write one of stateFile: PATH, command: [PROGRAM, ...], none: REASON");
  const std::string key = setting.begin().key();
  const Json& value = setting.begin().value();
  Persist persist;
  if (key == "stateFile") {
    auto files = ParseStateFiles(value, instances);
    if (!files) return files.error();
    persist.way = Persist::Way::kStateFile;
    persist.state_files = *files;
  } else if (key == "command") {
    auto command = ParseCommand(value);
    if (!command) return command.error();
    persist.way = Persist::Way::kCommand;
    persist.command = *command;
  } else if (key == "none" && value.is_string() && !value.get<std::string>().empty()) {
    persist.reason = value.get<std::string>();
  } else {
    return BadSetting(key == "none" ? "none needs a reason in words" : "does not know the way " + key,
                      "write one of stateFile: PATH, command: [PROGRAM, ...], none: REASON");
  }
  return persist;
}

Status CheckPersist(const Persist& persist) {
  for (const auto& [instance, file] : persist.state_files) {
    const std::string directory = std::filesystem::path(file).parent_path().string();
    const int error = access(directory.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
    if (error != 0) return StateFileFailed(file, "its directory cannot be written to; nothing was changed", error);
  }
  if (persist.way != Persist::Way::kCommand) return Ok();
  const int error = access(persist.command[0].c_str(), X_OK) == 0 ? 0 : errno;
  if (error == 0) return Ok();
  return Error{ErrorKind::kInvalid, "", "program " + persist.command[0],
               "cannot be run; nothing was changed: " + std::generic_category().message(error),
               "check the command in persist"};
}

Status KeepStateFile(const std::string& file, const std::string& dump) {
  if (!dump.starts_with("1\n# "))
    return Error{ErrorKind::kInvalid, "", "state file " + file, "HAProxy answered something else than its servers", ""};
  static std::atomic<unsigned> counter{0};
  struct stat old {};
  const mode_t mode = stat(file.c_str(), &old) == 0 ? old.st_mode & 0777 : kStateFileMode;
  const std::string draft = file + "." + std::to_string(getpid()) + "." + std::to_string(counter++) + ".new";
  int error = WriteDurably(draft, dump + "\n", mode);
  if (error == 0 && rename(draft.c_str(), file.c_str()) != 0) error = errno;
  if (error == 0) error = SyncDirectory(std::filesystem::path(file).parent_path().string());
  if (error == 0) return Ok();
  unlink(draft.c_str());
  return StateFileFailed(file, "cannot be written", error);
}

Status KeepByCommand(const std::vector<std::string>& command, const Change& change, const Limits& limits) {
  std::vector<std::string> argv = command;
  for (const std::string& word : {change.pool, change.server, change.state, change.weight}) argv.push_back(word);
  const auto result = RunProgram(argv,
                                 {{"VMFERRY_POOL", change.pool},
                                  {"VMFERRY_SERVER", change.server},
                                  {"VMFERRY_STATE", change.state},
                                  {"VMFERRY_WEIGHT", change.weight}},
                                 {limits.deadline, limits.stop});
  if (!result) return result.error();
  if (result->exit_code == 0 && !result->timed_out) return Ok();
  std::string message = "ended with exit code " + std::to_string(result->exit_code);
  if (result->signal != 0) message = "was ended by signal " + std::to_string(result->signal);
  if (result->timed_out) message = "did not end in time and was killed";
  if (!result->output.empty()) message += "; it printed: " + Printable(result->output, result->output.size());
  while (message.ends_with('\n')) message.pop_back();
  return Error{ErrorKind::kInvalid, "", "program " + command[0], message, "run it by hand to see what it lacks"};
}

std::vector<std::string> ReloadDrift(const std::string& file, const std::string& pool,
                                     const std::vector<ServerRow>& rows) {
  bool there = false;
  const std::string text = ReadWhole(file, &there);
  const auto kept = ParseServersState(text, pool);
  if (there && !kept) return {"state file " + file + " is not one: " + kept.error().message};
  std::vector<std::string> drift;
  for (const ServerRow& now : rows) {
    const std::string state = StateOf(now.admin & (kForcedMaint | kForcedDrain));
    const Kept after = (there ? FromFile(now, *kept) : std::nullopt).value_or(FromConfiguration(now));
    const std::string where = there ? " (state file " + file + "), it is " : " (no state file " + file + "), it is ";
    if (now.agent) continue;  // its agent changes both by itself
    if (after.state != state) drift.push_back("a reload would make " + now.name + " " + after.state + where + state);
    if (after.weight != now.weight)
      drift.push_back("a reload would give " + now.name + " weight " + std::to_string(after.weight) + where +
                      std::to_string(now.weight));
  }
  return drift;
}

}  // namespace vmferry::haproxy
