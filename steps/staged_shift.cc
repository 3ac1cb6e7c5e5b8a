// SPDX-License-Identifier: Apache-2.0
#include "steps/staged_shift.h"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include "steps/health_page.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kLook{1000};
constexpr milliseconds kStageStandard{60000};

// -1: no percent. "25" and "25%" are the same.
int PercentOf(std::string_view text) {
  if (text.ends_with('%')) text.remove_suffix(1);
  int percent = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), percent);
  return problem == std::errc() && end == text.data() + text.size() && percent <= 100 ? percent : -1;
}

std::string StageInWords(const Place& place, int percent) {
  return "server " + place.pool + "/" + place.server + " at " + std::to_string(percent) + " % of its weight";
}

// Why the stage does not look good; empty if it does.
Result<std::string> Complaint(const StepContext& context, const Place& place) {
  const Result<LbServer> server = ReadServer(context, place);
  if (!server) return server.error();
  if (server->health != "up" && server->health != "no check") return "the load balancer finds it " + server->health;
  const std::string url = TextOf(context.parameters, "stageUrl");
  if (url.empty()) return std::string();
  return PageComplaint(context, url);
}

// One look during a stage: waits on, goes back, or nothing once the stage has lasted.
Result<Pending> LastStage(const StepContext& context, const Place& place, int percent, Json& handle) {
  const Result<std::string> complaint = Complaint(context, place);
  if (!complaint) return complaint.error();
  const std::string stage = StageInWords(place, percent);
  const std::int64_t bad = complaint->empty() ? 0 : IntegerOf(handle, "badLooks", 0) + 1;
  handle["badLooks"] = bad;
  if (bad >= std::max<std::int64_t>(1, IntegerOf(context.parameters, "stageFailures", 3)))
    return Pending(Progress::RollBack(stage + ": " + *complaint + ", " +
                                      CountInWords(static_cast<std::size_t>(bad), "look") + " in a row"));
  if (bad > 0) return Pending(WithHandle(context, Progress::NotYet(kLook, stage + ": " + *complaint), handle));
  const milliseconds waited = WaitedSince(context, handle["stageFromMs"]);
  if (waited >= DurationOf(context.parameters, "stageFor", kStageStandard)) return Pending();
  return Pending(WithHandle(context, Progress::NotYet(kLook, stage), handle));
}

}  // namespace

Result<std::vector<int>> StagesOf(const StepContext& context) {
  std::vector<int> percents;
  bool rising = true;
  for (const Json& stage : Member(context.parameters, "stages")) {
    const int percent = PercentOf(stage.get<std::string>());
    rising = rising && percent > (percents.empty() ? 0 : percents.back());
    percents.push_back(percent);
  }
  if (percents.empty()) return std::vector<int>{100};
  if (rising && percents.back() == 100) return percents;
  return Error{ErrorKind::kInvalid, "vmferry", "", "`stages` must be rising percents of which the last is 100",
               "stages: [10, 50, 100]"};
}

int WeightAt(int weight, int percent) {
  return weight > 0 ? std::max(1, weight * percent / 100) : weight;
}

Result<Pending> ShiftInStages(const StepContext& context, const Place& place, int weight, Json handle) {
  const Result<std::vector<int>> stages = StagesOf(context);
  if (!stages) return stages.error();
  if (stages->size() == 1) return PutInService(context, place, weight, true);
  if (!handle.is_object())
    return Pending(WithHandle(context, Progress::NotYet(milliseconds(0), "beginning"), {{"stage", 0}, {"weight", weight}}));
  const auto stage = static_cast<std::size_t>(IntegerOf(handle, "stage", 0));
  const bool last = stage + 1 >= stages->size();
  const int percent = last ? 100 : (*stages)[stage];
  if (!Member(handle, "stageFromMs").is_number()) {
    Result<Pending> served = PutInService(context, place, WeightAt(weight, percent), true);
    if (!served) return served.error();
    if (*served) return Pending(WithHandle(context, std::move(**served), handle));
    if (last) return Pending();
    handle["stageFromMs"] = context.elapsed.count();
    return Pending(WithHandle(context, Progress::NotYet(kLook, StageInWords(place, percent)), handle));
  }
  Result<Pending> lasted = LastStage(context, place, percent, handle);
  if (!lasted || *lasted) return lasted;
  return Pending(WithHandle(context, Progress::NotYet(milliseconds(0), StageInWords(place, percent) + " was well"),
                            {{"stage", stage + 1}, {"weight", weight}}));
}

}  // namespace vmferry
