// SPDX-License-Identifier: Apache-2.0
#include "plugins/command_runs.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "plugins/printable.h"
#include "plugins/program.h"

namespace vmferry {
namespace {

constexpr std::size_t kShownOutput = 400;
constexpr std::size_t kLongestKey = 64;

bool IsKey(const std::string& key) {
  const auto good = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-'; };
  return !key.empty() && key.size() <= kLongestKey && std::all_of(key.begin(), key.end(), good);
}

}  // namespace

CommandRuns::CommandRuns(const PluginSetup& setup, std::string system)
    : name_(setup.name), system_(std::move(system)), directory_(setup.settings.value("workDirectory", "")) {}

Status CommandRuns::Check(const std::string& key) const {
  if (directory_.empty())
    return Error{ErrorKind::kInvalid, system_, "", "has no `workDirectory`, which a program that changes something needs",
                 "give the service a folder on a local disk in the site file"};
  if (IsKey(key)) return Ok();
  return Error{ErrorKind::kInvalid, system_, "key " + Printable(key, kLongestKey),
               "is not 1 to 64 of a-z, 0-9 and -", ""};
}

Result<DetachedView> CommandRuns::Look(const std::string& key) const {
  if (const Status good = Check(key); !good) return good.error();
  return LookAtDetached(Folder(key));
}

Status CommandRuns::Begin(const std::string& key, const std::vector<std::string>& argv) const {
  if (const Status good = Check(key); !good) return good.error();
  const Status started = StartDetached(Folder(key), argv, ProgramEnvironment({}), true);
  if (started) return Ok();
  Error error = started.error();
  error.system = system_;
  return error;
}

Result<Done> CommandRuns::End(const std::string& key, const CallContext& context) const {
  if (const Status good = Check(key); !good) return good.error();
  if (StopDetached(Folder(key), std::min(context.until, std::chrono::steady_clock::now() + context.timeout)))
    return Done{};
  return Error{ErrorKind::kUnavailable, system_, "folder " + Folder(key).string(),
               "the program has not ended yet, or the folder is not removed yet",
               "if it stays so, see who holds the folder and remove it"};
}

CommandRun CommandRuns::Told(const DetachedView& view) {
  const std::string output = EndOfOutput(view.output, view.errors);
  switch (view.state) {
    case DetachedView::State::kNone:
      return {"not started", 0, ""};
    case DetachedView::State::kRunning:
      return {"running", 0, output};
    case DetachedView::State::kEnded:
      return {"ended", view.exit_code, output};
    case DetachedView::State::kLost:
      break;
  }
  return {"lost", 0,
          "it was killed, or its machine went down, before it had ended" +
              (output.empty() ? "" : "; it had printed: " + output)};
}

SettingSpec WorkDirectorySetting() {
  return {"workDirectory", "path", false,
          "folder on a local disk for what changes something and may run long (`stopCommand`, `startCommand`), so that "
          "it is found again after a crash; not needed for checks"};
}

std::string EndOfOutput(std::string text, const std::string& more) {
  if (!text.empty() && !more.empty() && !text.ends_with('\n')) text += '\n';
  text += more;
  while (text.ends_with('\n')) text.pop_back();
  if (text.size() > kShownOutput) text.erase(0, text.size() - kShownOutput);
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Printable(text, kShownOutput);
}

}  // namespace vmferry
