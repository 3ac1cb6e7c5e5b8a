// SPDX-License-Identifier: Apache-2.0
//
// validate_guest_tools_and_drivers: before the machine is started on the target, whether it has the drivers of the
// devices that it will find there. Its disks are looked into while it is off, which takes minutes where processors are
// emulated: a worker does it. Disks in which nothing is recognised are neither good nor bad; the runbook says what
// then.
#include <string>
#include <utility>

#include "plugins/guest.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/guest_drivers.h"
#include "steps/images.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/workers.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kPoll{1000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "validate_guest_tools_and_drivers";
  spec.purpose = "Looks into the VM's converted disks for the drivers of the target's devices and for a guest agent.";
  spec.scope = Scope::kWorkload;
  spec.deadline = std::chrono::minutes(30);
  spec.parameters = {
      Service("inspector", "guest", true, "the service that looks into the disks"),
      Choice("whenUnknown", {"fail", "hold", "accept"}, "fail",
             "what to do when it cannot be told (no operating system recognised, Windows, an unreadable initramfs): go "
             "back, wait until a person resumes, or go on and say so in the facts"),
      Choice("guestAgent", {"optional", "required"}, "optional", "whether a guest agent for KVM must be installed"),
  };
  spec.reads = "the converted disks: operating system, kernels, driver modules, packages";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "cutoverSteps:\n  - validate_guest_tools_and_drivers:\n      inspector: guests # of the site, plugin "
      "`libguestfs`\n      whenUnknown: hold\n";
  return spec;
}

Result<InspectRequest> RequestFor(const StepContext& context, const WorkloadImages& images) {
  InspectRequest request;
  for (const Image& image : images.disks) {
    const Status sealed = RequireSealed(context, image);
    if (!sealed) return sealed.error();
    const Result<VolumeFacts> volume = ReadVolume(context, image.pool, image.volume);
    if (!volume) return volume.error();
    request.disks.push_back({volume->path, image.format});
  }
  return request;
}

WorkerBody InspectBody(Plugin* inspector, InspectRequest request) {
  return [inspector, request = std::move(request)](std::stop_token stop, WorkerReport&) -> Result<Json> {
    CallContext call;
    call.stop = std::move(stop);
    const auto reply = Invoke(*inspector, guest::kInspect, request, call);
    if (!reply) return reply.error();
    return Json(*reply);
  };
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string all;
  for (const std::string& text : texts) all += (all.empty() ? "" : "; ") + text;
  return all;
}

Json FactsOf(const InspectReply& guest, const GuestVerdict& verdict) {
  Json kernels = Json::array();
  for (const GuestKernel& kernel : guest.kernels)
    kernels.push_back({{"kernel", kernel.version}, {"drivers", kernel.at_boot}});
  return {{"verdict", verdict.unknown.empty() ? "drivers present" : "cannot tell, accepted"},
          {"unknown", verdict.unknown},
          {"system", guest.product},
          {"kernels", kernels},
          {"agents", guest.agents},
          {"vmwareTools", guest.vmware_tools},
          {"notes", verdict.notes}};
}

// With whenUnknown hold, a handle says that a person has seen why it cannot be told; asked again, they have resumed.
Result<Progress> Conclude(const StepContext& context, const InspectReply& guest, const GuestVerdict& verdict) {
  const std::string object = "guest of " + context.workload->name;
  if (!verdict.missing.empty())
    return TargetError(
        context, ErrorKind::kConflict, object, Joined(verdict.missing),
        "install the drivers and rebuild the initramfs on the source (`update-initramfs -u`, `dracut`), or "
        "choose devices that the guest knows (convert_image: diskBus, nicModel)");
  const std::string policy = TextOf(context.parameters, "whenUnknown", "fail");
  const bool shown = !Member(context.handle, "shown").is_null();
  if (verdict.unknown.empty() || policy == "accept" || (policy == "hold" && shown))
    return Progress::Done(FactsOf(guest, verdict));
  const std::string why = "it cannot be told whether the guest has the drivers it needs: " + Joined(verdict.unknown);
  if (policy == "fail")
    return TargetError(context, ErrorKind::kConflict, object, why,
                       "find out by a test start of a copy; then say `whenUnknown: hold` or `accept`");
  Progress progress = Progress::Hold(why + "; resume to go on all the same, or roll back");
  progress.handle = {{"shown", why}};
  return progress;
}

class ValidateGuestStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const auto images = ImagesToBoot(context);
    if (!images) return images.error();
    const WorkloadImages& ours = images->at(context.workload->name);
    const Result<Plugin*> inspector = ServiceOf(context, "inspector");
    if (!inspector) return inspector.error();
    const Result<InspectRequest> request = RequestFor(context, ours);
    if (!request) return request.error();
    const std::string key = InspectionKey(context, *context.workload);
    const WorkerView view = context.workers->Poll(key, InspectBody(*inspector, *request));
    if (!view.finished) return Progress::NotYet(kPoll, "looking into the disks of " + context.workload->name);
    context.workers->Stop(key);
    if (!view.result) return view.result.error();
    const auto guest = view.result->get<InspectReply>();
    return Conclude(context, guest,
                    JudgeGuest(guest, {ours.disk_bus, ours.nic_model,
                                       TextOf(context.parameters, "guestAgent", "optional") == "required"}));
  }

  // The disks are not there yet.
  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.undo = "nothing to undo";
    forecast.will =
        "look into the converted disks of " + context.workload->name +
        " for drivers and guest agent; when it cannot be told: " + TextOf(context.parameters, "whenUnknown", "fail");
    const Result<Plugin*> inspector = ServiceOf(context, "inspector");
    if (!inspector) forecast.problems.push_back(inspector.error());
    return forecast;
  }
};

}  // namespace

const Step& ValidateGuestToolsAndDrivers() {
  static const ValidateGuestStep step;
  return step;
}

}  // namespace vmferry
