// SPDX-License-Identifier: Apache-2.0
//
// The fake as a runner of programs. A check fails when its first argument is "fail", and prints its arguments; what a
// run does is in the world (programs.h).
#include <algorithm>
#include <cstdlib>

#include "plugins/command.h"
#include "plugins/fake/fake_plugin.h"

namespace vmferry {
namespace {

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

Result<CommandReply> Check(Scene&, const CommandRequest& request) {
  if (request.arguments.size() == 2 && request.arguments.front() == "exit")
    return CommandReply{std::atoi(request.arguments.back().c_str()), "as told"};
  const bool fails = !request.arguments.empty() && request.arguments.front() == "fail";
  return CommandReply{fails ? 1 : 0, Joined(request.arguments)};
}

// The site's name of this service.
std::string ServiceOf(const Scene& scene) {
  return scene.system.substr(0, scene.system.find(" ("));
}

FakeProgram ProgramOf(const Scene& scene) {
  const auto& known = scene.world.programs.known;
  const auto program = known.find(ServiceOf(scene));
  return program == known.end() ? FakeProgram{} : program->second;
}

FakeProgramRun* FindRun(const Scene& scene, const std::string& key) {
  for (FakeProgramRun& run : scene.world.programs.runs)
    if (run.key == key && run.service == ServiceOf(scene)) return &run;
  return nullptr;
}

// The moment at which it ends.
void TakeEffect(Scene& scene, const FakeProgram& program) {
  if (program.exit_code != 0 || !program.fate.empty()) return;
  if (program.effect == "stops") scene.world.programs.application_stopped = true;
  if (program.effect == "starts") scene.world.programs.application_stopped = false;
}

Result<CommandRun> ReadRun(Scene& scene, const CommandKey& key) {
  FakeProgramRun* run = FindRun(scene, key.key);
  if (run == nullptr) return CommandRun{"not started", 0, ""};
  const FakeProgram program = ProgramOf(scene);
  if (run->left > 0) {
    Touch(scene.world);
    if (--run->left > 0) return CommandRun{"running", 0, ""};
    TakeEffect(scene, program);
  }
  if (!program.fate.empty()) return CommandRun{program.fate, 0, program.output};
  return CommandRun{"ended", program.exit_code, program.output};
}

Result<CommandRun> BeginRun(Scene& scene, const CommandRunRequest& request) {
  const bool refused = ProgramOf(scene).fate == "refused";
  if (FindRun(scene, request.key) != nullptr && !refused) return ReadRun(scene, {request.key});
  if (FindRun(scene, request.key) == nullptr)
    scene.world.programs.runs.push_back({ServiceOf(scene), request.key, ProgramOf(scene).polls + 1});
  if (!refused) Record(scene.world, scene.call, "command-begun", ServiceOf(scene), {{"arguments", request.arguments}});
  Touch(scene.world);
  return CommandRun{"running", 0, ""};
}

Result<Done> EnsureEnded(Scene& scene, const CommandKey& key) {
  const FakeProgramRun* run = FindRun(scene, key.key);
  if (run == nullptr) return Done{};
  if (run->left > 0) Record(scene.world, scene.call, "command-stopped", ServiceOf(scene));
  Touch(scene.world);
  const std::string service = ServiceOf(scene);
  std::erase_if(scene.world.programs.runs,
                [&](const FakeProgramRun& entry) { return entry.key == key.key && entry.service == service; });
  return Done{};
}

}  // namespace

void FakePlugin::ServeCommand() {
  On(command::kCheck, Check);
  On(command::kReadRun, ReadRun);
  On(command::kBeginRun, BeginRun);
  On(command::kEnsureEnded, EnsureEnded);
}

}  // namespace vmferry
