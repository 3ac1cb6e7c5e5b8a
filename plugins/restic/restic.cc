// SPDX-License-Identifier: Apache-2.0
#include "plugins/restic/restic.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "plugins/backup.h"
#include "plugins/detached.h"
#include "plugins/restic/output.h"
#include "plugins/restic/owned.h"
#include "plugins/restic/repository.h"
#include "state/clock.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using State = DetachedView::State;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint64_t kForAFile = 4096;  // what a file takes on a disk besides its data, or rounded up
constexpr int kReadIncompletely = 3;    // exit code
constexpr milliseconds kForSize{10000};  // of a call: how long the size of a backup may take to learn

bool IsHex(const std::string& text, std::size_t shortest, std::size_t longest) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return text.size() >= shortest && text.size() <= longest && std::all_of(text.begin(), text.end(), hex);
}

steady_clock::time_point DeadlineOf(const CallContext& context) {
  return std::min(context.until, steady_clock::now() + context.timeout);
}

std::string WordsOr(const DetachedView& view) {
  const std::string words = WordsOf(view.errors);
  return words.empty() ? "restic ended with exit code " + std::to_string(view.exit_code) : words;
}

class Restic final : public CallTable {
 public:
  explicit Restic(const PluginSetup& setup) : repository_(setup) {
    Serve<BackupQuery, NewestBackup>(backup::kFindNewest,
                                     [this](const auto& query, const auto& context) { return Newest(query, context); });
    Serve<BackupCheckRequest, BackupCheck>(
        backup::kCheck, [this](const auto& request, const auto& context) { return Check(request, context); });
    Serve<BackupCheckRequest, BackupCheck>(backup::kTestRestore, [this](const auto& request, const auto& context) {
      return TestRestore(request, context);
    });
    Serve<BackupRunRequest, BackupRun>(
        backup::kReadRun, [this](const auto& request, const auto& context) { return ReadRun(request, context); });
    Serve<BackupRunRequest, BackupRun>(
        backup::kBeginRun, [this](const auto& request, const auto& context) { return BeginRun(request, context); });
    Serve<BackupKey, Done>(backup::kEnsureStopped,
                           [this](const auto& key, const auto& context) { return Stop(key, context); });
  }
  std::string system() const override { return repository_.system(); }

 private:
  Result<NewestBackup> Newest(const BackupQuery& query, const CallContext& context) const;
  void LearnSize(BackupFacts& facts, const CallContext& context) const;
  Result<BackupCheck> Check(const BackupCheckRequest& request, const CallContext& context) const;
  Result<BackupCheck> TestRestore(const BackupCheckRequest& request, const CallContext& context) const;
  Result<BackupCheck> Verdict(const fs::path& folder, const DetachedView& view, const std::string& depth,
                              const CallContext& context) const;
  Result<BackupRun> ReadRun(const BackupRunRequest& request, const CallContext& context) const;
  Result<BackupRun> BeginRun(const BackupRunRequest& request, const CallContext& context) const;
  Result<BackupRun> WithoutRecord(const BackupRunRequest& request, const CallContext& context) const;
  Result<BackupRun> Finished(const BackupRunRequest& request, const DetachedView& view,
                             const CallContext& context) const;
  Result<std::vector<BackupFacts>> Marked(const std::string& key, const CallContext& context) const;
  Result<Done> Stop(const BackupKey& key, const CallContext& context) const;

  Status CheckKey(const std::string& key) const;
  Status CheckScope(const BackupScope& scope) const;
  Status Launch(const fs::path& folder, const std::vector<std::string>& arguments, bool keep_output) const;
  fs::path Folder(const std::string& key, const std::string& what) const {
    return fs::path(repository_.work_directory()) / (key + "-" + what);
  }

  // The size of the backup when restored; nothing while restic counts.
  Result<std::optional<ResticStats>> RestoreSize(const BackupCheckRequest& request, const CallContext& context) const;
  Status CheckRoom(const ResticStats& size) const;

  const Repository repository_;
  mutable OwnedFolders checks_;
};

Status Restic::CheckKey(const std::string& key) const {
  if (IsHex(key, 12, 12)) return Ok();
  return repository_.Fail(ErrorKind::kInvalid, "key " + key, "is not 12 hex digits", "");
}

Status Restic::CheckScope(const BackupScope& scope) const {
  const auto comma = [](const std::string& tag) { return tag.empty() || tag.find(',') != std::string::npos; };
  if (std::any_of(scope.tags.begin(), scope.tags.end(), comma))
    return repository_.Fail(ErrorKind::kInvalid, "tags", "a tag is empty or has a comma in it", "correct the tags");
  for (const std::string& path : scope.paths)
    if (!path.starts_with('/'))
      return repository_.Fail(ErrorKind::kInvalid, "path " + path, "is not absolute", "write it from / on");
  return Ok();
}

Status Restic::Launch(const fs::path& folder, const std::vector<std::string>& arguments, bool keep_output) const {
  const auto environment = repository_.Environment();
  if (!environment) return environment.error();
  Status started = StartDetached(folder, repository_.Argv(arguments), *environment, keep_output);
  if (started) return started;
  Error error = started.error();
  error.system = system();
  return error;
}

void Restic::LearnSize(BackupFacts& facts, const CallContext& context) const {
  if (facts.size_bytes >= 0) return;
  CallContext limited = context;
  const auto left = std::chrono::duration_cast<milliseconds>(DeadlineOf(context) - steady_clock::now());
  limited.timeout = std::min(left / 2, kForSize);
  const auto text = repository_.Read({"stats", "--mode", "restore-size", facts.id}, limited);
  if (const auto stats = text ? ParseStats(*text) : std::nullopt) facts.size_bytes = stats->bytes;
}

Result<NewestBackup> Restic::Newest(const BackupQuery& query, const CallContext& context) const {
  const Status good = CheckScope(query.scope);
  if (!good) return good.error();
  const auto snapshots = repository_.Snapshots(query.scope, context);
  if (!snapshots) return snapshots.error();
  NewestBackup reply;
  if (snapshots->empty()) return reply;
  reply.found = true;
  reply.backup = snapshots->front();
  LearnSize(reply.backup, context);
  reply.age_ms = SystemClock().Now().wall_ms - reply.backup.time_ms;
  return reply;
}

// Tells the verdict of what has ended, once the folder is gone.
Result<BackupCheck> Restic::Verdict(const fs::path& folder, const DetachedView& view, const std::string& depth,
                                    const CallContext& context) const {
  // A restored tree may take several calls to remove; the verdict is kept in the folder, which goes last.
  const steady_clock::time_point deadline = DeadlineOf(context);
  if (!RemoveFolder(folder / "restored", deadline) || !RemoveFolder(folder, deadline)) {
    if (steady_clock::now() >= deadline) return BackupCheck{"running", ""};
    return repository_.Fail(ErrorKind::kDenied, "folder " + folder.string(), "cannot be removed", "remove it by hand");
  }
  if (view.state == State::kLost)
    return repository_.Fail(ErrorKind::kUnavailable, "the repository", "restic was killed before it had ended",
                            "see why: memory, or a shutdown of the machine");
  if (view.exit_code != 0) {
    if (OutsideFailure(view.exit_code, view.errors))
      return repository_.Failed(ErrorKind::kCorrupt, view.exit_code, view.errors);
    return BackupCheck{"failed", WordsOr(view)};
  }
  if (depth != "list") return BackupCheck{"passed", WordsOf(view.output)};
  const auto stats = ParseStats(view.output);
  if (!stats || stats->files <= 0) return BackupCheck{"failed", "restic lists no files in it"};
  return BackupCheck{"passed",
                     std::to_string(stats->files) + " files and folders, " + std::to_string(stats->bytes) + " bytes"};
}

Result<BackupCheck> Restic::Check(const BackupCheckRequest& request, const CallContext& context) const {
  const Status good = CheckKey(request.key);
  if (!good) return good.error();
  if (!IsHex(request.backup, 8, 64))
    return repository_.Fail(ErrorKind::kInvalid, "backup " + request.backup, "is not the id of a snapshot", "");
  std::vector<std::string> arguments{"--no-lock", "--no-cache"};
  if (request.depth == "structure")
    arguments.emplace_back("check");
  else if (request.depth == "list")
    arguments.insert(arguments.end(), {"stats", "--json", "--mode", "restore-size", request.backup});
  else if (request.depth == "checksum")
    arguments.insert(arguments.end(), {"dump", "--archive", "tar", request.backup, "/"});
  else
    return repository_.Fail(ErrorKind::kInvalid, "depth " + request.depth, "is unknown", "structure, list or checksum");
  // The id belongs to the name: another backup's check is another one.
  const fs::path folder = Folder(request.key, request.depth + "-" + request.backup.substr(0, 12));
  const DetachedView view = LookAtDetached(folder);
  if (view.state == State::kRunning) {
    checks_.Own(folder);
    return BackupCheck{"running", ""};
  }
  if (view.state != State::kNone) {
    Result<BackupCheck> verdict = Verdict(folder, view, request.depth, context);
    if (!verdict || verdict->state != "running") checks_.Forget(folder);
    return verdict;
  }
  const steady_clock::time_point now = steady_clock::now();
  checks_.Sweep(repository_.work_directory(), now + (DeadlineOf(context) - now) / 2);
  checks_.Own(folder);
  const Status started = Launch(folder, arguments, request.depth != "checksum");
  if (started) return BackupCheck{"running", ""};
  checks_.Forget(folder);
  return started.error();
}

Result<std::optional<ResticStats>> Restic::RestoreSize(const BackupCheckRequest& request,
                                                       const CallContext& context) const {
  const fs::path folder = Folder(request.key, "size-" + request.backup.substr(0, 12));
  const DetachedView view = LookAtDetached(folder);
  if (view.state == State::kRunning) return std::optional<ResticStats>();
  if (view.state == State::kNone) {
    const Status started = Launch(
        folder, {"--no-lock", "--no-cache", "stats", "--json", "--mode", "restore-size", request.backup}, true);
    if (!started) return started.error();
    return std::optional<ResticStats>();
  }
  RemoveFolder(folder, DeadlineOf(context));
  if (view.state == State::kLost)
    return repository_.Fail(ErrorKind::kUnavailable, "backup " + request.backup,
                            "restic was killed before it had told the size", "see why");
  const auto size = view.exit_code == 0 ? ParseStats(view.output) : std::nullopt;
  if (size && size->bytes >= 0) return size;
  return repository_.Failed(ErrorKind::kCorrupt, view.exit_code, view.errors);
}

Status Restic::CheckRoom(const ResticStats& size) const {
  std::error_code error;
  const fs::space_info space = fs::space(repository_.work_directory(), error);
  const auto bytes = static_cast<std::uint64_t>(size.bytes);
  const std::uint64_t needed = bytes + static_cast<std::uint64_t>(std::max<std::int64_t>(0, size.files)) * kForAFile;
  if (!error && needed >= bytes && space.available >= needed) return Ok();
  return repository_.Fail(
      ErrorKind::kConflict, "folder " + repository_.work_directory(),
      error ? "its free space cannot be told: " + error.message()
            : "the test restore needs " + std::to_string(needed) + " bytes, and " + std::to_string(space.available) +
                  " are free",
      "make room there, or set `workDirectory` to a larger disk");
}

Result<BackupCheck> Restic::TestRestore(const BackupCheckRequest& request, const CallContext& context) const {
  const Status good = CheckKey(request.key);
  if (!good) return good.error();
  if (!IsHex(request.backup, 8, 64))
    return repository_.Fail(ErrorKind::kInvalid, "backup " + request.backup, "is not the id of a snapshot", "");
  const fs::path folder = Folder(request.key, "restore-" + request.backup.substr(0, 12));
  const DetachedView view = LookAtDetached(folder);
  if (view.state == State::kRunning) return BackupCheck{"running", ""};
  if (view.state != State::kNone) return Verdict(folder, view, "restore", context);
  const auto size = RestoreSize(request, context);
  if (!size) return size.error();
  if (!*size) return BackupCheck{"running", ""};
  if (const Status room = CheckRoom(**size); !room) return room.error();
  const std::vector<std::string> arguments{
      "--no-lock", "--no-cache", "restore", request.backup, "--verify", "--target", (folder / "restored").string()};
  const Status started = Launch(folder, arguments, true);
  if (!started) return started.error();
  return BackupCheck{"running", ""};
}

Result<std::vector<BackupFacts>> Restic::Marked(const std::string& key, const CallContext& context) const {
  BackupScope marked;
  marked.tags = {"vmferry-" + key};
  return repository_.Snapshots(marked, context);
}

// Nothing is known of a process. A snapshot with the tag may be one that could not be read whole.
Result<BackupRun> Restic::WithoutRecord(const BackupRunRequest& request, const CallContext& context) const {
  const auto snapshots = Marked(request.key, context);
  if (!snapshots) return snapshots.error();
  if (snapshots->empty()) return BackupRun{"not started", {}, "", 0, 0};
  return BackupRun{"failed", snapshots->front(),
                   "snapshot " + snapshots->front().id + " has its tag, but there is no record that restic ended well", 0,
                   0};
}

// restic ended with code 0.
Result<BackupRun> Restic::Finished(const BackupRunRequest& request, const DetachedView& view,
                                   const CallContext& context) const {
  if (ReadIncompletely(view.errors))
    return BackupRun{"failed", {}, "some of the data could not be read: " + WordsOf(view.errors), 0, 0};
  auto snapshots = Marked(request.key, context);
  if (!snapshots) return snapshots.error();
  // Not one that an earlier, incomplete run left under the same tag.
  const std::string made = ParseMadeSnapshot(view.output);
  std::erase_if(*snapshots, [&](const BackupFacts& facts) { return !facts.id.starts_with(made); });
  if (snapshots->empty()) return BackupRun{"failed", {}, "it left no snapshot with its tag: " + WordsOr(view), 0, 0};
  BackupFacts& facts = snapshots->front();
  if (!Covers(facts.paths, request.scope.paths))
    return BackupRun{"failed", {}, "the snapshot does not cover all the paths asked for", 0, 0};
  LearnSize(facts, context);
  return BackupRun{"done", facts, "", 0, 0};
}

Result<BackupRun> Restic::ReadRun(const BackupRunRequest& request, const CallContext& context) const {
  for (const Status& good : {CheckKey(request.key), CheckScope(request.scope)})
    if (!good) return good.error();
  if (request.scope.paths.empty())
    return repository_.Fail(ErrorKind::kInvalid, "the backup's scope", "restic must be told what to back up",
                            "give the parameter `targetPaths`");
  const DetachedView view = LookAtDetached(Folder(request.key, "backup"));
  if (view.state == State::kNone) return WithoutRecord(request, context);
  if (view.state == State::kRunning) {
    const auto [done, total] = ParseProgress(view.output);
    return BackupRun{"running", {}, "", done, total};
  }
  if (view.state == State::kLost) return BackupRun{"failed", {}, "restic was killed before it had ended", 0, 0};
  if (view.exit_code == 0) return Finished(request, view, context);
  if (view.exit_code == kReadIncompletely)
    return BackupRun{"failed", {}, "some of the data could not be read: " + WordsOr(view), 0, 0};
  const bool transient = OutsideFailure(view.exit_code, view.errors) == ErrorKind::kUnavailable;
  return BackupRun{"failed", {}, "it left no whole backup: " + WordsOr(view), 0, 0, transient};
}

Result<BackupRun> Restic::BeginRun(const BackupRunRequest& request, const CallContext& context) const {
  const Result<BackupRun> before = ReadRun(request, context);
  if (!before) return before.error();
  if (before->state == "running" || before->state == "done") return before;
  std::vector<std::string> arguments{"--cache-dir", (fs::path(repository_.work_directory()) / "cache").string(),
                                     "backup",      "--json",
                                     "--tag",       "vmferry-" + request.key};
  if (!request.scope.host.empty()) arguments.insert(arguments.end(), {"--host", request.scope.host});
  for (const std::string& tag : request.scope.tags) arguments.insert(arguments.end(), {"--tag", tag});
  arguments.emplace_back("--");
  // restic leaves out what is missing, and calls it success.
  for (const std::string& path : request.scope.paths) {
    std::error_code error;
    if (!fs::exists(path, error))
      return repository_.Fail(ErrorKind::kNotFound, "path " + path,
                              error ? error.message() : "there is nothing to back up",
                              "correct `targetPaths`, or mount what belongs there");
    arguments.push_back(path);
  }
  const Status started = Launch(Folder(request.key, "backup"), arguments, true);
  if (!started) return started.error();
  return BackupRun{"running", {}, "", 0, 0};
}

Result<Done> Restic::Stop(const BackupKey& key, const CallContext& context) const {
  const Status good = CheckKey(key.key);
  if (!good) return good.error();
  std::error_code error;
  std::vector<fs::path> folders;
  for (fs::directory_iterator at(repository_.work_directory(), error), end; !error && at != end; at.increment(error))
    if (at->path().filename().string().starts_with(key.key + "-")) folders.push_back(at->path());
  // Without the folder nothing was begun; one that cannot be read may hold anything.
  if (error && error != std::errc::no_such_file_or_directory)
    return repository_.Fail(ErrorKind::kUnavailable, "folder " + repository_.work_directory(),
                            "cannot be read: " + error.message(), "check the setting `workDirectory`");
  for (const fs::path& folder : folders) checks_.Forget(folder);
  for (const fs::path& folder : folders)
    if (!StopDetached(folder, DeadlineOf(context)))
      return repository_.Fail(ErrorKind::kUnavailable, "folder " + folder.string(),
                              "restic has not ended yet, or the folder is not removed yet",
                              "if it stays so, see who holds the folder and remove it");
  return Done{};
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  const auto lacks = [&](const char* name, const char* prefix) {
    const auto value = setup.settings.find(name);
    return value == setup.settings.end() || !value->is_string() || value->get<std::string>().empty() ||
           !value->get<std::string>().starts_with(prefix);
  };
  const auto invalid = [&](const std::string& message, const std::string& advice) {
    return Error{ErrorKind::kInvalid, setup.name + " (restic)", "", message, advice};
  };
  if (lacks("repository", "")) return invalid("the setting `repository` is missing", "name the repository");
  if (lacks("password", "")) return invalid("the setting `password` is missing", "refer to the repository's password");
  if (lacks("workDirectory", "/")) return invalid("`workDirectory` must be an absolute path", "on a local file system");
  if (setup.settings.contains("program") && lacks("program", "/"))
    return invalid("`program` must be an absolute path", "/usr/bin/restic");
  return std::shared_ptr<Plugin>(std::make_shared<Restic>(setup));
}

}  // namespace

PluginKind ResticKind() {
  PluginKind kind;
  kind.name = "restic";
  kind.purpose = "backups in a restic repository, by the program restic (0.14 or newer)";
  kind.roles = {"backup"};
  kind.settings = {
      {"repository", "text", true, "where the repository is, as `restic --repo` wants it; a folder from / or ./ on"},
      {"password", "secret", true, "the repository's password"},
      {"workDirectory", "path", true,
       "folder on a local disk for what runs long; test restores are unpacked there, so it needs room for one backup"},
      {"program", "path", false, "restic itself; without it /usr/bin/restic"},
      {"environment", "map", false,
       "NAME: REFERENCE, secrets that restic needs besides, such as AWS_SECRET_ACCESS_KEY: env:S3_SECRET"},
  };
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
