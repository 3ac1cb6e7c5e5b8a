// SPDX-License-Identifier: Apache-2.0
//
// CheckOptions: what the checker knows of the product, and how it reads files. The product's own are the default; tests
// and the fuzzer give others. Pointers refer to what the catalogue and the registry own, for ever.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/registry.h"
#include "runbooks/check.h"
#include "state/result.h"
#include "steps/step.h"

namespace vmferry {

struct Vocabulary {
  std::vector<const StepSpec*> steps;
  std::vector<const PluginKind*> plugins;

  const StepSpec* FindStep(std::string_view name) const;
  const PluginKind* FindPlugin(std::string_view name) const;
  // What an author may write as a step: without criteria and the steps vmferry adds itself.
  std::vector<std::string> StepNames() const;
  std::vector<std::string> CriterionNames() const;
  // For a name that is no step's, no criterion's.
  std::string StepHint(std::string_view name) const;
  std::string CriterionHint(std::string_view name) const;
};

// All steps of the catalogue and all plugins of the registry.
Vocabulary WholeVocabulary();

// Reads at most one byte more than Document::kMaxBytes.
Result<std::string> ReadDocumentFile(const std::string& path);

struct CheckOptions {
  Vocabulary vocabulary;
  std::function<Result<std::string>(const std::string& path)> read = ReadDocumentFile;
  PolicyUse policies;
};

// As in check.h.
Checked CheckWave(const std::string& path, const std::string& site_path, const CheckOptions& options);
std::vector<Diagnostic> CheckFiles(const std::vector<std::string>& paths, const CheckOptions& options);

}  // namespace vmferry
