// SPDX-License-Identifier: Apache-2.0
#include "runbooks/check_options.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "runbooks/document.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {

const StepSpec* Vocabulary::FindStep(std::string_view name) const {
  const auto spec = std::find_if(steps.begin(), steps.end(), [&](const StepSpec* s) { return s->name == name; });
  return spec == steps.end() ? nullptr : *spec;
}

const PluginKind* Vocabulary::FindPlugin(std::string_view name) const {
  const auto kind = std::find_if(plugins.begin(), plugins.end(), [&](const PluginKind* p) { return p->name == name; });
  return kind == plugins.end() ? nullptr : *kind;
}

std::vector<std::string> Vocabulary::StepNames() const {
  std::vector<std::string> names;
  for (const StepSpec* spec : steps)
    if (!spec->implicit && !spec->criterion) names.push_back(spec->name);
  return names;
}

std::vector<std::string> Vocabulary::CriterionNames() const {
  std::vector<std::string> names;
  for (const StepSpec* spec : steps)
    if (spec->criterion) names.push_back(spec->name);
  return names;
}

std::string Vocabulary::CriterionHint(std::string_view name) const {
  return SuggestHint(name, CriterionNames(), "`vmferry steps` lists the criteria there are");
}

std::string Vocabulary::StepHint(std::string_view name) const {
  const auto nearest = Nearest(name, StepNames());
  return nearest ? "did you mean " + Quoted(*nearest) + "?" : "`vmferry steps` lists the steps there are";
}

Vocabulary WholeVocabulary() {
  Vocabulary vocabulary;
  for (const Step* step : AllSteps()) vocabulary.steps.push_back(&step->spec());
  for (const PluginKind& kind : AllPluginKinds()) vocabulary.plugins.push_back(&kind);
  return vocabulary;
}

Result<std::string> ReadDocumentFile(const std::string& path) {
  const auto failed = [&path](const std::string& why) {
    return Error{ErrorKind::kNotFound, "", "file " + path, why, ""};
  };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::directory) return failed("it is a directory");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return failed(std::generic_category().message(errno != 0 ? errno : EIO));
  std::string text(Document::kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return failed("reading it failed");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

}  // namespace vmferry
