// SPDX-License-Identifier: Apache-2.0
#include "steps/parameters.h"

#include <utility>

namespace vmferry {

ParameterSpec Required(std::string name, ParameterType type, std::string purpose) {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.purpose = std::move(purpose);
  return spec;
}

ParameterSpec Optional(std::string name, ParameterType type, std::string standard, std::string purpose) {
  ParameterSpec spec = Required(std::move(name), type, std::move(purpose));
  spec.required = false;
  spec.standard = std::move(standard);
  return spec;
}

ParameterSpec Choice(std::string name, std::vector<std::string> choices, std::string standard, std::string purpose) {
  ParameterSpec spec = Required(std::move(name), ParameterType::kChoice, std::move(purpose));
  spec.required = standard.empty();
  spec.standard = std::move(standard);
  spec.choices = std::move(choices);
  return spec;
}

ParameterSpec Service(std::string name, std::string role, bool required, std::string purpose) {
  ParameterSpec spec = Required(std::move(name), ParameterType::kService, std::move(purpose));
  spec.required = required;
  spec.role = std::move(role);
  return spec;
}

const Json& Member(const Json& json, std::string_view name) {
  static const Json null;
  if (!json.is_object()) return null;
  const auto member = json.find(std::string(name));
  return member == json.end() ? null : *member;
}

std::string TextOf(const Json& parameters, std::string_view name, std::string_view fallback) {
  const Json& value = Member(parameters, name);
  return value.is_string() ? value.get<std::string>() : std::string(fallback);
}

std::int64_t IntegerOf(const Json& parameters, std::string_view name, std::int64_t fallback) {
  const Json& value = Member(parameters, name);
  return value.is_number() ? value.get<std::int64_t>() : fallback;
}

std::chrono::milliseconds DurationOf(const Json& parameters, std::string_view name,
                                     std::chrono::milliseconds fallback) {
  return std::chrono::milliseconds(IntegerOf(parameters, name, fallback.count()));
}

}  // namespace vmferry
