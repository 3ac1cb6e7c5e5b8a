// SPDX-License-Identifier: Apache-2.0
//
// SystemSet: the plugins of a site, made once a run, in two views: as they are (for steps with effects) and read-only
// (for checks and dry runs; a write is refused by the wrapper, not by good manners).
#pragma once

#include <map>
#include <memory>
#include <string>

#include "plugins/registry.h"
#include "runbooks/site.h"
#include "steps/step.h"

namespace vmferry {

class SystemSet {
 public:
  virtual ~SystemSet() = default;
  virtual Systems& writing() = 0;
  virtual Systems& reading() = 0;
};

// Plugins connect at their first call; a secret that cannot be resolved is reported then too.
std::shared_ptr<SystemSet> MakeSystems(const Site& site);

}  // namespace vmferry
