// SPDX-License-Identifier: Apache-2.0
//
// How text and evidence are laid out for people.
#include "orchestrator/words.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace vmferry {
namespace {

TEST(Evidence, IsReadWithoutTheSignsOfJson) {
  const Json evidence = {{"ageMs", 18303}, {"host", "app1"},   {"paths", {"/srv", "/etc"}}, {"said", ""},
                         {"ratio", 0.5},   {"samples", 24.0}, {"forced", false},           {"none", nullptr}};
  EXPECT_EQ(EvidenceText(evidence),
            "ageMs: 18303, forced: false, host: app1, none: null, paths: [/srv, /etc], ratio: 0.5, said: \"\", "
            "samples: 24");
}

TEST(Evidence, KeepsWhatIsInsideTogetherAndQuotesWhatWouldMislead) {
  EXPECT_EQ(EvidenceText({{"traffic", {{"server", "kvm"}, {"weight", 1}}}, {"list", {{{"a", 1}}, {{"b", 2}}}}}),
            "list: [{a: 1}, {b: 2}], traffic: {server: kvm, weight: 1}");
  EXPECT_EQ(EvidenceText({{"verdict", "cannot tell, accepted"}, {"line", "a\nb"}, {"blank", " x"}}),
            R"(blank: " x", line: "a\nb", verdict: "cannot tell, accepted")");
  EXPECT_EQ(EvidenceText({{"empty", Json::object()}, {"nothing", Json::array()}}), "empty: {}, nothing: []");
  EXPECT_EQ(EvidenceText(Json::object()), "{}");
}

TEST(Wrapped, BreaksBetweenWordsOnly) {
  EXPECT_EQ(Wrapped("one two three four", 0, 2, 10), "one two\n  three\n  four");
  EXPECT_EQ(Wrapped("one two", 6, 4, 10), "one\n    two") << "the first line begins at column 6";
  EXPECT_EQ(Wrapped("short abcdefghijklmnop x", 0, 2, 10), "short\n  abcdefghijklmnop\n  x");
  EXPECT_EQ(Wrapped("", 0, 2, 10), "");
}

TEST(Wrapped, LeavesANameWithItsValue) {
  EXPECT_EQ(Wrapped("a: 1, name: value", 0, 2, 12), "a: 1,\n  name: value");
  EXPECT_EQ(Wrapped("ends with:", 0, 2, 8), "ends\n  with:");
}

}  // namespace
}  // namespace vmferry
