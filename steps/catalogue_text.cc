// SPDX-License-Identifier: Apache-2.0
#include "steps/catalogue_text.h"

#include <string_view>

#include "steps/step.h"
#include "steps/words.h"

namespace vmferry {
namespace {

std::string_view TypeName(ParameterType type) {
  switch (type) {
    case ParameterType::kText:
      return "text";
    case ParameterType::kInteger:
      return "integer";
    case ParameterType::kBoolean:
      return "boolean";
    case ParameterType::kDuration:
      return "duration";
    case ParameterType::kSize:
      return "size";
    case ParameterType::kUrl:
      return "URL";
    case ParameterType::kChoice:
      return "choice";
    case ParameterType::kTextList:
      return "list of text";
    case ParameterType::kService:
      return "service";
    case ParameterType::kMap:
      return "map";
  }
  return "text";
}

std::string_view RecoveryText(Recovery recovery) {
  switch (recovery) {
    case Recovery::kIdempotent:
      return "idempotent: may simply be repeated";
    case Recovery::kObservable:
      return "observable: looking at the systems tells what happened";
    case Recovery::kNeither:
      return "neither idempotent nor observable: the application waits until a person says what happened";
  }
  return "";
}

std::string StandardText(const ParameterSpec& parameter) {
  if (parameter.required) return "required";
  return parameter.standard.empty() ? "absent" : "`" + parameter.standard + "`";
}

std::string TypeText(const ParameterSpec& parameter);

// "map: `then` (`rollback`, `hold`, `notify`; standard `hold`), `consecutive` (integer; standard `5`)"
std::string MapText(const ParameterSpec& parameter) {
  std::string text = "map:";
  for (const ParameterSpec& member : parameter.members)
    text += (text.ends_with(':') ? " `" : ", `") + member.name + "` (" + TypeText(member) + "; standard " +
            StandardText(member) + "; " + member.purpose + ")";
  return text + "; a bare value is that of `" + parameter.members.front().name + "`";
}

std::string TypeText(const ParameterSpec& parameter) {
  if (parameter.type == ParameterType::kMap) return MapText(parameter);
  if (parameter.type == ParameterType::kService) return "service with role `" + parameter.role + "`";
  if (parameter.type != ParameterType::kChoice) return std::string(TypeName(parameter.type));
  std::string text;
  for (const std::string& choice : parameter.choices) text += (text.empty() ? "" : ", ") + ("`" + choice + "`");
  return text;
}

std::string ParameterTable(const StepSpec& spec) {
  std::string text = "| parameter | type | default | meaning |\n| --- | --- | --- | --- |\n";
  for (const ParameterSpec& parameter : spec.parameters)
    text += "| `" + parameter.name + "` | " + TypeText(parameter) + " | " + StandardText(parameter) + " | " +
            parameter.purpose + " |\n";
  return text + "| `deadline` | duration | `" + DurationInWords(spec.deadline) +
         (spec.criterion ? "` | how long a sample may take |\n" : "` | when the step counts as failed |\n");
}

std::string Kind(const StepSpec& spec) {
  if (spec.criterion) return "rollback criterion; one sample each time";
  std::string text = spec.effect ? "effect" : "check";
  text += spec.scope == Scope::kWorkload ? ", once for each workload" : ", once for the application";
  if (spec.implicit) text += ", added by itself";
  if (spec.moves_traffic) text += ", moves traffic";
  if (spec.point_of_no_return) text += ", **cannot be undone**";
  return text;
}

}  // namespace

std::string StepText(const StepSpec& spec) {
  const std::string loses = spec.effect ? ".\n- Going back loses: " + spec.loses : "";
  return "## " + spec.name + "\n\n" + spec.purpose + "\n\n- Kind: " + Kind(spec) + ".\n- Reads: " + spec.reads +
         ".\n- Changes: " + spec.changes + ".\n- Undo: " + spec.undo +
         (spec.undo_continues ? "; if that fails, earlier steps are undone all the same" : "") +
         loses + ".\n- After a crash: " + std::string(RecoveryText(spec.recovery)) + ".\n\n" + ParameterTable(spec) +
         "\n```yaml\n" + spec.example + "```\n";
}

Json StepToJson(const StepSpec& spec) {
  Json parameters = Json::array();
  for (const ParameterSpec& parameter : spec.parameters)
    parameters.push_back({{"name", parameter.name},
                          {"type", std::string(TypeName(parameter.type))},
                          {"required", parameter.required},
                          {"default", parameter.standard},
                          {"choices", parameter.choices},
                          {"purpose", parameter.purpose}});
  return {{"step", spec.name},
          {"purpose", spec.purpose},
          {"effect", spec.effect},
          {"implicit", spec.implicit},
          {"criterion", spec.criterion},
          {"perWorkload", spec.scope == Scope::kWorkload},
          {"movesTraffic", spec.moves_traffic},
          {"pointOfNoReturn", spec.point_of_no_return},
          {"deadline_ms", spec.deadline.count()},
          {"reads", spec.reads},
          {"changes", spec.changes},
          {"undo", spec.undo},
          {"loses", spec.loses},
          {"undoContinues", spec.undo_continues},
          {"afterCrash", std::string(RecoveryText(spec.recovery))},
          {"parameters", parameters},
          {"example", spec.example}};
}

std::string CatalogueMarkdown() {
  std::string text =
      "# The step catalogue\n\nGenerated from the step specifications; do not edit. `vmferry steps NAME` shows the "
      "same.\n";
  for (const Step* step : AllSteps()) text += "\n" + StepText(step->spec());
  return text;
}

}  // namespace vmferry
