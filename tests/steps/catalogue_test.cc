// SPDX-License-Identifier: Apache-2.0
//
// The catalogue as a whole: its specifications are complete, and CATALOGUE.md says what they say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "steps/catalogue_text.h"
#include "steps/names.h"
#include "steps/step.h"
#include "steps/words.h"

namespace vmferry {
namespace {

TEST(Catalogue, EverySpecificationIsComplete) {
  std::set<std::string> names;
  for (const Step* step : AllSteps()) {
    const StepSpec& spec = step->spec();
    SCOPED_TRACE(spec.name);
    EXPECT_TRUE(names.insert(spec.name).second);
    EXPECT_EQ(FindStep(spec.name), step);
    EXPECT_FALSE(spec.purpose.empty() || spec.reads.empty() || spec.changes.empty() || spec.undo.empty());
    EXPECT_FALSE(spec.example.empty());
    EXPECT_GT(spec.deadline.count(), 0);
    if (!spec.effect) {
      EXPECT_EQ(spec.changes, "nothing");
      EXPECT_EQ(spec.loses, "");
    } else {
      EXPECT_TRUE(spec.loses == kLosesNothing || spec.loses == kLosesWrites) << "it says: " << spec.loses;
    }
    std::set<std::string> parameters{"deadline"};  // every step has it
    for (const ParameterSpec& parameter : spec.parameters) {
      EXPECT_TRUE(parameters.insert(parameter.name).second) << parameter.name;
      EXPECT_FALSE(parameter.purpose.empty()) << parameter.name;
      EXPECT_EQ(parameter.type == ParameterType::kChoice, !parameter.choices.empty()) << parameter.name;
      EXPECT_EQ(parameter.type == ParameterType::kService, !parameter.role.empty()) << parameter.name;
      EXPECT_FALSE(parameter.required && !parameter.standard.empty()) << parameter.name;
    }
  }
}

TEST(Catalogue, UnknownNamesAreNotFound) {
  EXPECT_EQ(FindStep("vm_exist"), nullptr);
}

// VMFERRY_WRITE_CATALOGUE=1 in the environment writes the page anew.
TEST(Catalogue, PageIsUpToDate) {
  const std::string path = std::string(VMFERRY_SOURCE_DIR) + "/steps/CATALOGUE.md";
  if (std::getenv("VMFERRY_WRITE_CATALOGUE") != nullptr) std::ofstream(path) << CatalogueMarkdown();
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_EQ(text.str(), CatalogueMarkdown()) << "run: VMFERRY_WRITE_CATALOGUE=1 build/release/tests/test_steps "
                                                "--gtest_filter=Catalogue.PageIsUpToDate";
}

TEST(Words, SayNumbersAsPeopleDo) {
  EXPECT_EQ(BytesInWords(0), "0 B");
  EXPECT_EQ(BytesInWords(1536), "1.5 KiB");
  EXPECT_EQ(BytesInWords(std::uint64_t{96} << 20), "96 MiB");
  EXPECT_EQ(DurationInWords(std::chrono::milliseconds(250)), "250ms");
  EXPECT_EQ(DurationInWords(std::chrono::milliseconds(0)), "0ms");
  EXPECT_EQ(DurationInWords(std::chrono::seconds(90)), "1m 30s");
  EXPECT_EQ(DurationInWords(std::chrono::hours(24)), "24h");
  EXPECT_EQ(CountInWords(1, "disk"), "1 disk");
  EXPECT_EQ(ListInWords({"a", "b", "c"}), "a, b and c");
  EXPECT_EQ(ListInWords({}), "none");
}

TEST(Names, CarryTheKeyAndFindTheRun) {
  EXPECT_EQ(VolumeName("web1", "0123456789abcdef", 2, "raw"), "web1-0123456789ab-disk2.raw");
  EXPECT_EQ(OverlayName("web1", "0123456789abcdef", 1), "web1-0123456789ab-disk1.overlay.qcow2");
  EXPECT_EQ(RunOf("r-1/shop/web1"), "r-1");
  EXPECT_EQ(RunOf("r-1 web1 on kvm"), "r-1");
  EXPECT_EQ(DatastoreOf("[data store] web1/web1.vmdk"), "data store");
  EXPECT_EQ(DatastoreOf("/vmfs/x"), "");
}

}  // namespace
}  // namespace vmferry
