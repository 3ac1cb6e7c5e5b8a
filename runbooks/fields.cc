// SPDX-License-Identifier: Apache-2.0
#include "runbooks/fields.h"

#include <algorithm>
#include <utility>

#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {

using Kind = Value::Kind;

void Reader::Report(std::size_t at, std::string message, std::string hint) const {
  problems.Add(document, at, std::move(message), std::move(hint));
}

std::optional<Json> Reader::Accept(std::size_t at, Reading reading) const {
  if (reading.ok()) return std::move(reading.value);
  if (!reading.silent) Report(at, std::move(reading.message), std::move(reading.hint));
  return std::nullopt;
}

Fields::Fields(const Reader& reader, const Value& map, std::string owner, std::size_t at)
    : reader_(reader), map_(map.Is(Kind::kMap) ? &map : nullptr), owner_(std::move(owner)), at_(at) {
  if (map_ == nullptr && !map.Is(Kind::kBroken))
    reader_.Report(map.at, owner_ + " must be a map of `key: value`, not " + std::string(KindName(map)));
}

const Value* Fields::Find(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  const MapMember* member = map_ == nullptr ? nullptr : map_->Find(key);
  return member == nullptr ? nullptr : &member->value;
}

const Value* Fields::Require(std::string_view key) {
  const Value* value = Find(key);
  if (value == nullptr && map_ != nullptr) reader_.Report(at_, owner_ + " lacks " + Quoted(key));
  return value;
}

std::optional<std::string> Fields::Text(std::string_view key) {
  const Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const auto text = reader_.Accept(value->at, ReadText(*value, key));
  return text ? std::optional(text->get<std::string>()) : std::nullopt;
}

std::optional<std::string> Fields::RequiredText(std::string_view key) {
  if (map_ != nullptr && map_->Find(key) == nullptr) Require(key);
  return Text(key);
}

std::optional<std::int64_t> Fields::Integer(std::string_view key, std::int64_t least, std::int64_t most) {
  const Value* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const auto number = reader_.Accept(value->at, ReadInteger(*value, key));
  if (!number) return std::nullopt;
  if (*number >= least && *number <= most) return number->get<std::int64_t>();
  reader_.Report(value->at, Quoted(key) + " must be from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

const Value* Fields::Expect(std::string_view key, Kind kind, std::string_view kind_name) {
  const Value* value = Find(key);
  if (value == nullptr || value->Is(kind)) return value;
  if (!value->Is(Kind::kBroken))
    reader_.Report(value->at,
                   Quoted(key) + " must be " + std::string(kind_name) + ", not " + std::string(KindName(*value)));
  return nullptr;
}

const std::vector<Value>& Fields::List(std::string_view key, bool* present) {
  static const std::vector<Value> kEmpty;
  const Value* value = Expect(key, Kind::kList, "a list");
  if (present != nullptr) *present = map_ == nullptr || map_->Find(key) != nullptr;
  return value == nullptr ? kEmpty : value->items;
}

const std::vector<MapMember>& Fields::Map(std::string_view key) {
  static const std::vector<MapMember> kEmpty;
  const Value* value = Expect(key, Kind::kMap, "a map");
  return value == nullptr ? kEmpty : value->members;
}

std::size_t Fields::PlaceOf(std::string_view key) const {
  const MapMember* member = map_ == nullptr ? nullptr : map_->Find(key);
  return member == nullptr ? at_ : member->at;
}

void Fields::RefuseOthers() const {
  if (map_ == nullptr) return;
  for (const MapMember& member : map_->members) {
    if (reader_.problems.Full(reader_.document)) return;
    if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
    reader_.Report(member.at, owner_ + " has no key " + Quoted(member.key), SuggestHint(member.key, known_));
  }
}

bool IsName(std::string_view text) {
  constexpr std::size_t kLongest = 63;
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  if (text.empty() || text.size() > kLongest || !plain(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) { return plain(c) || c == '.' || c == '_' || c == '-'; });
}

}  // namespace vmferry
