// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/delta_text.h"

#include <string_view>

#include "orchestrator/words.h"
#include "plugins/printable.h"

namespace vmferry {
namespace {

constexpr std::string_view kSafe =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./=:@%+,-";
constexpr std::size_t kLongestWord = 4096;

std::string Text(const Json& json, const char* member) {
  const auto found = json.find(member);
  return found != json.end() && found->is_string() ? Printable(found->get<std::string>(), kLongestWord) : "";
}

std::string Quoted(const std::string& word) {
  if (!word.empty() && word.find_first_not_of(kSafe) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

const Json* UndoFacts(const ApplicationState& application) {
  for (const auto& [index, step] : application.steps)
    if (step.name == "power_on_target" && step.status == StepStatus::kUndone && step.facts.is_object() &&
        step.facts.contains("writes"))
      return &step.facts;
  return nullptr;
}

std::string HowConsistent(const std::string& stopped) {
  if (stopped == "shut down") return "its guest shut down first";
  return stopped == "forced" ? "its power was cut, so the file systems want a check"
                             : "it was off already, so the file systems may want a check";
}

std::string OneDelta(const Json& delta) {
  const std::uint64_t size = delta.value("sizeBytes", std::uint64_t{0});
  return "    " + Text(delta, "workload") + ": " + Text(delta, "pool") + "/" + Text(delta, "volume") + ", " +
         HumanBytes(size) + "; " + HowConsistent(Text(delta, "stopped")) + "\n      " + Text(delta, "path") +
         "\n      over " + Text(delta, "backing") + ", which must stay, too\n";
}

std::string Kept(const Json& deltas) {
  std::string text = "  the target's data since cutover is not on the source; it is kept, as the delta:\n";
  std::string mounts;
  std::string attaches;
  for (const Json& delta : deltas) {
    if (!delta.is_object()) continue;
    text += OneDelta(delta);
    const std::string mount = "      " + ShellLine(delta.value("mount", Json::array())) + "\n";
    if (mounts.find(mount) == std::string::npos) mounts += mount;
    attaches += "      " + ShellLine(delta.value("attach", Json::array())) + "\n";
  }
  return text + "    to read it, on a host of the target (a guest that -i does not know: `-m /dev/sda1` instead):\n" +
         mounts + "    or disk by disk, read-only:\n" + attaches;
}

}  // namespace

std::string ShellLine(const Json& words) {
  std::string line;
  for (const Json& word : words)
    if (word.is_string()) line += (line.empty() ? "" : " ") + Quoted(Printable(word.get<std::string>(), kLongestWord));
  return line;
}

std::string DeltaText(const ApplicationState& application) {
  const Json* facts = UndoFacts(application);
  if (facts == nullptr) return "";
  const std::string writes = Text(*facts, "writes");
  if (writes == "discarded")
    return "  the target's data since cutover was discarded, as the runbook says (rollBackData: discard)\n";
  if (writes != "kept") return "";
  const Json deltas = facts->value("delta", Json::array());
  if (deltas.empty()) return "  the target had no overlays any more: there is no delta\n";
  return Kept(deltas);
}

Json DeltaToJson(const ApplicationState& application) {
  const Json* facts = UndoFacts(application);
  if (facts == nullptr) return Json();
  return {{"writes", facts->at("writes")}, {"delta", facts->value("delta", Json::array())}};
}

}  // namespace vmferry
