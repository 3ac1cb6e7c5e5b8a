// SPDX-License-Identifier: Apache-2.0
//
// command: a program of the site says whether all is well. Its exit code decides; what it printed is evidence.
#include "plugins/command.h"

#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/command_check.h"
#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = "command";
  spec.purpose = "Runs a program of the site, which must change nothing, and wants it to end with exit code 0.";
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Service("service", "command", true, "the service that runs the program"),
      Optional("arguments", ParameterType::kTextList, "", "arguments, behind those that the site gives"),
      Optional("retryEvery", ParameterType::kDuration, "",
               "run it again so often, until it succeeds or the deadline is past; absent: once"),
  };
  spec.reads = "what the program reads; the site answers for it that it changes nothing";
  spec.changes = "nothing";
  spec.undo = "nothing to undo";
  spec.example =
      "postChecks:\n  - command:\n      service: check-orders # of the site, plugin `local`\n"
      "      arguments: [--since, 10m]\n      retryEvery: 10s\n";
  return spec;
}

class CommandStep final : public Check {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const Result<Plugin*> program = ServiceOf(context, "service");
    if (!program) return program.error();
    const auto reply = Invoke(**program, command::kCheck, CheckRequest(context), context.call);
    if (!reply) return reply.error();
    if (reply->exit_code == 0) return Progress::Done({{"output", reply->output}});
    const milliseconds again = DurationOf(context.parameters, "retryEvery", milliseconds(0));
    if (again > milliseconds(0)) return Progress::NotYet(again, (*program)->system() + ": " + EndInWords(*reply));
    return Error{ErrorKind::kConflict, (*program)->system(), "", EndInWords(*reply), "run it by hand to see all it says"};
  }

  // What it says now says nothing of later, so that it is not run.
  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    forecast.undo = "nothing to undo";
    const Result<Plugin*> program = ServiceOf(context, "service");
    if (!program) {
      forecast.problems.push_back(program.error());
      return forecast;
    }
    forecast.will = "run " + (*program)->system();
    for (const std::string& argument : CheckRequest(context).arguments) forecast.will += " " + argument;
    const milliseconds again = DurationOf(context.parameters, "retryEvery", milliseconds(0));
    forecast.will += again > milliseconds(0) ? ", every " + DurationInWords(again) + " until it succeeds" : ", once";
    return forecast;
  }
};

}  // namespace

const Step& CommandCheck() {
  static const CommandStep step;
  return step;
}

}  // namespace vmferry
