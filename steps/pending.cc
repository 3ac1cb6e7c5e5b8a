// SPDX-License-Identifier: Apache-2.0
#include "steps/pending.h"

#include <utility>

namespace vmferry {

Progress WithHandle(const StepContext& context, Progress progress, const Json& handle) {
  if (handle != context.handle) progress.handle = handle;
  return progress;
}

std::chrono::milliseconds WaitedSince(const StepContext& context, Json& moment) {
  if (!moment.is_number() || moment.get<std::int64_t>() > context.elapsed.count()) moment = 0;
  return context.elapsed - std::chrono::milliseconds(moment.get<std::int64_t>());
}

Result<Pending> WaitOut(const StepContext& context, const Error& busy, const std::string& text, const Json& handle,
                        Json& moment) {
  constexpr std::chrono::milliseconds kPoll{5000};
  constexpr std::chrono::milliseconds kPatience{330000};  // vSphere: a lease without progress calls ends after 300 s
  if (busy.kind != ErrorKind::kUnavailable) return busy;
  if (moment.is_null()) moment = context.elapsed.count();
  if (WaitedSince(context, moment) >= kPatience) return busy;
  return Pending(WithHandle(context, Progress::NotYet(kPoll, text + ": " + Describe(busy)), handle));
}

}  // namespace vmferry
