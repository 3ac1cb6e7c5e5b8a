// SPDX-License-Identifier: Apache-2.0
#include "steps/undo_proof.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "steps/copy.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr std::size_t kKeyDigits = 64;
// A system that is silent must leave time for the others.
constexpr milliseconds kPatience{10000};

// Every question is asked once, whoever asks: several steps look at the same VM, and a system that does not answer shall
// not cost its time-out again and again.
class AskedOnce final : public Plugin {
 public:
  explicit AskedOnce(Plugin& plugin) : plugin_(plugin) {}
  std::string system() const override { return plugin_.system(); }
  Result<Reply> Invoke(const CallSpec& call, const Json& request, const CallContext& context) override {
    if (call.access != Access::kRead) return plugin_.Invoke(call, request, context);
    const std::string question = std::string(call.role) + "." + std::string(call.name) + " " + request.dump();
    const auto known = answers_.find(question);
    if (known != answers_.end()) return known->second;
    return answers_.emplace(question, plugin_.Invoke(call, request, context)).first->second;
  }

 private:
  Plugin& plugin_;
  std::map<std::string, Result<Reply>> answers_;
};

class SystemsAskedOnce final : public Systems {
 public:
  explicit SystemsAskedOnce(Systems& systems) : systems_(systems) {}
  Result<Plugin*> Find(const std::string& name) override {
    const auto known = plugins_.find(name);
    if (known != plugins_.end()) return known->second.get();
    const Result<Plugin*> plugin = systems_.Find(name);
    if (!plugin) return plugin;
    return plugins_.emplace(name, std::make_unique<AskedOnce>(**plugin)).first->second.get();
  }

 private:
  Systems& systems_;
  std::map<std::string, std::unique_ptr<AskedOnce>> plugins_;
};

// As the engine would call the step, before it has run.
StepContext ContextOf(const StepContext& context, Systems& systems, const Json& effect) {
  StepContext inner = context;
  inner.systems = &systems;
  inner.call.timeout = std::min(inner.call.timeout, kPatience);
  inner.parameters = Member(effect, "parameters");
  inner.key = std::string(kKeyDigits, '0');
  inner.before = inner.handle = inner.facts = Json();
  inner.workload = nullptr;
  const std::string name = TextOf(effect, "workload");
  for (const Workload& workload : context.application->workloads)
    if (!name.empty() && workload.name == name) inner.workload = &workload;
  return inner;
}

UndoProof ProofOf(const StepContext& context, const std::string& name) {
  const Step* step = FindStep(name);
  if (step == nullptr)
    return {"", {Error{ErrorKind::kInternal, "vmferry", "step " + name, "there is no such step", ""}}, {}, ""};
  Result<UndoProof> proof = step->ProveUndo(context);
  if (!proof) return {"", {proof.error()}, {}, ""};
  return std::move(*proof);
}

}  // namespace

Result<UndoProof> Step::ProveUndo(const StepContext&) const {
  if (!spec().effect) return UndoProof{"nothing to undo", {}, {}, ""};
  return Error{ErrorKind::kInvalid, "vmferry", "step " + spec().name, "nobody can tell whether it can be undone",
               spec().point_of_no_return ? "it comes after the point of no return" : "report this as a bug of vmferry"};
}

Json UndoProofParameters(Json effects, milliseconds window) {
  return {{"effects", std::move(effects)}, {"windowMs", window.count()}};
}

std::size_t WayBack::failing() const {
  return static_cast<std::size_t>(std::count_if(
      undos.begin(), undos.end(), [](const ProvenUndo& undo) { return !undo.proof.problems.empty(); }));
}

std::string WayBack::Estimate() const {
  std::string text;
  for (auto undo = undos.rbegin(); undo != undos.rend(); ++undo)  // as a rollback goes
    if (!undo->proof.estimate.empty())
      text += (text.empty() ? "" : "; ") + undo->Title() + ": " + undo->proof.estimate;
  return text;
}

WayBack ProveWayBack(const StepContext& context) {
  WayBack way_back;
  way_back.window = milliseconds(IntegerOf(context.parameters, "windowMs", 0));
  way_back.overridden = Member(context.parameters, "overridden") == true;
  SystemsAskedOnce systems(*context.systems);
  for (const Json& effect : Member(context.parameters, "effects")) {
    ProvenUndo undo{TextOf(effect, "name"), TextOf(effect, "workload"), {}};
    undo.proof = ProofOf(ContextOf(context, systems, effect), undo.step);
    way_back.takes += undo.proof.takes;
    way_back.undos.push_back(std::move(undo));
  }
  return way_back;
}

std::optional<Error> WindowProblem(const WayBack& way_back) {
  if (way_back.window == milliseconds(0) || way_back.takes <= way_back.window) return std::nullopt;
  return Error{ErrorKind::kConflict, "vmferry", "time to roll back",
               "it may take " + DurationInWords(way_back.takes) + ", longer than rollbackWindowMinutes (" +
                   DurationInWords(way_back.window) + "): " + way_back.Estimate(),
               "make the window longer, or the times that the estimate is made of shorter"};
}

std::string WillProve(const WayBack& way_back) {
  const std::string text = "prove that all of it could be undone: " + CountInWords(way_back.undos.size(), "effect");
  return text + (way_back.overridden ? "; overridden: what is not proved is noted, and the cutover begins all the same"
                                      : "");
}

std::string TimeInWords(const WayBack& way_back) {
  const bool windowed = way_back.window > milliseconds(0);
  std::string text = "up to " + DurationInWords(way_back.takes) +
                     (windowed ? ", of a window of " + DurationInWords(way_back.window) : ", and there is no window");
  const std::string estimate = way_back.Estimate();
  return estimate.empty() ? text : text + " (" + estimate + ")";
}

void Note(UndoProof& proof, const Status& status) {
  if (!status) proof.problems.push_back(status.error());
}

void Prove(UndoProof& proof, const std::string& words) {
  proof.proves += (proof.proves.empty() ? "" : "; ") + words;
}

void ProvePools(const StepContext& context, UndoProof& proof) {
  const Result<std::vector<DiskCopy>> copies = ListCopies(context);
  if (!copies) return Note(proof, copies.error());
  const Result<TargetFacts> target = ReadTarget(context);
  if (!target) return Note(proof, target.error());
  std::set<std::string> pools;
  for (const DiskCopy& copy : *copies) pools.insert(copy.pool);
  for (const std::string& name : pools) {
    const auto pool = std::find_if(target->pools.begin(), target->pools.end(),
                                   [&name](const PoolFacts& facts) { return facts.name == name; });
    if (pool != target->pools.end() && pool->active) continue;
    Note(proof, TargetError(context, ErrorKind::kConflict, "pool " + name,
                            pool == target->pools.end() ? "the target has no such pool" : "it is not active",
                            "start it on the target (`virsh pool-start " + name + "`), or correct the storage mapping"));
  }
  const std::vector<std::string> names(pools.begin(), pools.end());
  Prove(proof, (names.size() == 1 ? "active on the target: pool " : "active on the target: pools ") + ListInWords(names));
}

}  // namespace vmferry
