// SPDX-License-Identifier: Apache-2.0
//
// Values: from the text of a scalar to a typed value. Strict, so that what is written is what is meant: integers are
// decimal without leading zeros, booleans `true` or `false`, durations and sizes carry their units. Pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runbooks/document.h"
#include "steps/step.h"

namespace vmferry {

std::optional<std::int64_t> ParseInteger(std::string_view text);
std::optional<bool> ParseBoolean(std::string_view text);
// "500ms", "90s", "2m", "1h30m", "2d": units d, h, m, s, ms, each once, falling; at most ten years.
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);
// "512B", "10GiB": units B, KiB, MiB, GiB, TiB, PiB.
std::optional<std::int64_t> ParseSize(std::string_view text);

// A value that was read, or what is wrong with it. A message speaks of the value only ("`5` is not a duration"),
// the caller has its place.
struct Reading {
  Json value;
  std::string message;  // empty: all is well
  std::string hint;
  bool silent = false;  // broken, and already reported
  bool ok() const { return message.empty() && !silent; }
};

// `what` names the value in messages about its kind: "`every` must be a duration, not a list".
Reading ReadText(const Value& value, std::string_view what);
Reading ReadItem(const Value& value, std::string_view list);  // text, an entry of `list`
Reading ReadInteger(const Value& value, std::string_view what);
Reading ReadBoolean(const Value& value, std::string_view what);
Reading ReadDuration(const Value& value, std::string_view what);

// As the parameter's type says; the service that a kService names is not looked for here.
Reading ReadParameter(const Value& value, const ParameterSpec& spec);
// The parameter's standard, which is text in the catalogue. REQUIRES: !spec.standard.empty()
Reading ReadStandard(const ParameterSpec& spec);

}  // namespace vmferry
