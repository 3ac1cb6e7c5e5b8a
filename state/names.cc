// SPDX-License-Identifier: Apache-2.0
#include <array>

#include "state/run_state.h"

namespace vmferry {
namespace {

constexpr std::array<std::string_view, 10> kPhaseNames{"planned",     "pre-checks", "conversion", "cutover",
                                                       "post-checks", "soak",       "commit",     "committed",
                                                       "aborted",     "rolled back"};
constexpr std::array<std::string_view, 6> kActivityNames{"working",      "holding",          "paused",
                                                         "rolling back", "rollback blocked", "needs operator"};
constexpr std::array<std::string_view, 9> kStatusNames{"pending", "found",   "running", "waiting to retry", "done",
                                                       "failed",  "undoing", "undone",  "undo failed"};

constexpr std::array<std::string_view, kSampleVerdicts> kVerdictNames{"pass", "no data", "inconclusive", "error", "fail"};
constexpr std::array<std::string_view, 4> kReactionNames{"none", "notify", "hold", "rollback"};

template <class Enum, std::size_t N>
std::optional<Enum> FromName(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  return std::nullopt;
}

}  // namespace

std::string_view Name(Phase phase) { return kPhaseNames.at(static_cast<std::size_t>(phase)); }
std::string_view Name(Activity activity) { return kActivityNames.at(static_cast<std::size_t>(activity)); }
std::string_view Name(StepStatus status) { return kStatusNames.at(static_cast<std::size_t>(status)); }
std::optional<Phase> PhaseFromName(std::string_view name) { return FromName<Phase>(kPhaseNames, name); }
std::optional<Activity> ActivityFromName(std::string_view name) { return FromName<Activity>(kActivityNames, name); }

std::string_view Name(SampleVerdict verdict) { return kVerdictNames.at(static_cast<std::size_t>(verdict)); }
std::string_view Name(Reaction reaction) { return kReactionNames.at(static_cast<std::size_t>(reaction)); }
std::optional<SampleVerdict> SampleVerdictFromName(std::string_view name) {
  return FromName<SampleVerdict>(kVerdictNames, name);
}
std::optional<Reaction> ReactionFromName(std::string_view name) { return FromName<Reaction>(kReactionNames, name); }

bool IsEnding(Phase phase) {
  return phase == Phase::kCommitted || phase == Phase::kAborted || phase == Phase::kRolledBack;
}

}  // namespace vmferry
