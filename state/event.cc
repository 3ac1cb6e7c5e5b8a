// SPDX-License-Identifier: Apache-2.0
#include "state/event.h"

#include <array>

#include "state/json_text.h"

namespace vmferry {
namespace {

// In the order of EventKind. These names are stored: they may be added to, never changed.
constexpr std::array<std::string_view, 16> kKindNames{
    "run created", "found",        "intent",   "handle", "facts",   "outcome", "observed",
    "undo intent", "undo outcome", "decision", "hold",   "release", "phase",
    "sample",      "verdict",      "watch"};

std::string Text(const Json& json, const char* member) {
  const auto found = json.find(member);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

std::string_view Name(EventKind kind) {
  return kKindNames.at(static_cast<std::size_t>(kind));
}

std::optional<EventKind> EventKindFromName(std::string_view name) {
  for (std::size_t i = 0; i < kKindNames.size(); ++i)
    if (kKindNames[i] == name) return static_cast<EventKind>(i);
  return std::nullopt;
}

Json PayloadOf(const Event& event) {
  if (event.encoded.empty()) return event.payload;
  Json payload = ParseJson(event.encoded);
  return payload.is_object() ? payload : Json::object();
}

Json ErrorToJson(const Error& error) {
  Json json{{"kind", std::string(Name(error.kind))}, {"message", error.message}};
  if (!error.system.empty()) json["system"] = error.system;
  if (!error.object.empty()) json["object"] = error.object;
  if (!error.advice.empty()) json["advice"] = error.advice;
  return json;
}

// A journal of any age must fold, so nothing here fails: what is missing or of another type reads as empty.
Error ErrorFromJson(const Json& json) {
  if (!json.is_object()) return Error{};
  return Error{.kind = ErrorKindFromName(Text(json, "kind")).value_or(ErrorKind::kInternal),
               .system = Text(json, "system"),
               .object = Text(json, "object"),
               .message = Text(json, "message"),
               .advice = Text(json, "advice")};
}

}  // namespace vmferry
