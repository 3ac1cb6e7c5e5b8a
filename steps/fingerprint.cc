// SPDX-License-Identifier: Apache-2.0
#include "steps/fingerprint.h"

#include <set>

#include "plugins/printable.h"

namespace vmferry {
namespace {

constexpr std::size_t kMostShown = 20;
constexpr std::size_t kLongestValue = 200;
constexpr std::size_t kKeyDigits = 12;  // of steps/names.h

std::string Shown(const Json& value) {
  if (value.is_null()) return "nothing";
  return Printable(value.dump(-1, ' ', false, Json::error_handler_t::replace), kLongestValue);
}

void Compare(const std::string& path, const Json& before, const Json& after, std::vector<std::string>& found) {
  if (before == after) return;
  if (!before.is_object() || !after.is_object()) {
    found.push_back(path + ": " + Shown(before) + ", now " + Shown(after));
    return;
  }
  std::set<std::string> names;
  for (const auto& [name, value] : before.items()) names.insert(name);
  for (const auto& [name, value] : after.items()) names.insert(name);
  for (const std::string& name : names) {
    const Json was = before.contains(name) ? before.at(name) : Json();
    const Json is = after.contains(name) ? after.at(name) : Json();
    Compare(path.empty() ? name : path + "/" + name, was, is, found);
  }
}

}  // namespace

std::string RehearsalDomain(std::string_view domain) {
  return std::string(domain) + std::string(kRehearsalSuffix);
}

std::string RealDomain(std::string_view domain) {
  if (domain.ends_with(kRehearsalSuffix)) domain.remove_suffix(kRehearsalSuffix.size());
  return std::string(domain);
}

bool IsVolumeOf(std::string_view volume, std::string_view real_domain) {
  for (const std::string& domain : {std::string(real_domain), RehearsalDomain(real_domain)}) {
    if (!volume.starts_with(domain + "-")) continue;
    const std::string_view key = volume.substr(domain.size() + 1, kKeyDigits);
    if (key.size() == kKeyDigits && key.find_first_not_of("0123456789abcdef") == std::string_view::npos) return true;
  }
  return false;
}

std::vector<std::string> Differences(const Json& before, const Json& after) {
  std::vector<std::string> found;
  Compare("", before, after, found);
  if (found.size() <= kMostShown) return found;
  const std::size_t more = found.size() - kMostShown;
  found.resize(kMostShown);
  found.push_back("and " + std::to_string(more) + " more");
  return found;
}

}  // namespace vmferry
