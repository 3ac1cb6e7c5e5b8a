// SPDX-License-Identifier: Apache-2.0
//
// update_load_balancer: the target gets the traffic. Its server becomes ready once the load balancer finds it healthy;
// the source's server stays out of service, and comes back only by the undo of quiesce_application, which is after the
// target is off and the source is healthy (the traffic rule).
#include <string>

#include "steps/catalogue.h"
#include "steps/parameters.h"
#include "steps/staged_shift.h"
#include "steps/systems.h"
#include "steps/traffic.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "update_load_balancer";
  spec.purpose = "Sends the application's traffic to the target.";
  spec.effect = true;
  spec.moves_traffic = true;
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Service("loadBalancer", "load_balancer", true, "the service that sends traffic to the application"),
      Required("pool", ParameterType::kText, "the load balancer's pool (HAProxy: backend) of the application"),
      Required("targetServer", ParameterType::kText, "the pool's server that is the target"),
      Optional("sourceServer", ParameterType::kText, "",
               "the pool's server that is the source; must be out of service"),
      Optional("weight", ParameterType::kInteger, "", "weight of the target's server; absent: as it is"),
      Optional("stages", ParameterType::kTextList, "",
               "percents of that weight to go through, rising, the last 100; absent: all at once"),
      Optional("stageFor", ParameterType::kDuration, "1m", "how long each stage but the last is looked at"),
      Service("probe", "probe", false, "the service that asks `stageUrl`"),
      Optional("stageUrl", ParameterType::kUrl, "", "address that must answer with status 200 during a stage"),
      Optional("stageFailures", ParameterType::kInteger, "3", "bad looks in a row, a second apart, that mean: go back"),
  };
  spec.reads = "states and health of the pool's servers";
  spec.changes = "state (and weight) of the target's server on the load balancer";
  spec.undo = "takes the target's server out of service, as it was; the source's server is not touched";
  spec.loses = kLosesNothing;
  spec.example =
      "cutoverSteps:\n  - update_load_balancer:\n      loadBalancer: edge\n      pool: shop\n      targetServer: kvm\n"
      "      sourceServer: vmware\n      stages: [10, 50, 100]\n      stageFor: 2m\n";
  return spec;
}

Result<Place> TargetPlace(const StepContext& context) {
  const Result<std::optional<Place>> place = PlaceOf(context, "targetServer", false);
  if (!place) return place.error();
  if (*place) return **place;
  return Error{ErrorKind::kInvalid, "vmferry", "", "the step names no load balancer",
               "add the parameter `loadBalancer` in the runbook or the site file"};
}

// kConflict unless the source's server, if one is named, is out of service on every instance.
Status RequireSourceOut(const StepContext& context) {
  const Result<std::optional<Place>> place = PlaceOf(context, "sourceServer", true);
  if (!place) return place.error();
  if (!*place) return Ok();
  const Result<LbServer> server = ReadServer(context, **place);
  if (!server) return server.error();
  if (server->state == "maint" && server->agreed) return Ok();
  return PlaceError(**place, ErrorKind::kConflict,
                    "the source's server is not out of service but " + server->state +
                        (server->agreed ? "" : ", and the instances differ"),
                    "give quiesce_application the same loadBalancer, pool and sourceServer");
}

int WeightOf(const StepContext& context) {
  return static_cast<int>(IntegerOf(context.parameters, "weight", -1));
}

// Of the server at the end: as declared, else as it is (-1), which is as it was before the first stage.
int FinalWeight(const StepContext& context) {
  const bool staged = !Member(context.parameters, "stages").empty();
  if (WeightOf(context) >= 0 || !staged) return WeightOf(context);
  return static_cast<int>(IntegerOf(Member(context.before, "traffic"), "weight", -1));
}

// What is wrong with the stages as declared.
std::vector<Error> StageProblems(const StepContext& context) {
  const Result<std::vector<int>> stages = StagesOf(context);
  if (!stages) return {stages.error()};
  std::vector<Error> problems;
  if (!TextOf(context.parameters, "stageUrl").empty())
    if (const Result<Plugin*> probe = ServiceOf(context, "probe"); !probe) problems.push_back(probe.error());
  const milliseconds stage = DurationOf(context.parameters, "stageFor", milliseconds(0));
  const milliseconds all = stage * (static_cast<int>(stages->size()) - 1);
  const milliseconds deadline = DurationOf(context.parameters, "deadline", milliseconds::max());
  if (all >= deadline)
    problems.push_back(Error{ErrorKind::kInvalid, "vmferry", "",
                             "the stages take " + DurationInWords(all) + ", longer than the step's deadline of " +
                                 DurationInWords(deadline),
                             "set the parameter `deadline`, or shorten `stageFor`"});
  return problems;
}

std::string StagesInWords(const StepContext& context) {
  const Result<std::vector<int>> stages = StagesOf(context);
  if (!stages || stages->size() == 1) return "";
  std::string text;
  for (const int percent : *stages) text += (text.empty() ? ", at " : ", ") + std::to_string(percent) + " %";
  const std::string url = TextOf(context.parameters, "stageUrl");
  return text + " of its weight, " + DurationInWords(DurationOf(context.parameters, "stageFor", milliseconds(0))) +
         " each" + (url.empty() ? "" : " while " + url + " answers");
}

class UpdateLoadBalancerStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Result<Place> place = TargetPlace(context);
    if (!place) return place.error();
    const Result<LbServer> server = ReadServer(context, *place);
    if (!server) return server.error();
    Observation observation;
    observation.before = {{"traffic", ServerImage(*server)}};
    observation.evidence = Facts(*place, *server);
    const bool healthy = server->health == "up" || server->health == "no check";
    const auto weight = static_cast<int>(IntegerOf(context.handle, "weight", WeightOf(context)));
    const bool weighted = weight < 0 || weight == server->weight;
    if (server->state == "ready" && healthy && weighted && RequireSourceOut(context))
      observation.verdict = Verdict::kDone;
    else if (server->state == "drain" || !context.handle.is_null())
      observation.verdict = Verdict::kPartial;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Place> place = TargetPlace(context);
    if (!place) return place.error();
    const Status source_out = RequireSourceOut(context);
    if (!source_out) return source_out.error();
    Result<Pending> served = ShiftInStages(context, *place, FinalWeight(context), context.handle);
    if (!served) return served.error();
    if (*served) return **served;
    const Result<LbServer> server = ReadServer(context, *place);
    if (!server) return server.error();
    return Progress::Done(Facts(*place, *server));
  }

  // A server that was ready before is put into maintenance all the same: its machine is about to be stopped.
  Result<Progress> Undo(const StepContext& context) const override {
    const Result<Place> place = TargetPlace(context);
    if (!place) return place.error();
    const Json& before = Member(context.before, "traffic");
    const std::string was = TextOf(before, "state", "maint");
    const std::string state = was == "ready" ? "maint" : was;
    const auto weight = static_cast<int>(IntegerOf(before, "weight", -1));
    const Result<LbServer> server = ReadServer(context, *place);
    if (!server) return server.error();
    if (server->state != state || !server->agreed || (weight >= 0 && server->weight != weight)) {
      const Status set = SetServer(context, *place, state, weight);
      if (!set) return set.error();
    }
    return Progress::Done({{"pool", place->pool}, {"server", place->server}, {"state", state}});
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    const Result<Place> place = TargetPlace(context);
    const Result<LbServer> server = place ? ReadServer(context, *place) : Result<LbServer>(place.error());
    const Result<std::optional<Place>> source = PlaceOf(context, "sourceServer", true);
    if (!server) forecast.problems.push_back(server.error());
    if (!source) forecast.problems.push_back(source.error());
    if (source && *source)
      if (const auto there = ReadServer(context, **source); !there) forecast.problems.push_back(there.error());
    if (!server) return forecast;
    const LbServer& facts = *server;
    const std::string name = place->pool + "/" + facts.name;
    forecast.will = "make server " + name + " (" + facts.address + ", now " + facts.state + ", " + facts.health +
                    ") ready once it is healthy" + StagesInWords(context);
    for (Error& problem : StageProblems(context)) forecast.problems.push_back(std::move(problem));
    forecast.undo = "server " + name + " out of service (" + (facts.state == "ready" ? "maint" : facts.state) + ")";
    if (facts.weight == 0 && WeightOf(context) < 0)
      forecast.problems.push_back(PlaceError(*place, ErrorKind::kInvalid,
                                             "its weight is 0: it would get no traffic even when ready",
                                             "set the parameter `weight`"));
    return forecast;
  }

  // The source's server is not touched by this undo, but the whole way back ends at it.
  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    const Result<Place> place = TargetPlace(context);
    if (!place) return place.error();
    UndoProof proof;
    ProvePlace(context, *place, proof);
    const Result<std::optional<Place>> source = PlaceOf(context, "sourceServer", true);
    if (!source) return source.error();
    if (*source) ProvePlace(context, **source, proof);
    return proof;
  }

 private:
  static Json Facts(const Place& place, const LbServer& server) {
    return {{"pool", place.pool},    {"server", server.name},   {"address", server.address},
            {"state", server.state}, {"weight", server.weight}, {"health", server.health}};
  }
};

}  // namespace

const Step& UpdateLoadBalancer() {
  static const UpdateLoadBalancerStep step;
  return step;
}

}  // namespace vmferry
