// SPDX-License-Identifier: Apache-2.0
//
// Settings of plugins in a Site: typed, paths absolute, secrets as references.
#include <algorithm>
#include <cctype>
#include <filesystem>
#include <system_error>

#include "runbooks/characters.h"
#include "runbooks/check_site.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::string_view kFile = "file:";
constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kSecretHint =
    "write `env:NAME`, `file:PATH` or `credential:NAME`, and keep the secret itself out of the file";

std::string Absolute(std::string_view path, const std::string& base) {
  return (std::filesystem::path(base) / path).lexically_normal().string();
}

// In texts, lists and maps a path is known by how it begins: `./`, `../`, or `unix:` for a socket.
std::string WithAbsolutePath(const std::string& text, const std::string& base) {
  if (text.starts_with(kUnix) && text.size() > kUnix.size())
    return std::string(kUnix) + Absolute(text.substr(kUnix.size()), base);
  return text.starts_with("./") || text.starts_with("../") ? Absolute(text, base) : text;
}

bool IsVariable(std::string_view name) {
  const auto plain = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), plain);
}

bool IsCompleteReference(std::string_view text) {
  const std::string_view name = text.substr(text.find(':') + 1);
  if (text.starts_with("env:")) return IsVariable(name);
  if (text.starts_with(kFile)) return !name.empty();
  return !name.empty() && name.find('/') == std::string_view::npos && name != "." && name != "..";
}

// Never repeats what it was given, since that may be the secret.
Json ReadSecret(const Reader& reader, const Value& value, const std::string& what, const std::string& base) {
  if (value.Is(Kind::kBroken)) return Json();
  const bool reference = value.Is(Kind::kText) && IsReference(value.text);
  if (!reference) {
    if (!value.Is(Kind::kNothing)) reader.document.Conceal(value);
    reader.Report(value.at, Quoted(what) + " must be a reference to a secret", std::string(kSecretHint));
    return Json();
  }
  if (!IsCompleteReference(value.text)) {
    reader.Report(value.at, "the reference in " + Quoted(what) + " names nothing that can be looked up",
                  std::string(kSecretHint));
    return Json();
  }
  if (!value.text.starts_with(kFile)) return value.text;
  return std::string(kFile) + Absolute(value.text.substr(kFile.size()), base);
}

std::optional<std::string> ReadPlainText(const Reader& reader, const Value& value, std::string_view what,
                                         const std::string& base) {
  const auto text = reader.Accept(value.at, ReadText(value, what));
  if (!text) return std::nullopt;
  if (!HoldsAddressWithPassword(value.text)) return WithAbsolutePath(value.text, base);
  reader.document.Conceal(value);
  reader.Report(value.at, "an address with a password in it", "give user and password as settings of their own");
  return std::nullopt;
}

// Lists and maps as they are written; what they hold stays text.
Json ReadNested(const Reader& reader, const Value& value, std::string_view what, const std::string& base) {
  if (value.Is(Kind::kList)) {
    Json list = Json::array();
    for (const Value& item : value.items) list.push_back(ReadNested(reader, item, what, base));
    return list;
  }
  if (value.Is(Kind::kMap)) {
    Json map = Json::object();
    for (const MapMember& member : value.members) map[member.key] = ReadNested(reader, member.value, member.key, base);
    return map;
  }
  const auto text = ReadPlainText(reader, value, what, base);
  return text ? Json(*text) : Json();
}

Json ReadCollection(const Reader& reader, const Value& value, const SettingSpec& spec, const std::string& base) {
  const Kind wanted = spec.type == "list" ? Kind::kList : Kind::kMap;
  if (value.Is(wanted)) return ReadNested(reader, value, spec.name, base);
  if (!value.Is(Kind::kBroken))
    reader.Report(value.at, Quoted(spec.name) + " must be a " + spec.type + ", not " + std::string(KindName(value)));
  return Json();
}

Json ReadSetting(const Reader& reader, const Value& value, const SettingSpec& spec, const std::string& base) {
  if (spec.type == "secret") return ReadSecret(reader, value, spec.name, base);
  if (spec.type == "path") return ReadPath(reader, value, spec.name, base);
  if (spec.type == "list" || spec.type == "map") return ReadCollection(reader, value, spec, base);
  if (spec.type == "integer") return reader.Accept(value.at, ReadInteger(value, spec.name)).value_or(Json());
  if (spec.type == "duration") return reader.Accept(value.at, ReadDuration(value, spec.name)).value_or(Json());
  if (spec.type == "boolean") return reader.Accept(value.at, ReadBoolean(value, spec.name)).value_or(Json());
  const auto text = ReadPlainText(reader, value, spec.name, base);
  return text ? Json(*text) : Json();
}

}  // namespace

std::string FolderOf(const Document& document) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(document.path(), error);
  return (error ? std::filesystem::path(document.path()) : absolute).parent_path().lexically_normal().string();
}

std::string ReadPath(const Reader& reader, const Value& value, std::string_view what, const std::string& base) {
  const auto text = reader.Accept(value.at, ReadText(value, what));
  if (!text) return "";
  if (!value.text.starts_with("~")) return Absolute(value.text, base);
  reader.Report(value.at, "`~` has no meaning in a path here", "write it from `/` on, or relative to this file");
  return "";
}

Json ReadSettings(const Reader& reader, Fields& fields, const PluginKind& kind, const std::string& owner,
                  const std::string& base) {
  Json settings = Json::object();
  for (const SettingSpec& spec : kind.settings) {
    const Value* value = fields.Find(spec.name);
    if (value == nullptr && spec.required)
      reader.Report(fields.PlaceOf("plugin"),
                    owner + " lacks the setting " + Quoted(spec.name) + " of plugin " + Quoted(kind.name),
                    spec.purpose);
    if (value == nullptr) continue;
    Json read = ReadSetting(reader, *value, spec, base);
    if (!read.is_null()) settings[spec.name] = std::move(read);
  }
  return settings;
}

}  // namespace vmferry
