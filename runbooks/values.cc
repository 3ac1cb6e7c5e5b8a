// SPDX-License-Identifier: Apache-2.0
#include "runbooks/values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "plugins/url.h"
#include "runbooks/characters.h"
#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::int64_t kTenYearsInMs = 3650LL * 24 * 60 * 60 * 1000;

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr std::array<Unit, 5> kTimes{{{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}}};
constexpr std::array<Unit, 6> kSizes{
    {{"B", 1}, {"KiB", 1LL << 10}, {"MiB", 1LL << 20}, {"GiB", 1LL << 30}, {"TiB", 1LL << 40}, {"PiB", 1LL << 50}}};

Reading Wrong(std::string message, std::string hint = "") {
  return Reading{Json(), std::move(message), std::move(hint)};
}

// The scalar's text, or why there is none.
Reading ReadScalar(const Value& value, std::string_view what, std::string_view type) {
  if (value.Is(Kind::kBroken)) return Reading{Json(), "", "", true};
  if (!value.Is(Kind::kText))
    return Wrong(Quoted(what) + " must be " + std::string(type) + ", not " + std::string(KindName(value)));
  return Reading{Json(value.text), "", ""};
}

Reading NotA(const Value& value, std::string_view type, std::string hint) {
  return Wrong(Quoted(value.text) + " is not " + std::string(type), std::move(hint));
}

std::string BooleanHint(std::string_view text) {
  static constexpr std::array<std::string_view, 6> kTrue{"yes", "Yes", "on", "On", "True", "TRUE"};
  static constexpr std::array<std::string_view, 6> kFalse{"no", "No", "off", "Off", "False", "FALSE"};
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return "did you mean `true`?";
  if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return "did you mean `false`?";
  return "write `true` or `false`";
}

// Parameters count something, so none is negative.
Reading ReadCount(const Value& value, const ParameterSpec& spec) {
  Reading reading = ReadInteger(value, spec.name);
  if (reading.ok() && reading.value < 0) return Wrong(Quoted(spec.name) + " must not be negative");
  if (reading.ok() && reading.value < spec.least)
    return Wrong(Quoted(spec.name) + " must be at least " + std::to_string(spec.least));
  if (reading.ok() && spec.most > 0 && reading.value > spec.most)
    return Wrong(Quoted(spec.name) + " must be at most " + std::to_string(spec.most));
  return reading;
}

Reading ReadSize(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "a size");
  if (!reading.ok()) return reading;
  const auto size = ParseSize(value.text);
  if (!size) return NotA(value, "a size", "write a number and its unit, like `512MiB` or `10GiB`");
  reading.value = *size;
  return reading;
}

Reading ReadUrl(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "an address");
  if (!reading.ok()) return reading;
  if (HoldsAddressWithPassword(value.text))
    return Wrong("an address with a password in it", "vmferry keeps no secrets in runbooks; take it out");
  if (!ParseUrl(value.text))
    return NotA(value, "an address", "write it like `http://host:8080/path` or `https://host/path`");
  return reading;
}

Reading ReadChoice(const Value& value, const ParameterSpec& spec) {
  Reading reading = ReadScalar(value, spec.name, "one of " + ListOf(spec.choices, " or "));
  if (!reading.ok()) return reading;
  if (std::find(spec.choices.begin(), spec.choices.end(), value.text) != spec.choices.end()) return reading;
  const auto nearest = Nearest(value.text, spec.choices);
  return NotA(value, "one of " + ListOf(spec.choices, " or "), nearest ? "did you mean " + Quoted(*nearest) + "?" : "");
}

Reading ReadTextList(const Value& value, std::string_view what) {
  if (value.Is(Kind::kBroken)) return Reading{Json(), "", "", true};
  if (!value.Is(Kind::kList))
    return Wrong(Quoted(what) + " must be a list, not " + std::string(KindName(value)),
                 "write `" + std::string(what) + ": [first, second]`");
  Reading list{Json::array(), "", ""};
  for (const Value& item : value.items) {
    Reading entry = ReadItem(item, what);
    if (!entry.ok()) return entry;
    list.value.push_back(entry.value);
  }
  return list;
}

Value EmptyMap() {
  Value map;
  map.kind = Kind::kMap;
  return map;
}

Reading ReadMembers(const Value& value, const ParameterSpec& spec) {
  Reading map{Json::object(), "", ""};
  std::vector<std::string> names;
  for (const ParameterSpec& member : spec.members) {
    names.push_back(member.name);
    const MapMember* given = value.Find(member.name);
    if (given == nullptr && member.standard.empty()) continue;
    Reading read = given == nullptr ? ReadStandard(member) : ReadParameter(given->value, member);
    if (!read.ok()) return read;
    map.value[member.name] = std::move(read.value);
  }
  for (const MapMember& member : value.members)
    if (std::find(names.begin(), names.end(), member.key) == names.end())
      return Wrong(Quoted(spec.name) + " has no member " + Quoted(member.key), SuggestHint(member.key, names));
  return map;
}

// A bare scalar stands for the map's first member.
Reading ReadMap(const Value& value, const ParameterSpec& spec) {
  if (value.Is(Kind::kBroken)) return Reading{Json(), "", "", true};
  if (value.Is(Kind::kMap)) return ReadMembers(value, spec);
  if (!value.Is(Kind::kText))
    return Wrong(Quoted(spec.name) + " must be a map, not " + std::string(KindName(value)),
                 "write `" + spec.name + ": {" + spec.members.front().name + ": ...}`");
  Reading first = ReadParameter(value, spec.members.front());
  if (!first.ok()) return first;
  Reading map = ReadMembers(EmptyMap(), spec);
  map.value[spec.members.front().name] = std::move(first.value);
  return map;
}

}  // namespace

std::optional<std::int64_t> ParseInteger(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || (digits.size() > 1 && digits[0] == '0') || text == "-0") return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<bool> ParseBoolean(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return std::nullopt;
}

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  std::int64_t total = 0;
  std::size_t next_unit = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = ParseInteger(text.substr(0, digits));
    text.remove_prefix(digits);
    const std::size_t letters = std::min(text.find_first_of("0123456789"), text.size());
    std::size_t unit = next_unit;
    while (unit < kTimes.size() && kTimes[unit].name != text.substr(0, letters)) ++unit;
    if (!number || unit == kTimes.size() || *number > (kTenYearsInMs - total) / kTimes[unit].factor)
      return std::nullopt;
    total += *number * kTimes[unit].factor;
    text.remove_prefix(letters);
    next_unit = unit + 1;
  }
  if (next_unit == 0) return std::nullopt;
  return std::chrono::milliseconds(total);
}

std::optional<std::int64_t> ParseSize(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseInteger(text.substr(0, digits));
  const auto unit = std::find_if(kSizes.begin(), kSizes.end(),
                                 [&](const Unit& candidate) { return candidate.name == text.substr(digits); });
  if (!number || unit == kSizes.end() || *number > std::numeric_limits<std::int64_t>::max() / unit->factor)
    return std::nullopt;
  return *number * unit->factor;
}

Reading ReadText(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "text");
  if (reading.ok() && value.text.empty()) return Wrong(Quoted(what) + " is empty");
  return reading;
}

Reading ReadItem(const Value& value, std::string_view list) {
  Reading reading = ReadText(value, list);
  if (!reading.message.empty()) reading.message = "an entry of " + reading.message;
  return reading;
}

Reading ReadInteger(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "an integer");
  if (!reading.ok()) return reading;
  const auto number = ParseInteger(value.text);
  if (number && value.quoted)
    return Wrong(Quoted(what) + " must be an integer, not quoted text", "take the quotes off");
  if (!number) return NotA(value, "an integer", "");
  reading.value = *number;
  return reading;
}

Reading ReadBoolean(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "`true` or `false`");
  if (!reading.ok()) return reading;
  const auto boolean = ParseBoolean(value.text);
  if (boolean && value.quoted)
    return Wrong(Quoted(what) + " must be `true` or `false`, not quoted text", "take the quotes off");
  if (!boolean) return NotA(value, "`true` or `false`", BooleanHint(value.text));
  reading.value = *boolean;
  return reading;
}

Reading ReadDuration(const Value& value, std::string_view what) {
  Reading reading = ReadScalar(value, what, "a duration");
  if (!reading.ok()) return reading;
  const auto duration = ParseDuration(value.text);
  if (!duration && ParseInteger(value.text))
    return NotA(value, "a duration", "add its unit, like `" + value.text.substr(0, 20) + "s`");
  if (!duration) return NotA(value, "a duration", "write it like `500ms`, `90s`, `2m` or `1h30m`");
  reading.value = duration->count();
  return reading;
}

Reading ReadParameter(const Value& value, const ParameterSpec& spec) {
  switch (spec.type) {
    case ParameterType::kInteger:
      return ReadCount(value, spec);
    case ParameterType::kBoolean:
      return ReadBoolean(value, spec.name);
    case ParameterType::kDuration:
      return ReadDuration(value, spec.name);
    case ParameterType::kSize:
      return ReadSize(value, spec.name);
    case ParameterType::kUrl:
      return ReadUrl(value, spec.name);
    case ParameterType::kChoice:
      return ReadChoice(value, spec);
    case ParameterType::kTextList:
      return ReadTextList(value, spec.name);
    case ParameterType::kMap:
      return ReadMap(value, spec);
    case ParameterType::kText:
    case ParameterType::kService:
      break;
  }
  return ReadText(value, spec.name);
}

Reading ReadStandard(const ParameterSpec& spec) {
  Value value;
  value.kind = Kind::kText;
  value.text = spec.standard;
  if (spec.type == ParameterType::kMap) return ReadMembers(EmptyMap(), spec);
  if (spec.type != ParameterType::kTextList) return ReadParameter(value, spec);
  // A list as text: "a,b".
  Value list;
  list.kind = Kind::kList;
  for (std::size_t at = 0; at <= spec.standard.size();) {
    const std::size_t comma = std::min(spec.standard.find(',', at), spec.standard.size());
    value.text = spec.standard.substr(at, comma - at);
    list.items.push_back(value);
    at = comma + 1;
  }
  return ReadParameter(list, spec);
}

}  // namespace vmferry
