// SPDX-License-Identifier: Apache-2.0
//
// What samples add up to: the rules of precedence, exhaustively.
#include "steps/criterion_rule.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vmferry {
namespace {

// p pass, f fail, e error, i inconclusive, n no data.
std::vector<SampleVerdict> Samples(std::string_view letters) {
  std::vector<SampleVerdict> samples;
  for (const char letter : letters)
    samples.push_back(letter == 'p'   ? SampleVerdict::kPass
                      : letter == 'f' ? SampleVerdict::kFail
                      : letter == 'e' ? SampleVerdict::kError
                      : letter == 'i' ? SampleVerdict::kInconclusive
                                      : SampleVerdict::kNoData);
  return samples;
}

// 2 of 3; errors hold after 3, inconclusive ones are told after 3, no data holds after 2.
CriterionRule Rule() {
  CriterionRule rule;
  rule.failures = 2;
  rule.within = 3;
  rule.errors = {3, Reaction::kHold};
  rule.inconclusive = {3, Reaction::kNotify};
  rule.no_data = {2, Reaction::kHold};
  return rule;
}

struct Case {
  const char* samples;
  const char* verdict;  // "" is undecided
  Reaction reaction;
};

TEST(CriterionRule, EachKindIsReachedByItsOwnCountAndNeverTakenForAnother) {
  constexpr Reaction kNothing = Reaction::kNone;
  const std::vector<Case> cases{
      {"", "", kNothing},            // no sample is no success
      {"p", "pass", kNothing},
      {"f", "", kNothing},           // one is not enough, and it is no pass either
      {"e", "", kNothing},
      {"i", "", kNothing},
      {"n", "", kNothing},
      {"pf", "", kNothing},
      {"fp", "pass", kNothing},
      {"ff", "fail", Reaction::kRollBack},   // the second trips, inclusive
      {"fpf", "fail", Reaction::kRollBack},
      {"ffp", "fail", Reaction::kRollBack},  // two of the latest three still
      {"ffpp", "pass", kNothing},
      {"fppf", "", kNothing},                // the first is out of the window
      {"fef", "fail", Reaction::kRollBack},  // whatever is between takes a place
      {"feef", "", kNothing},
      {"ee", "", kNothing},
      {"eee", "error", Reaction::kHold},
      {"eeee", "error", Reaction::kHold},
      {"eeep", "pass", kNothing},
      {"eepe", "", kNothing},                // a pass ends the row
      {"eefe", "", kNothing},                // and so does a fail
      {"iii", "inconclusive", Reaction::kNotify},
      {"nn", "no data", Reaction::kHold},
      {"pnn", "no data", Reaction::kHold},
      {"en", "no data", Reaction::kHold},    // a row of whatever says nothing
      {"ie", "", kNothing},
      {"ei", "", kNothing},
      {"nei", "error", Reaction::kHold},     // error before inconclusive before no data
      {"iin", "inconclusive", Reaction::kHold},  // the strongest reaction of what is reached
      {"nnf", "", kNothing},
      {"fnf", "fail", Reaction::kRollBack},
      {"ffnn", "no data", Reaction::kHold},  // one of the latest three failed
      {"fnfnn", "no data", Reaction::kHold}};
  for (const Case& one : cases) {
    const Evaluation evaluation = Evaluate(Rule(), Samples(one.samples));
    SCOPED_TRACE(one.samples);
    EXPECT_EQ(evaluation.verdict ? Name(*evaluation.verdict) : "", one.verdict);
    EXPECT_EQ(evaluation.reaction, one.reaction);
    EXPECT_EQ(evaluation.green(), std::string_view(one.verdict) == "pass");
    EXPECT_EQ(evaluation.why.empty(), evaluation.reaction == Reaction::kNone);
  }
}

// Every history of up to six samples, against the definition written down once more, slowly.
TEST(CriterionRule, EveryHistoryOfSixSamplesIsJudgedAsDefined) {
  constexpr std::string_view kLetters = "pfein";
  const CriterionRule rule = Rule();
  std::vector<std::string> histories{""};
  for (std::size_t at = 0; at < histories.size(); ++at) {
    const std::string history = histories[at];
    if (history.size() < 6)
      for (const char letter : kLetters) histories.push_back(history + letter);
    const std::string latest = history.size() > 3 ? history.substr(history.size() - 3) : history;
    std::string row;
    for (auto i = history.rbegin(); i != history.rend() && *i != 'p' && *i != 'f'; ++i) row += *i;
    const auto has = [&row](char letter, std::size_t least) {
      return row.size() >= least && row.find(letter) != std::string::npos;
    };
    std::string verdict;
    Reaction reaction = Reaction::kNone;
    const auto reached = [&](const char* name, Reaction its) {
      if (verdict.empty()) verdict = name;
      reaction = std::max(reaction, its);
    };
    if (std::count(latest.begin(), latest.end(), 'f') >= 2) reached("fail", Reaction::kRollBack);
    if (has('e', 3)) reached("error", Reaction::kHold);
    if (has('i', 3)) reached("inconclusive", Reaction::kNotify);
    if (has('n', 2)) reached("no data", Reaction::kHold);
    if (verdict.empty() && history.ends_with('p')) verdict = "pass";
    const Evaluation evaluation = Evaluate(rule, Samples(history));
    ASSERT_EQ(evaluation.verdict ? Name(*evaluation.verdict) : "", verdict) << history;
    ASSERT_EQ(evaluation.reaction, reaction) << history;
  }
  EXPECT_EQ(histories.size(), 1u + 5 + 25 + 125 + 625 + 3125 + 15625);
}

TEST(CriterionRule, OnlyTheLatestSamplesCountSoThatTheJournalNeedKeepNoMore) {
  std::vector<SampleVerdict> samples(1000, SampleVerdict::kFail);
  samples.insert(samples.end(), kKeptSamples, SampleVerdict::kPass);
  CriterionRule rule;
  rule.failures = 1;
  rule.within = static_cast<int>(kKeptSamples);
  EXPECT_TRUE(Evaluate(rule, samples).green());
}

TEST(CriterionRule, IsReadFromAPlanAndSaidInWords) {
  const Json parameters{{"every", 30000},
                        {"delay", 60000},
                        {"trip", {{"failures", 4}, {"within", 6}}},
                        {"onTrip", "hold"},
                        {"errors", {{"consecutive", 7}, {"then", "notify"}}},
                        {"noData", {{"consecutive", 2}, {"then", "rollback"}}}};
  EXPECT_EQ(RuleInWords(RuleOf(parameters)),
            "every 30s, from 1m after the traffic moved; 4 failed of the latest 6: hold; errors, 7 in a row: notify; "
            "inconclusive, 5 in a row: notify; no data, 2 in a row: rollback");
  const CriterionRule row = RuleOf({{"trip", {{"consecutive", 2}, {"failures", 3}, {"within", 5}}}});
  EXPECT_EQ(row.failures, 2);
  EXPECT_EQ(row.within, 2);
}

}  // namespace
}  // namespace vmferry
