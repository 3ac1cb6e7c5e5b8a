// SPDX-License-Identifier: Apache-2.0
//
// undo_proven: the last look before the cutover. Nobody shall learn in a rollback that the load balancer forgot the old
// server, that a key expired, or that the way back takes longer than there is one. So every undo of the plan is proved as
// far as looking goes, all at once, and a run whose way back is not proved does not begin its cutover, unless its
// submitter passes over that: then what is not proved is journaled.
#include <algorithm>
#include <string>
#include <utility>

#include "state/event.h"
#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

constexpr std::chrono::seconds kPatience{60};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kUndoProven;
  spec.purpose = "Proves that every effect of the plan could be undone now, and within the rollback window.";
  spec.implicit = true;
  spec.deadline = std::chrono::minutes(2);
  spec.reads =
      "what each undo needs, by the parameters of its own step: the source VMs, their claims and our privileges, the "
      "load balancer's servers and whether it lets us change them, DNS records and whether the key may change them (by a "
      "signed update that changes nothing), pools and domain names on the target, health page and programs of the source";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "# added before the cutover of a runbook that changes something there; not written in runbooks\n"
      "# vmferry run ... --override undo_proven --reason TEXT: what is not proved is in its facts, and the run goes on\n";
  return spec;
}

Json FactsOf(const ProvenUndo& undo) {
  Json facts = {{"step", undo.step},
                {"proven", undo.proof.proves},
                {"takesMs", undo.proof.takes.count()},
                {"estimate", undo.proof.estimate},
                {"problems", Json::array()}};
  if (!undo.workload.empty()) facts["workload"] = undo.workload;
  for (const Error& problem : undo.proof.problems) facts["problems"].push_back(ErrorToJson(problem));
  return facts;
}

Json FactsOf(const WayBack& way_back) {
  Json facts = {{"undos", Json::array()},
                {"takesMs", way_back.takes.count()},
                {"windowMs", way_back.window.count()},
                {"notProven", way_back.failing()}};
  for (const ProvenUndo& undo : way_back.undos) facts["undos"].push_back(FactsOf(undo));
  if (const auto late = WindowProblem(way_back)) facts["window"] = ErrorToJson(*late);
  if (way_back.overridden) facts["overridden"] = true;
  return facts;
}

// The step's name goes to the object, so that every problem says whose undo it is about.
Error Named(Error problem, const ProvenUndo& undo) {
  problem.object = "undo of " + undo.Title() + (problem.object.empty() ? "" : ", " + problem.object);
  return problem;
}

std::vector<Error> ProblemsOf(const WayBack& way_back) {
  std::vector<Error> problems;
  for (const ProvenUndo& undo : way_back.undos)
    for (const Error& problem : undo.proof.problems) problems.push_back(Named(problem, undo));
  if (auto late = WindowProblem(way_back)) problems.push_back(std::move(*late));
  return problems;
}

// All of them in one. Nothing but what may pass by itself is looked at again for a while; then it counts like the rest,
// so that the run ends with its reasons and not with a deadline.
Error AllOf(const std::vector<Error>& problems, std::chrono::milliseconds elapsed) {
  const auto passes = [](const Error& problem) {
    return SafeToRetry(problem) || problem.kind == ErrorKind::kUnknownOutcome;
  };
  Error error = problems.front();
  if (problems.size() > 1) {
    error = Error{ErrorKind::kConflict, "vmferry", CountInWords(problems.size(), "proof") + " of undo failed", "", ""};
    for (const Error& problem : problems) error.message += (error.message.empty() ? "" : " -- ") + Describe(problem);
  }
  const bool all_pass = std::all_of(problems.begin(), problems.end(), passes);
  if (all_pass) error.kind = elapsed < kPatience ? ErrorKind::kUnavailable : ErrorKind::kConflict;
  error.advice += error.advice.empty() ? "mend it, " : "; ";
  error.advice += "or pass over it: `vmferry run ... --override undo_proven --reason TEXT`";
  return error;
}

class UndoProvenStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const WayBack way_back = ProveWayBack(context);
    const std::vector<Error> problems = ProblemsOf(way_back);
    if (!problems.empty() && !way_back.overridden) return AllOf(problems, context.elapsed);
    return Progress::Done(FactsOf(way_back));
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    const WayBack way_back = ProveWayBack(context);
    Forecast forecast{WillProve(way_back), "nothing to undo", {}};
    if (!way_back.overridden) forecast.problems = ProblemsOf(way_back);
    return forecast;
  }
};

}  // namespace

const Step& UndoProven() {
  static const UndoProvenStep step;
  return step;
}

}  // namespace vmferry
