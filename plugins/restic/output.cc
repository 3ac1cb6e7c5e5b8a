// SPDX-License-Identifier: Apache-2.0
#include "plugins/restic/output.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <utility>

#include "plugins/printable.h"
#include "plugins/rfc3339.h"

namespace vmferry {
namespace {

constexpr std::size_t kShownWords = 400;
constexpr std::size_t kShownLines = 4;

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    if (end > at) lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

// An object of one line, or null.
Json Message(const std::string& line) {
  if (!line.starts_with('{')) return Json();
  Json message = Json::parse(line, nullptr, false);
  return message.is_object() ? message : Json();
}

std::string TextAt(const Json& json, const char* name) {
  const auto member = json.find(name);
  return member != json.end() && member->is_string() ? member->get<std::string>() : "";
}

std::int64_t NumberAt(const Json& json, const char* name, std::int64_t otherwise) {
  const auto member = json.find(name);
  return member != json.end() && member->is_number_integer() ? member->get<std::int64_t>() : otherwise;
}

std::vector<std::string> TextsAt(const Json& json, const char* name) {
  std::vector<std::string> texts;
  const auto member = json.find(name);
  if (member != json.end() && member->is_array())
    for (const Json& item : *member)
      if (item.is_string()) texts.push_back(item.get<std::string>());
  return texts;
}

std::optional<BackupFacts> SnapshotOf(const Json& json) {
  if (!json.is_object()) return std::nullopt;
  const std::optional<std::int64_t> time = ParseRfc3339(TextAt(json, "time"));
  BackupFacts facts;
  facts.id = TextAt(json, "id");
  const bool hex = std::all_of(facts.id.begin(), facts.id.end(), [](unsigned char c) { return std::isxdigit(c) != 0; });
  if (!time || facts.id.size() < 8 || facts.id.size() > 64 || !hex) return std::nullopt;
  facts.time_ms = *time;
  facts.host = TextAt(json, "hostname");
  facts.paths = TextsAt(json, "paths");
  facts.tags = TextsAt(json, "tags");
  if (const auto summary = json.find("summary"); summary != json.end() && summary->is_object())
    facts.size_bytes = NumberAt(*summary, "total_bytes_processed", -1);
  return facts;
}

// What a line of standard error says; empty for what is no failure.
std::string FailureIn(const std::string& line) {
  const Json message = Message(line);
  if (message.is_null()) return line;
  const std::string type = TextAt(message, "message_type");
  std::string said = TextAt(message, "message");
  if (const auto error = message.find("error"); said.empty() && error != message.end() && error->is_object())
    said = TextAt(*error, "message").empty() ? error->dump() : TextAt(*error, "message");
  const std::string item = TextAt(message, "item");
  if (!item.empty() && said.find(item) == std::string::npos) said = item + ": " + said;
  return type == "error" || type == "exit_error" ? said : "";
}

bool Contains(const std::string& text, std::string_view words) {
  return text.find(words) != std::string::npos;
}

}  // namespace

std::optional<std::vector<BackupFacts>> ParseSnapshots(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_null()) return std::vector<BackupFacts>();  // how Go writes an empty list in some releases
  if (!json.is_array() || json.size() > kMostSnapshots) return std::nullopt;
  std::vector<BackupFacts> snapshots;
  for (const Json& entry : json) {
    std::optional<BackupFacts> facts = SnapshotOf(entry);
    if (!facts) return std::nullopt;
    snapshots.push_back(std::move(*facts));
  }
  std::stable_sort(snapshots.begin(), snapshots.end(),
                   [](const BackupFacts& a, const BackupFacts& b) { return a.time_ms > b.time_ms; });
  return snapshots;
}

bool Covers(const std::vector<std::string>& covered, const std::vector<std::string>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& path) {
    const std::string plain = std::filesystem::path(path).lexically_normal().string();
    return std::find_if(covered.begin(), covered.end(), [&](const std::string& above) {
             return plain == above || plain == above + "/" || above == "/" || plain.starts_with(above + "/");
           }) != covered.end();
  });
}

std::optional<ResticStats> ParseStats(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("total_size")) return std::nullopt;
  return ResticStats{NumberAt(json, "total_file_count", 0), NumberAt(json, "total_size", -1)};
}

std::pair<std::int64_t, std::int64_t> ParseProgress(const std::string& output) {
  const std::vector<std::string> lines = Lines(output);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    const Json message = Message(*line);
    if (message.is_object() && TextAt(message, "message_type") == "status")
      return {NumberAt(message, "bytes_done", 0), NumberAt(message, "total_bytes", 0)};
  }
  return {0, 0};
}

std::string ParseMadeSnapshot(const std::string& output) {
  const std::vector<std::string> lines = Lines(output);
  for (auto line = lines.rbegin(); line != lines.rend(); ++line)
    if (const Json message = Message(*line); message.is_object() && TextAt(message, "message_type") == "summary")
      return TextAt(message, "snapshot_id");
  return "";
}

std::string WordsOf(const std::string& errors) {
  std::vector<std::string> said;
  for (const std::string& line : Lines(errors))
    if (std::string words = FailureIn(line); !words.empty() && (said.empty() || said.back() != words))
      said.push_back(std::move(words));
  const std::size_t first = said.size() > kShownLines ? said.size() - kShownLines : 0;
  std::string text;
  for (std::size_t i = first; i < said.size(); ++i) text += (text.empty() ? "" : "; ") + said[i];
  std::replace(text.begin(), text.end(), '\n', ' ');
  return Printable(text, kShownWords);
}

bool ReadIncompletely(const std::string& errors) {
  const std::vector<std::string> lines = Lines(errors);
  return std::any_of(lines.begin(), lines.end(), [](const std::string& line) {
    const Json message = Message(line);
    return Contains(line, "at least one source file could not be read") ||
           (message.is_object() && TextAt(message, "message_type") == "error");
  });
}

std::optional<ErrorKind> OutsideFailure(int exit_code, const std::string& errors) {
  std::string text = errors;
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto says = [&](auto... words) { return (Contains(text, words) || ...); };
  if (says("no space left on device", "disk quota exceeded")) return ErrorKind::kConflict;
  if (exit_code == 12 || says("wrong password", "no key found")) return ErrorKind::kDenied;
  if (says("connection refused", "no such host", "i/o timeout", "network is unreachable", "no route to host",
           "connection reset", "deadline exceeded", "connection timed out"))
    return ErrorKind::kUnavailable;
  if (exit_code == 11 || says("already locked", "unable to create lock")) return ErrorKind::kUnavailable;
  if (exit_code == 10 || says("is there a repository at", "unable to open config file", "repository does not exist"))
    return says("permission denied") ? ErrorKind::kDenied : ErrorKind::kNotFound;
  return std::nullopt;
}

std::string AdviceFor(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kDenied:
      return "correct the setting `password` or the access to the repository";
    case ErrorKind::kUnavailable:
      return "see that the repository can be reached and is not locked";
    case ErrorKind::kNotFound:
      return "correct the setting `repository`, or mount what holds it";
    case ErrorKind::kConflict:
      return "make room on the disk that is full: the repository's, or that of the setting `workDirectory`";
    default:
      return "run `restic check` on the repository";
  }
}

}  // namespace vmferry
