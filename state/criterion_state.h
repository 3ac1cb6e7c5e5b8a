// SPDX-License-Identifier: Apache-2.0
//
// CriterionState: what the journaled samples and verdicts of a rollback criterion add up to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vmferry {

// What one sample says. Never taken for one another; the order is that of precedence, the worst last.
enum class SampleVerdict {
  kPass,
  kNoData,        // the source answered that it has nothing
  kInconclusive,  // an answer that says neither
  kError,         // the source could not be asked
  kFail,
};
inline constexpr std::size_t kSampleVerdicts = 5;
std::string_view Name(SampleVerdict verdict);  // "pass", "no data", "inconclusive", "error", "fail"
std::optional<SampleVerdict> SampleVerdictFromName(std::string_view name);

// What a verdict leads to; the stronger the later.
enum class Reaction { kNone, kNotify, kHold, kRollBack };
std::string_view Name(Reaction reaction);  // "none", "notify", "hold", "rollback"
std::optional<Reaction> ReactionFromName(std::string_view name);

// A rule looks at no more than these.
inline constexpr std::size_t kKeptSamples = 100;

struct CriterionState {
  std::string name;
  std::vector<SampleVerdict> recent;  // since the watch began or a person resumed; at most kKeptSamples
  std::array<std::int64_t, kSampleVerdicts> counts{};  // of the whole run, by verdict
  std::string why;                    // of the latest sample that did not pass
  std::int64_t sampled_ms = 0;        // wall time of the latest sample
  Reaction reaction = Reaction::kNone;  // that stands
  std::string verdict_why;              // its reason
};

// The watch over an application: from the step that moves its traffic until it is committed or gone back.
struct WatchState {
  bool begun = false;            // by an engine that has not said that it left
  bool over = false;             // the rollback window ended with every criterion green; nothing samples any more
  std::int64_t began_ms = 0;     // wall time of the latest beginning
  std::int64_t seen_ms = 0;      // wall time until which somebody watched, as far as the journal tells
  std::int64_t away_ms = 0;      // of the soak, in which nobody watched
};

}  // namespace vmferry
