// SPDX-License-Identifier: Apache-2.0
//
// Role "command": runs a program that the site names, for what no other role does. No shell: arguments reach the
// program as they are.
//
// kCheck runs a program that only looks, and waits for it. The other calls are for one that changes something and may
// take long: kBeginRun starts it and does not wait, kReadRun tells how it stands, `key` finds it again, also by another
// process after a crash. A key's program is begun once, whatever became of it, until kEnsureEnded forgets it.
#pragma once

#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"  // Done

namespace vmferry {

struct CommandRequest {
  std::vector<std::string> arguments;  // behind those the site gives
};
// A program that ends with another exit code than 0 is a reply, not an Error. Errors: kInvalid if it cannot be started,
// kTimedOut if it did not end in time and was killed, kUnavailable or kDenied if its machine cannot be reached.
struct CommandReply {
  int exit_code = 0;   // -1: it was ended by a signal
  std::string output;  // the end of what it printed, on one line, without control characters
};

struct CommandRunRequest {
  std::string key;  // 1 to 64 of a-z, 0-9 and -
  std::vector<std::string> arguments;
};
struct CommandRun {
  // "not started"; "running"; "ended": exit_code and output say how; "refused": it could not be begun and certainly
  // did nothing, kBeginRun may be asked again; "lost": it was begun, and how it ended cannot be known.
  std::string state;
  int exit_code = 0;
  std::string output;  // as above; refused and lost: why
};
struct CommandKey {
  std::string key;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandRequest, arguments)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandReply, exit_code, output)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandRunRequest, key, arguments)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandRun, state, exit_code, output)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(CommandKey, key)

namespace command {
// The site answers for it that the program changes nothing when it is asked so.
inline constexpr Call<CommandRequest, CommandReply> kCheck{{"command", "Check", Access::kRead}};
inline constexpr Call<CommandKey, CommandRun> kReadRun{{"command", "ReadRun", Access::kRead}};
inline constexpr Call<CommandRunRequest, CommandRun> kBeginRun{{"command", "BeginRun", Access::kWrite}};
// Ends the key's program if it runs, and forgets it. Nothing known of it: ok.
inline constexpr Call<CommandKey, Done> kEnsureEnded{{"command", "EnsureEnded", Access::kWrite}};
}  // namespace command

}  // namespace vmferry
