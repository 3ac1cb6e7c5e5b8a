// SPDX-License-Identifier: Apache-2.0
//
// The language with the product's own catalogue and registry: what they declare, the checker can use.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "runbooks/values.h"
#include "tests/runbooks/little_world.h"

namespace vmferry::test {
namespace {

const std::string kExamples = std::string(VMFERRY_SOURCE_DIR) + "/runbooks/examples/";

TEST(Catalogue, DeclaresOnlyStandardsThatTheCheckerCanRead) {
  const Vocabulary vocabulary = WholeVocabulary();
  EXPECT_FALSE(vocabulary.steps.empty());
  for (const StepSpec* step : vocabulary.steps) {
    std::set<std::string> names;
    for (const ParameterSpec& spec : step->parameters) {
      EXPECT_TRUE(names.insert(spec.name).second) << step->name << "." << spec.name << " is declared twice";
      EXPECT_NE(spec.name, "deadline") << step->name << ": every step has one";
      EXPECT_TRUE(spec.standard.empty() || ReadStandard(spec).ok())
          << step->name << "." << spec.name << ": " << ReadStandard(spec).message;
      EXPECT_FALSE(spec.required && !spec.standard.empty()) << step->name << "." << spec.name;
      EXPECT_EQ(spec.type == ParameterType::kService, !spec.role.empty()) << step->name << "." << spec.name;
      EXPECT_EQ(spec.type == ParameterType::kChoice, !spec.choices.empty()) << step->name << "." << spec.name;
    }
  }
}

TEST(Catalogue, HasEveryNameOnce) {
  std::set<std::string> names;
  for (const StepSpec* step : WholeVocabulary().steps) EXPECT_TRUE(names.insert(step->name).second) << step->name;
  for (const PluginKind* kind : WholeVocabulary().plugins) EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
}

TEST(Catalogue, HasTheStepsWhoseNamesTheLanguageKnows) {
  const Vocabulary vocabulary = WholeVocabulary();
  for (const char* name :
       {"quiesce_application", "final_data_sync", "convert_image", "power_on_target", "smoke_test",
        "update_load_balancer", "update_dns", "dns_ttl_lowered", "backup_job_succeeds", "claim_source", "merge_overlay",
        "release_source", "policy_validated", "undo_proven", "source_measured"}) {
    const StepSpec* step = vocabulary.FindStep(name);
    ASSERT_NE(step, nullptr) << name;
    const bool ours = std::string(name) == "claim_source" || std::string(name) == "merge_overlay" ||
                      std::string(name) == "release_source" || std::string(name) == "policy_validated" ||
                      std::string(name) == "undo_proven" || std::string(name) == "source_measured";
    EXPECT_EQ(step->implicit, ours) << name;
  }
}

// Settings of a type the checker does not know would be read as text.
TEST(Registry, DeclaresOnlySettingTypesThatTheCheckerKnows) {
  const std::set<std::string> known{"text", "path", "secret", "list", "map", "integer", "duration", "boolean"};
  const std::set<std::string> ours{"plugin", "aliases", "domainType", "zone"};
  for (const PluginKind* kind : WholeVocabulary().plugins)
    for (const SettingSpec& spec : kind->settings) {
      EXPECT_TRUE(known.contains(spec.type)) << kind->name << "." << spec.name << ": " << spec.type;
      EXPECT_FALSE(ours.contains(spec.name)) << kind->name << "." << spec.name << " is a word of the language";
    }
}

// The example in a step's own description is a piece of a runbook; nothing in it may be unknown or of a wrong type.
TEST(Catalogue, GivesExamplesThatTheCheckerAccepts) {
  for (const StepSpec* step : WholeVocabulary().steps) {
    if (step->implicit || step->example.empty()) continue;
    CheckOptions options;
    options.vocabulary = WholeVocabulary();
    options.read = [step](const std::string&) -> Result<std::string> {
      return "application: shop\nsourcePlatform: a\ntargetPlatform: b\n" + step->example;
    };
    for (const Diagnostic& diagnostic : CheckFiles({"example.yaml"}, options))
      // One step alone may well lack those that must come before it.
      EXPECT_NE(diagnostic.message.find(" without "), std::string::npos)
          << step->name << ": " << Render(diagnostic, false);
  }
}

// Every folder of examples that has a site, checked as a whole.
TEST(Examples, AreAllRight) {
  std::vector<std::filesystem::path> folders{kExamples};
  for (const auto& entry : std::filesystem::recursive_directory_iterator(kExamples))
    if (entry.is_directory() && std::filesystem::exists(entry.path() / "site.yaml")) folders.push_back(entry.path());
  for (const std::filesystem::path& folder : folders) {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(folder))
      if (file.path().extension() == ".yaml") files.push_back(file.path().string());
    EXPECT_GT(files.size(), 1U) << folder;
    EXPECT_EQ(RenderAll(CheckFiles(files)), "") << folder;
  }
}

TEST(SeedRunbook, HasOnlyNamesThatTheCatalogueKnows) {
  const std::string data = std::string(VMFERRY_SOURCE_DIR) + "/tests/data/";
  EXPECT_EQ(RenderAll(CheckFiles({data + "seed-runbook.yaml", data + "seed-policy.yaml"})), "");
}

// The example without the smoke test's `url`: nothing would say what to ask.
TEST(Examples, ASmokeTestNeedsUrlOrProbes) {
  const auto problems = [](const std::string& instead) {
    CheckOptions options;
    options.vocabulary = WholeVocabulary();
    options.read = [instead](const std::string& path) -> Result<std::string> {
      std::ifstream file(path);
      std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
      const std::string url = "      url: http://web1.kvm.example/healthz\n";
      if (const auto at = text.find(url); at != std::string::npos) text.replace(at, url.size(), instead);
      return text;
    };
    const std::string folder = kExamples + "embedded/";
    return RenderAll(CheckFiles({folder + "customer-analytics-api.yaml", folder + "site.yaml"}, options));
  };
  EXPECT_NE(problems("").find("`smoke_test` lacks its parameter `url`"), std::string::npos) << problems("");
  EXPECT_EQ(problems("      probes: [\"tcp://web1.kvm.example:80\"]\n"), "");
}

}  // namespace
}  // namespace vmferry::test
