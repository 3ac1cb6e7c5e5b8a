// SPDX-License-Identifier: Apache-2.0
#include "state/result.h"

#include <array>

namespace vmferry {
namespace {

struct KindName {
  ErrorKind kind;
  std::string_view name;
};

constexpr std::array<KindName, 9> kKindNames{{
    {ErrorKind::kInvalid, "invalid"},
    {ErrorKind::kNotFound, "not found"},
    {ErrorKind::kConflict, "conflict"},
    {ErrorKind::kDenied, "denied"},
    {ErrorKind::kUnavailable, "unavailable"},
    {ErrorKind::kTimedOut, "timed out"},
    {ErrorKind::kUnknownOutcome, "unknown outcome"},
    {ErrorKind::kCorrupt, "corrupt"},
    {ErrorKind::kInternal, "internal"},
}};

}  // namespace

std::string_view Name(ErrorKind kind) {
  for (const KindName& entry : kKindNames)
    if (entry.kind == kind) return entry.name;
  return "internal";
}

std::optional<ErrorKind> ErrorKindFromName(std::string_view name) {
  for (const KindName& entry : kKindNames)
    if (entry.name == name) return entry.kind;
  return std::nullopt;
}

std::string Describe(const Error& error) {
  std::string text;
  for (const std::string& part : {error.system, error.object, std::string(Name(error.kind)), error.message}) {
    if (part.empty()) continue;
    if (!text.empty()) text += ": ";
    text += part;
  }
  if (!error.advice.empty()) text += "; " + error.advice;
  return text;
}

bool SafeToRetry(const Error& error) {
  return error.kind == ErrorKind::kUnavailable || error.kind == ErrorKind::kTimedOut;
}

}  // namespace vmferry
