// SPDX-License-Identifier: Apache-2.0
//
// The fake as a backup product. What takes long takes so many looks as the vault says; a backup's id is its key.
#include <algorithm>

#include "plugins/backup.h"
#include "plugins/fake/fake_plugin.h"

namespace vmferry {
namespace {

constexpr std::int64_t kStart = 1772330400000;  // 2026-03-01T02:00:00Z: now, in a world without a clock

bool HasAll(const std::vector<std::string>& all, const std::vector<std::string>& some) {
  return std::all_of(some.begin(), some.end(),
                     [&](const std::string& one) { return std::find(all.begin(), all.end(), one) != all.end(); });
}

Status Reach(const Scene& scene) {
  if (scene.world.vault.reachable) return Ok();
  return Fail(scene, ErrorKind::kUnavailable, "the repository", "connection refused",
              "see that the repository can be reached");
}

FakeBackup* FindBackup(Scene& scene, const std::string& id) {
  for (FakeBackup& backup : scene.world.vault.backups)
    if (backup.facts.id == id) return &backup;
  return nullptr;
}

FakeBackupWork* FindWork(Scene& scene, const std::string& key, const std::string& what) {
  for (FakeBackupWork& work : scene.world.vault.works)
    if (work.key == key && work.what == what) return &work;
  return nullptr;
}

void Forget(Scene& scene, const std::string& key, const std::string& what) {
  std::erase_if(scene.world.vault.works,
                [&](const FakeBackupWork& work) { return work.key == key && (what.empty() || work.what == what); });
  Touch(scene.world);
}

// One look: true if it has ended.
bool Look(Scene& scene, FakeBackupWork& work) {
  if (work.left <= 0) return true;
  Touch(scene.world);
  return --work.left <= 0;
}

Result<NewestBackup> FindNewest(Scene& scene, const BackupQuery& query) {
  const Status reached = Reach(scene);
  if (!reached) return reached.error();
  NewestBackup reply;
  for (const FakeBackup& backup : scene.world.vault.backups) {
    if (!query.scope.host.empty() && backup.facts.host != query.scope.host) continue;
    if (!HasAll(backup.facts.paths, query.scope.paths) || !HasAll(backup.facts.tags, query.scope.tags)) continue;
    if (reply.found && reply.age_ms < backup.age_ms) continue;  // of two as old, the one made later
    reply = {true, backup.facts, backup.age_ms};
    reply.backup.time_ms = kStart - backup.age_ms;
  }
  return reply;
}

BackupCheck VerdictOn(Scene& scene, const std::string& id, const std::string& depth) {
  const FakeBackup* backup = FindBackup(scene, id);
  if (depth == "structure" && !scene.world.vault.structure_good) return {"failed", "pack 07fe: does not exist"};
  if (backup == nullptr) return {"failed", "no such backup"};
  const bool reads = depth == "checksum" || depth == "restore";
  if (reads && backup->damaged) return {"failed", "ciphertext verification failed"};
  return {"passed", "no errors were found"};
}

Result<BackupCheck> Examine(Scene& scene, const BackupCheckRequest& request, const std::string& depth) {
  const Status reached = Reach(scene);
  if (!reached) return reached.error();
  if (depth != "structure" && depth != "list" && depth != "checksum" && depth != "restore")
    return Fail(scene, ErrorKind::kInvalid, "depth " + depth, "is unknown", "structure, list or checksum");
  const std::string what = depth + " of " + request.backup;
  FakeBackupWork* work = FindWork(scene, request.key, what);
  if (work == nullptr) {
    scene.world.vault.works.push_back({request.key, what, request.backup, {}, scene.world.vault.polls, ""});
    Touch(scene.world);
    if (depth == "restore") Record(scene.world, scene.call, "restore-begun", request.key, {{"backup", request.backup}});
    return BackupCheck{"running", ""};
  }
  if (!Look(scene, *work)) return BackupCheck{"running", ""};
  const BackupCheck verdict = VerdictOn(scene, work->backup, depth);
  Forget(scene, request.key, what);
  return verdict;
}

Result<BackupCheck> Check(Scene& scene, const BackupCheckRequest& request) {
  return Examine(scene, request, request.depth);
}

Result<BackupCheck> TestRestore(Scene& scene, const BackupCheckRequest& request) {
  return Examine(scene, request, "restore");
}

// The backup that the run's end makes.
void Keep(Scene& scene, const FakeBackupWork& work) {
  FakeBackup made;
  made.facts = {work.key, kStart, std::int64_t{64} << 20, work.scope.host, work.scope.paths, work.scope.tags};
  made.facts.tags.push_back("vmferry-" + work.key);
  made.damaged = scene.world.vault.run_damages;
  scene.world.vault.backups.push_back(std::move(made));
}

Result<BackupRun> ReadRun(Scene& scene, const BackupRunRequest& request) {
  const Status reached = Reach(scene);
  if (!reached) return reached.error();
  if (const FakeBackup* made = FindBackup(scene, request.key)) return BackupRun{"done", made->facts, "", 0, 0};
  FakeBackupWork* work = FindWork(scene, request.key, "backup");
  if (work == nullptr) return BackupRun{"not started", {}, "", 0, 0};
  if (!Look(scene, *work)) return BackupRun{"running", {}, "", 32 << 20, 64 << 20};
  if (!work->fails.empty()) return BackupRun{"failed", {}, work->fails, 0, 0, scene.world.vault.run_transient};
  Keep(scene, *work);
  Forget(scene, request.key, "backup");
  return BackupRun{"done", FindBackup(scene, request.key)->facts, "", 0, 0};
}

Result<BackupRun> BeginRun(Scene& scene, const BackupRunRequest& request) {
  const Result<BackupRun> before = ReadRun(scene, request);
  if (!before || before->state == "running" || before->state == "done") return before;
  Forget(scene, request.key, "backup");
  scene.world.vault.works.push_back(
      {request.key, "backup", "", request.scope, scene.world.vault.polls + 1, scene.world.vault.run_fails});
  Record(scene.world, scene.call, "backup-begun", request.key, {{"host", request.scope.host}});
  return BackupRun{"running", {}, "", 0, 0};
}

Result<Done> EnsureStopped(Scene& scene, const BackupKey& key) {
  const auto& works = scene.world.vault.works;
  if (std::none_of(works.begin(), works.end(), [&](const FakeBackupWork& work) { return work.key == key.key; }))
    return Done{};
  Forget(scene, key.key, "");
  Record(scene.world, scene.call, "backup-stopped", key.key);
  return Done{};
}

}  // namespace

void FakePlugin::ServeBackup() {
  On(backup::kFindNewest, FindNewest);
  On(backup::kCheck, Check);
  On(backup::kTestRestore, TestRestore);
  On(backup::kReadRun, ReadRun);
  On(backup::kBeginRun, BeginRun);
  On(backup::kEnsureStopped, EnsureStopped);
}

}  // namespace vmferry
