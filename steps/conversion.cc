// SPDX-License-Identifier: Apache-2.0
#include "steps/conversion.h"

#include <utility>

#include "plugins/target_platform.h"
#include "steps/copy.h"
#include "steps/images.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

Result<bool> IsSealed(const StepContext& context, const Conversion& conversion) {
  const Result<VolumeFacts> volume = ReadVolume(context, conversion.pool, conversion.to);
  if (!volume) return volume.error();
  return volume->exists && SealOf(volume->seal, KeyOf(context)).is_object();
}

WorkerBody ConvertBody(Plugin* target, const Conversion& conversion, const Json& seal) {
  return [target, conversion, seal](std::stop_token stop, WorkerReport&) -> Result<Json> {
    CallContext call;
    call.stop = std::move(stop);
    const auto converted = Invoke(*target, target::kConvertVolume,
                                  ConvertVolumeRequest{conversion.pool, conversion.from, conversion.to, "qcow2"}, call);
    if (!converted) return converted.error();
    const auto sealed =
        Invoke(*target, target::kSealVolume, SealVolumeRequest{conversion.pool, conversion.to, seal.dump()}, call);
    if (!sealed) return sealed.error();
    return seal;
  };
}

}  // namespace

Result<std::vector<Conversion>> ListConversions(const StepContext& context) {
  std::vector<Conversion> conversions;
  if (TextOf(context.parameters, "format", "qcow2") == "raw") return conversions;
  const auto copies = ImagesFrom(context.earlier("final_data_sync", ""));
  for (const Workload& workload : context.application->workloads) {
    const auto images = copies.find(workload.name);
    if (images == copies.end())
      return Error{ErrorKind::kInvalid, "vmferry", "workload " + workload.name, "no earlier step has copied its disks",
                   "put final_data_sync before this step in the runbook"};
    int number = 0;
    for (const Image& image : images->second.disks)
      conversions.push_back(Conversion{workload.name, image.pool, image.volume,
                                       VolumeName(workload.domain, context.key, ++number, "qcow2"), image.sha256});
  }
  return conversions;
}

std::vector<Conversion> ConversionsFrom(const Json& before) {
  const Json& list = Member(before, "conversions");
  return list.is_array() ? list.get<std::vector<Conversion>>() : std::vector<Conversion>();
}

std::string WorkerKey(const StepContext& context, const Conversion& conversion) {
  return KeyOf(context) + "/" + conversion.to;
}

Result<Pending> Convert(const StepContext& context, Plugin* target, const Conversion& conversion) {
  const Result<bool> sealed = IsSealed(context, conversion);
  if (!sealed) return sealed.error();
  const std::string key = WorkerKey(context, conversion);
  if (*sealed && context.workers->Stop(key)) return Pending();
  const Json seal = {{"key", KeyOf(context)},
                     {"run", context.run},
                     {"from", conversion.from},
                     {"sha256", conversion.sha256},
                     {"format", "qcow2"}};
  const WorkerView view = context.workers->Poll(key, ConvertBody(target, conversion, seal));
  if (!view.finished)
    return Pending(Progress::NotYet(milliseconds(500), "converting " + conversion.from + " to qcow2"));
  context.workers->Stop(key);
  if (!view.result) return view.result.error();
  return Pending(Progress::NotYet(milliseconds(0), "converted " + conversion.from));
}

}  // namespace vmferry
