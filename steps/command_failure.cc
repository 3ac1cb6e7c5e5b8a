// SPDX-License-Identifier: Apache-2.0
//
// command_failure: what no other criterion can see, as a program of the site sees it. Exit code 0 is a pass,
// `inconclusiveCode` and `noDataCode` say neither, every other one is a failure; a program that was ended by a signal, or
// did not end in time, says nothing of the application.
#include "steps/catalogue.h"
#include "steps/command_check.h"
#include "steps/criterion.h"
#include "steps/criterion_rule.h"
#include "steps/parameters.h"
#include "steps/systems.h"

namespace vmferry {
namespace {

StepSpec MakeSpec() {
  StepSpec spec = CriterionSpec(
      "command_failure",
      "Samples by a program of the site, which must change nothing; fails when it ends with another exit code "
      "than 0.",
      std::chrono::seconds(30));
  spec.parameters = {
      Service("service", "command", true, "the service that runs the program"),
      Optional("arguments", ParameterType::kTextList, "", "arguments, behind those that the site gives"),
      Optional("inconclusiveCode", ParameterType::kInteger, "", "exit code by which the program says neither"),
      Optional("noDataCode", ParameterType::kInteger, "", "exit code by which the program says that there is no data"),
  };
  AddRuleParameters(spec, {.every = "30s"});
  spec.reads = "what the program reads; the site answers for it that it changes nothing";
  spec.example =
      "rollbackCriteria:\n  - command_failure:\n      service: check-orders # of the site, plugin `local`\n"
      "      arguments: [--since, 1m]\n      noDataCode: 3\n      trip: {failures: 2, within: 4}\n";
  return spec;
}

class CommandFailure final : public Criterion {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

 protected:
  Result<Sample> Take(const StepContext& context) const override {
    const Result<Plugin*> program = ServiceOf(context, "service");
    if (!program) return program.error();
    const auto reply = Invoke(**program, command::kCheck, CheckRequest(context), context.call);
    if (!reply) return reply.error();
    Sample sample;
    sample.facts = {{"exitCode", reply->exit_code}, {"output", reply->output}};
    sample.verdict = VerdictOf(context, reply->exit_code);
    if (sample.verdict == SampleVerdict::kPass) return sample;
    sample.why = (*program)->system() + ": " + EndInWords(*reply);
    return sample;
  }

  // What it says now says nothing of later, so that a dry run does not run it.
  Result<Sample> Foretaste(const StepContext& context) const override {
    const Result<Plugin*> program = ServiceOf(context, "service");
    if (!program) return program.error();
    return Sample{SampleVerdict::kNoData, "a dry run does not run it", Json::object()};
  }

  std::string InWords(const StepContext& context) const override {
    std::string text = "run " + TextOf(context.parameters, "service");
    for (const std::string& argument : CheckRequest(context).arguments) text += " " + argument;
    return text;
  }

 private:
  static SampleVerdict VerdictOf(const StepContext& context, int code) {
    if (code == 0) return SampleVerdict::kPass;
    const auto is = [&](const char* parameter) {
      const Json& given = Member(context.parameters, parameter);
      return given.is_number() && given == code;
    };
    if (code < 0 || is("inconclusiveCode")) return SampleVerdict::kInconclusive;
    return is("noDataCode") ? SampleVerdict::kNoData : SampleVerdict::kFail;
  }
};

}  // namespace

const Step& CommandFailureCriterion() {
  static const CommandFailure step;
  return step;
}

}  // namespace vmferry
