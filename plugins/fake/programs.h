// SPDX-License-Identifier: Apache-2.0
//
// FakePrograms: the programs of services of role "command" in the fake world, as plain values (world_data.h). A service
// is known by its name in the site.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace vmferry {

struct FakeProgram {
  int polls = 0;       // looks until it has ended
  int exit_code = 0;
  std::string output;
  std::string fate;    // "lost", "refused": so it goes instead of ending
  std::string effect;  // "stops", "starts": what it does to the application when it ends well
};
struct FakeProgramRun {
  std::string service, key;
  int left = 0;
};
struct FakePrograms {
  std::map<std::string, FakeProgram> known;  // others end at once, and well
  std::vector<FakeProgramRun> runs;
  bool application_stopped = false;
};

}  // namespace vmferry
