// SPDX-License-Identifier: Apache-2.0
//
// CommandRuns: the runs of one service of role "command", each a detached program (detached.h) in a folder of its own
// below the setting `workDirectory`, named by the service and the key. What plugins of the role share.
// Threading: any thread; for one key one at a time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/command.h"
#include "plugins/detached.h"
#include "plugins/registry.h"

namespace vmferry {

class CommandRuns {
 public:
  // Without the setting `workDirectory` every call below is kInvalid and says so.
  CommandRuns(const PluginSetup& setup, std::string system);

  Result<DetachedView> Look(const std::string& key) const;
  // REQUIRES: Look says that nothing is known of the key
  Status Begin(const std::string& key, const std::vector<std::string>& argv) const;
  Result<Done> End(const std::string& key, const CallContext& context) const;
  std::filesystem::path Folder(const std::string& key) const { return directory_ / (name_ + "-" + key); }

  // A view in the role's words: ended with its exit code, or lost.
  static CommandRun Told(const DetachedView& view);

 private:
  Status Check(const std::string& key) const;

  const std::string name_, system_;
  const std::filesystem::path directory_;
};

// The setting, for the kinds that use it.
SettingSpec WorkDirectorySetting();
// The end of what a program printed, `more` behind `text`, on one line, as it may be shown.
std::string EndOfOutput(std::string text, const std::string& more = "");

}  // namespace vmferry
