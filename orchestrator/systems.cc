// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/systems.h"

#include <mutex>

#include "plugins/filters.h"

namespace vmferry {
namespace {

class SiteSystems final : public SystemSet {
 public:
  explicit SiteSystems(Site site) : site_(std::move(site)) {}
  Systems& writing() override { return writing_; }
  Systems& reading() override { return reading_; }

 private:
  // One of the two views.
  class View final : public Systems {
   public:
    View(SiteSystems& owner, bool read_only) : owner_(owner), read_only_(read_only) {}
    Result<Plugin*> Find(const std::string& name) override { return owner_.Find(name, read_only_); }

   private:
    SiteSystems& owner_;
    bool read_only_;
  };

  struct Made {
    std::shared_ptr<Plugin> plugin;
    std::shared_ptr<Plugin> read_only;
  };

  Result<Plugin*> Find(const std::string& name, bool read_only) {
    const std::scoped_lock lock(mutex_);
    auto found = made_.find(name);
    if (found == made_.end()) {
      Result<Made> made = Make(name);
      if (!made) return made.error();
      found = made_.emplace(name, *made).first;
    }
    return (read_only ? found->second.read_only : found->second.plugin).get();
  }

  Result<Made> Make(const std::string& name) const {
    for (const SystemEntry& entry : site_.systems) {
      if (entry.name != name) continue;
      const PluginKind* kind = FindPluginKind(entry.plugin);
      if (!kind)
        return Error{ErrorKind::kInvalid, name, "", "no plugin " + entry.plugin + " in this vmferry",
                     "`vmferry plugins` lists them"};
      auto plugin = kind->make({entry.name, entry.settings, ResolveSecret});
      if (!plugin) return plugin.error();
      return Made{*plugin, ReadOnly(*plugin)};
    }
    return Error{ErrorKind::kNotFound, name, "", "the site has no such platform or service", "check the site file"};
  }

  const Site site_;
  std::mutex mutex_;
  std::map<std::string, Made> made_;
  View writing_{*this, false};
  View reading_{*this, true};
};

}  // namespace

std::shared_ptr<SystemSet> MakeSystems(const Site& site) { return std::make_shared<SiteSystems>(site); }

}  // namespace vmferry
