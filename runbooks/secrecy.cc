// SPDX-License-Identifier: Apache-2.0
#include "runbooks/secrecy.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>

#include "runbooks/characters.h"

namespace vmferry {
namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::string_view kMask = "***";
constexpr std::size_t kMaxQuoted = 60;

bool IsKeyCharacter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '"' || c == '\'';
}

bool IsBlank(std::string_view line) {
  return line.find_first_not_of(" \t") == kNone;
}

std::size_t Indentation(std::string_view line) {
  return std::min(line.find_first_not_of(" \t"), line.size());
}

std::string_view KeyBefore(std::string_view line, std::size_t colon) {
  std::size_t end = colon;
  while (end > 0 && line[end - 1] == ' ') --end;
  const char last = end > 0 ? line[end - 1] : '\0';
  const std::size_t opening = last == '"' || last == '\'' ? line.substr(0, end - 1).rfind(last) : kNone;
  if (opening != kNone) return line.substr(opening, end - opening);
  std::size_t begin = end;
  while (begin > 0 && IsKeyCharacter(line[begin - 1])) --begin;
  return line.substr(begin, end - begin);
}

std::size_t ValueAfter(std::string_view line, std::size_t colon) {
  return std::min(line.find_first_not_of(" \t\"'", colon + 1), line.size());
}

// Where on the line a value begins whose key sounds secret and which is no reference; kNone if nowhere.
std::size_t FindSecretValue(std::string_view line) {
  for (std::size_t colon = line.find(':'); colon != kNone; colon = line.find(':', colon + 1)) {
    const std::size_t value = ValueAfter(line, colon);
    if (!SoundsSecret(KeyBefore(line, colon)) || value == line.size()) continue;
    if (!IsReference(line.substr(value))) return value;
    colon = line.find(':', value);  // the reference's own
  }
  return kNone;
}

bool HasSecretKey(std::string_view line) {
  for (std::size_t colon = line.find(':'); colon != kNone; colon = line.find(':', colon + 1))
    if (SoundsSecret(KeyBefore(line, colon))) return true;
  return false;
}

// Where the user information of an address begins that has a password; kNone if nowhere.
std::size_t FindAddressWithPassword(std::string_view line) {
  constexpr std::string_view kScheme = "://";
  for (std::size_t at = line.find(kScheme); at != kNone; at = line.find(kScheme, at + 1)) {
    const std::size_t begin = at + kScheme.size();
    const std::string_view authority = line.substr(begin, line.find_first_of("/ \t?#", begin) - begin);
    const std::size_t host = authority.rfind('@');
    if (host != kNone && authority.substr(0, host).find(':') != kNone) return begin;
  }
  return kNone;
}

// True if the line stands below a key that sounds secret: deeper, or as further text or list entries without a key.
bool ContinuesSecret(const Document& document, int line) {
  std::size_t indentation = Indentation(document.Line(line));
  bool keyless = document.Line(line).find(':') == kNone;
  for (int above = line - 1; above >= 1 && (indentation > 0 || keyless); --above) {
    const std::string_view text = document.Line(above);
    if (IsBlank(text)) continue;
    const bool parent = Indentation(text) < indentation;
    if ((parent || keyless) && HasSecretKey(text)) return true;
    keyless = keyless && text.find(':') == kNone;
    indentation = std::min(indentation, Indentation(text));
  }
  return false;
}

std::size_t FindConcealed(const Document& document, int line) {
  const std::size_t begin = document.LineStart(line);
  const std::size_t end = begin + document.Line(line).size();
  std::size_t first = kNone;
  for (const auto& [from, to] : document.concealed())
    if (from < end && to > begin) first = std::min(first, std::max(from, begin) - begin);
  return first;
}

}  // namespace

bool SoundsSecret(std::string_view key) {
  std::string plain;
  for (const char c : key)
    if (std::isalnum(static_cast<unsigned char>(c)) != 0)
      plain += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  static constexpr std::array<std::string_view, 6> kSounds{"pass", "pasw", "pwd", "secret", "token", "credential"};
  const auto sounds = [&plain](std::string_view sound) { return plain.find(sound) != std::string::npos; };
  return plain.ends_with("key") || std::any_of(kSounds.begin(), kSounds.end(), sounds);
}

bool IsReference(std::string_view text) {
  static constexpr std::array<std::string_view, 3> kSchemes{"env:", "file:", "credential:"};
  return std::any_of(kSchemes.begin(), kSchemes.end(),
                     [text](std::string_view scheme) { return text.starts_with(scheme); });
}

bool HoldsAddressWithPassword(std::string_view text) {
  return FindAddressWithPassword(text) != kNone;
}

std::string Quoted(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  std::size_t end = 0;
  for (std::size_t count = 0; end < line.size() && count < kMaxQuoted; ++count) end += CharacterAt(line, end).bytes;
  const std::size_t secret = std::min(FindSecretValue(line), FindAddressWithPassword(line));
  std::string quoted = Tamed(line.substr(0, std::min(end, secret)));
  std::replace(quoted.begin(), quoted.end(), '\t', ' ');
  const std::string_view tail = secret < end ? kMask : end < text.size() ? "..." : "";
  return "`" + quoted + std::string(tail) + "`";
}

std::string WithoutSecrets(const Document& document, int line) {
  const std::string_view text = document.Line(line);
  if (ContinuesSecret(document, line)) return std::string(text.substr(0, Indentation(text))) + std::string(kMask);
  const std::size_t secret =
      std::min({FindConcealed(document, line), FindSecretValue(text), FindAddressWithPassword(text)});
  return secret == kNone ? std::string(text) : std::string(text.substr(0, secret)) + std::string(kMask);
}

}  // namespace vmferry
