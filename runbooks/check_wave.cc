// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_wave.h"

#include <filesystem>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "runbooks/characters.h"
#include "runbooks/header.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr int kMostRunbooks = 1000;

int ReadCount(Fields& fields, std::string_view key, std::int64_t most, int otherwise) {
  return static_cast<int>(fields.Integer(key, 1, most).value_or(otherwise));
}

void ReadRunbooks(const Reader& reader, Fields& spec, WaveModel& wave) {
  bool present = false;
  const std::vector<Value>& runbooks = spec.List("runbooks", &present);
  if (!present || (runbooks.empty() && spec.Find("runbooks")->Is(Kind::kList)))
    reader.Report(spec.PlaceOf("runbooks"), "a Wave without runbooks", "list them: `runbooks: [shop.yaml]`");
  if (runbooks.size() > kMostRunbooks)
    return reader.Report(runbooks[kMostRunbooks].at,
                         "a wave has at most " + std::to_string(kMostRunbooks) + " runbooks", "make several waves");
  const std::filesystem::path folder = std::filesystem::path(reader.document.path()).parent_path();
  std::set<std::string> seen;
  for (const Value& value : runbooks) {
    if (!reader.Accept(value.at, ReadItem(value, "runbooks"))) continue;
    const std::string path = (folder / value.text).lexically_normal().string();
    if (seen.insert(path).second)
      wave.entries.push_back({path, value.at});
    else
      reader.Report(value.at, Quoted(value.text) + " is listed twice", "keep one of them");
  }
}

void ReadStopAfter(const Reader& reader, Fields& spec, WaveModel& wave) {
  const Value* value = spec.Find("stopAfter");
  if (value == nullptr) return;
  Fields stop(reader, *value, "`stopAfter`", spec.PlaceOf("stopAfter"));
  stop.Require("failed");
  wave.stop_after_failed = ReadCount(stop, "failed", kMostRunbooks, 0);
  stop.RefuseOthers();
}

void CheckNumber(const WaveMember& member, const WaveModel& wave, const Reader& reader) {
  const RunbookModel& runbook = *member.runbook;
  if (wave.number == 0 || runbook.wave == 0 || runbook.wave == wave.number) return;
  const Reader there{*runbook.document, reader.problems};
  there.Report(runbook.wave_at,
               "this runbook is for wave " + std::to_string(runbook.wave) + ", but " + Quoted(wave.name) + " is wave " +
                   std::to_string(wave.number),
               "correct one of them, or take the runbook out of " + Tamed(reader.document.path()));
}

// Two applications of the wave that use one thing of a platform.
class Sharing {
 public:
  Sharing(const Reader& reader, std::string what) : reader_(reader), what_(std::move(what)) {}

  void See(const std::string& platform, const std::string& object, const std::string& application, std::size_t at) {
    if (platform.empty() || object.empty()) return;
    const auto [first, added] = seen_.emplace(std::pair(platform, object), application);
    if (!added && first->second != application)
      reader_.Report(at, Quoted(application) + " and " + Quoted(first->second) + " of one wave have the same " + what_ +
                             " " + Quoted(object));
  }

 private:
  const Reader& reader_;
  std::string what_;
  std::map<std::pair<std::string, std::string>, std::string> seen_;
};

void CheckSharing(const std::vector<WaveMember>& members, const Reader& site_reader, const SiteModel& site) {
  Sharing vms(site_reader, "VM");
  Sharing domains(site_reader, "domain");
  for (const WaveMember& member : members) {
    const Application& application = member.plan->application;
    const auto known = site.applications.find(application.name);
    if (known == site.applications.end()) continue;
    for (const SiteWorkload& workload : known->second.workloads) {
      vms.See(application.source, workload.workload.vm, application.name, workload.vm_at);
      domains.See(application.target, workload.workload.domain, application.name, workload.domain_at);
    }
  }
}

}  // namespace

WaveModel CheckWaveDocument(const Reader& reader) {
  WaveModel wave;
  const Value& root = reader.document.root();
  Fields fields(reader, root, "a Wave", 0);
  wave.name = ReadHeader(reader, fields, root, DocumentKind::kWave);
  if (const Value* value = fields.Require("spec")) {
    Fields spec(reader, *value, "`spec` of a Wave", fields.PlaceOf("spec"));
    wave.number = ReadCount(spec, "number", std::numeric_limits<int>::max(), 0);
    if (spec.usable()) ReadRunbooks(reader, spec, wave);
    wave.applications_at_once = ReadCount(spec, "applicationsAtOnce", kMostRunbooks, 1);
    ReadStopAfter(reader, spec, wave);
    spec.RefuseOthers();
  }
  fields.RefuseOthers();
  return wave;
}

void CheckTogether(const Reader& reader, const WaveModel& wave, const std::vector<WaveMember>& members,
                   const Reader* site_reader, const SiteModel* site) {
  std::map<std::string, std::string> applications;  // name to the runbook that has it
  for (const WaveMember& member : members) {
    CheckNumber(member, wave, reader);
    if (member.runbook->application.empty()) continue;
    const auto [first, added] = applications.emplace(member.runbook->application, member.entry->path);
    if (!added)
      reader.Report(member.entry->at, "application " + Quoted(member.runbook->application) + " is in this wave twice",
                    "it is in " + Tamed(first->second) + " too");
  }
  if (site != nullptr) CheckSharing(members, *site_reader, *site);
}

}  // namespace vmferry
