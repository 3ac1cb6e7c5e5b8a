// SPDX-License-Identifier: Apache-2.0
//
// convert_image: what the copied disks become on the target: their format, and the devices the domain will have. A
// converted volume is a copy of its own, sealed like the first; the first is left as it is. One worker at a time,
// since conversion is bound by the pool's disks. With format raw there is nothing to convert: the goal is true at once.
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/conversion.h"
#include "steps/copy.h"
#include "steps/images.h"
#include "steps/names.h"
#include "steps/parameters.h"
#include "steps/pending.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "convert_image";
  spec.purpose = "Converts the copied disks to the target's format and chooses the disk and network devices.";
  spec.effect = true;
  spec.undo_continues = true;  // copies on the target are in nobody's way
  spec.deadline = std::chrono::hours(12);
  spec.parameters = {
      Choice("format", {"raw", "qcow2"}, "qcow2", "disk format on the target; raw converts nothing"),
      Choice("diskBus", {"virtio", "sata", "scsi"}, "virtio", "bus of the domain's disks"),
      Choice("nicModel", {"virtio", "e1000e"}, "virtio", "model of the domain's network cards"),
  };
  spec.reads = "the copies that final_data_sync sealed";
  spec.changes = "new volumes in the target's pools";
  spec.undo = "removes half-converted volumes; finished ones are kept and reported";
  spec.loses = kLosesNothing;
  spec.example = "cutoverSteps:\n  - convert_image: {format: qcow2, diskBus: virtio}\n";
  return spec;
}

Json FactsOf(const StepContext& context) {
  auto images = ImagesFrom(context.earlier("final_data_sync", ""));
  const bool convert = TextOf(context.parameters, "format", "qcow2") == "qcow2";
  for (const Workload& workload : context.application->workloads) {
    WorkloadImages& of = images[workload.name];
    of.disk_bus = TextOf(context.parameters, "diskBus", "virtio");
    of.nic_model = TextOf(context.parameters, "nicModel", "virtio");
    int number = 0;
    for (Image& image : of.disks) {
      ++number;
      if (convert) image.volume = VolumeName(workload.domain, KeyOf(context), number, "qcow2");
      if (convert) image.format = "qcow2";
    }
  }
  return ImagesToJson(images);
}

class ConvertImageStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const auto conversions = ListConversions(context);
    if (!conversions) return conversions.error();
    Observation observation;
    observation.before = {{"key", context.key}, {"conversions", *conversions}};
    std::size_t done = 0;
    for (const Conversion& conversion : *conversions) {
      const Result<VolumeFacts> volume = ReadVolume(context, conversion.pool, conversion.to);
      if (!volume) return volume.error();
      if (volume->exists && SealOf(volume->seal, KeyOf(context)).is_object()) ++done;
      if (volume->exists) observation.verdict = Verdict::kPartial;
      if (context.workers->Running(WorkerKey(context, conversion))) observation.verdict = Verdict::kRunning;
    }
    if (done == conversions->size()) observation.verdict = Verdict::kDone;
    observation.evidence = observation.verdict == Verdict::kDone ? FactsOf(context) : Json{{"finished", done}};
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Plugin*> target = TargetOf(context);
    if (!target) return target.error();
    const std::vector<Conversion> conversions = ConversionsFrom(context.before);
    std::uint64_t done = 0;
    for (const Conversion& conversion : conversions) {
      Result<Pending> converted = Convert(context, *target, conversion);
      if (!converted) return converted.error();
      if (*converted) {
        (*converted)->meter.done = done;
        (*converted)->meter.total = conversions.size();
        (*converted)->meter.unit = (*converted)->meter.total == 1 ? "disk" : "disks";
        return **converted;
      }
      ++done;
    }
    return Progress::Done(FactsOf(context));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    const Result<Plugin*> target = TargetOf(context);
    if (!target) return target.error();
    Json facts = {{"kept", Json::array()}, {"removed", Json::array()}};
    for (const Conversion& conversion : ConversionsFrom(context.before)) {
      if (!context.workers->Stop(WorkerKey(context, conversion)))
        return Progress::NotYet(milliseconds(200), "stopping the conversion");
      const Result<VolumeFacts> volume = ReadVolume(context, conversion.pool, conversion.to);
      if (!volume) return volume.error();
      if (!volume->exists) continue;
      const bool keep = !volume->seal.empty() && !GoesWithRehearsal(context, *volume);
      facts[keep ? "kept" : "removed"].push_back(conversion.pool + "/" + conversion.to);
      if (keep) continue;
      const RemoveVolumeRequest request{conversion.pool, conversion.to, context.application->rehearsal};
      const auto removed = Invoke(**target, target::kEnsureNoVolume, request, context.call);
      if (!removed) return removed.error();
    }
    return Progress::Done(std::move(facts));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    const std::string format = TextOf(context.parameters, "format", "qcow2");
    forecast.undo = format == "raw" ? "nothing to undo" : "remove half-converted volumes; finished ones are kept";
    forecast.will = (format == "raw" ? "keep the copies raw" : "convert every copied disk to qcow2") +
                    std::string("; disks on ") + TextOf(context.parameters, "diskBus", "virtio") + ", NICs " +
                    TextOf(context.parameters, "nicModel", "virtio");
    const Result<std::vector<DiskCopy>> copies = ListCopies(context);
    if (copies) forecast.will += " (" + CountInWords(copies->size(), "disk") + ")";
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    if (TextOf(context.parameters, "format", "qcow2") == "raw") return UndoProof{"nothing to undo", {}, {}, ""};
    UndoProof proof;
    ProvePools(context, proof);
    Prove(proof, "only half-converted volumes of this step go");
    return proof;
  }
};

}  // namespace

const Step& ConvertImage() {
  static const ConvertImageStep step;
  return step;
}

}  // namespace vmferry
