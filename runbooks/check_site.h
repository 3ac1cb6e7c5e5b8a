// SPDX-License-Identifier: Apache-2.0
//
// SiteModel: a Site document as the checker uses it: the Site, and beside it where everything stands in the file, so
// that a runbook's problem with a value of the site is shown there. Refers to the Document, which must outlive it.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runbooks/check_options.h"
#include "runbooks/fields.h"
#include "runbooks/site.h"
#include "steps/step.h"

namespace vmferry {

struct SiteWorkload {
  Workload workload;
  std::size_t vm_at = 0;      // where the VM is named
  std::size_t domain_at = 0;  // where the domain is named; where the workload is, if it is not
};

struct SiteApplication {
  const Value* value = nullptr;  // its map: workloads and parameters
  std::vector<SiteWorkload> workloads;
  std::map<std::string, std::string> labels;  // what policies select by
};

struct SystemDetails {
  const PluginKind* kind = nullptr;  // null: unknown, which was reported
  std::string domain_type = "auto";
  std::string rehearsal_network;  // empty: none was named
};

struct SitePolicy {
  std::string path;    // from the site's folder
  std::size_t at = 0;  // where the site names it
};

struct SiteModel {
  const Document* document = nullptr;
  Site site;
  std::map<std::string, SystemDetails> details;  // by SystemEntry::name
  std::map<std::string, SiteApplication> applications;
  bool applications_known = true;   // false: that part was unusable, so nobody can say an application is missing
  bool defaults_known = true;       // likewise
  const Value* defaults = nullptr;  // may be null
  std::vector<SitePolicy> policies;

  // By name or alias; null if there is none.
  const SystemEntry* FindSystem(std::string_view name) const;
  // Likewise; a platform may also be spelt as the field does (platform_names.h).
  const SystemEntry* FindPlatform(std::string_view name) const;
  bool Serves(const SystemEntry& system, std::string_view role) const;  // true when its plugin is not known
  // Names and aliases of what serves the role, platforms only if asked for.
  std::vector<std::string> NamesServing(std::string_view role, bool platforms_only) const;
};

// Reads a Site document and reports all its problems. The model is as complete as the problems let it be.
SiteModel CheckSite(const Reader& reader, const Vocabulary& vocabulary);

// check_applications.cc: `spec.applications`; fills model.applications.
void CheckApplications(const Reader& reader, const std::vector<MapMember>& applications, SiteModel& model);

// check_settings.cc: an entry's settings, as its plugin declares them. `fields` is the entry's map, whose other keys
// the caller knows; `owner` names the entry in messages; relative paths are taken from `base`.
Json ReadSettings(const Reader& reader, Fields& fields, const PluginKind& kind, const std::string& owner,
                  const std::string& base);
// The folder that relative paths in a document are taken from; absolute.
std::string FolderOf(const Document& document);
// A path, made absolute; reported if it is none.
std::string ReadPath(const Reader& reader, const Value& value, std::string_view what, const std::string& base);

}  // namespace vmferry
