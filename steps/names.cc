// SPDX-License-Identifier: Apache-2.0
#include "steps/names.h"

#include "plugins/target_platform.h"
#include "steps/parameters.h"

namespace vmferry {
namespace {

constexpr std::size_t kKeyDigits = 12;

std::string Stem(std::string_view domain, std::string_view key, int number) {
  return std::string(domain) + "-" + std::string(key.substr(0, kKeyDigits)) + "-disk" + std::to_string(number);
}

}  // namespace

std::string ClaimText(const StepContext& context, const Workload& workload) {
  return context.run + "/" + context.application->name + "/" + workload.name;
}

std::string RunOf(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of("/ ")));
}

std::string KeyOf(const StepContext& context) {
  return TextOf(context.before, "key", context.key);
}

std::string MigratedText(const StepContext& context, const Workload& workload) {
  return context.run + " " + workload.domain + " on " + context.application->target;
}

std::string VolumeName(std::string_view domain, std::string_view key, int number, std::string_view format) {
  return Stem(domain, key, number) + "." + std::string(format);
}

std::string OverlayName(std::string_view domain, std::string_view key, int number) {
  return Stem(domain, key, number) + ".overlay.qcow2";
}

std::string ReserveName(std::string_view domain, std::string_view key) {
  return std::string(domain) + "-" + std::string(key.substr(0, kKeyDigits)) + std::string(kReserveSuffix);
}

std::string DatastoreOf(std::string_view path) {
  const std::size_t end = path.find(']');
  if (path.empty() || path.front() != '[' || end == std::string_view::npos) return "";
  return std::string(path.substr(1, end - 1));
}

}  // namespace vmferry
