// SPDX-License-Identifier: Apache-2.0
//
// Fields: reads the known keys of one map, and reports what is missing, of the wrong type, or not known at all. What
// a reader asks for is what is known, so the list of keys stands nowhere else. One thread; lives for one reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runbooks/document.h"
#include "runbooks/problems.h"
#include "runbooks/values.h"

namespace vmferry {

// A document being read, and where its problems go.
struct Reader {
  const Document& document;
  Problems& problems;
  void Report(std::size_t at, std::string message, std::string hint = "") const;
  // The value of `reading`; what is wrong with it is reported at `at`.
  std::optional<Json> Accept(std::size_t at, Reading reading) const;
};

class Fields {
 public:
  // `owner` is what the map is, for messages: "a Runbook", "workload". If `map` is no map, that is reported once, and
  // every key is absent. `at`: where a missing key is reported.
  Fields(const Reader& reader, const Value& map, std::string owner, std::size_t at);

  bool usable() const { return map_ != nullptr; }
  // The value of a key; null if it is absent.
  const Value* Find(std::string_view key);
  // As Find; absent is a problem.
  const Value* Require(std::string_view key);
  std::optional<std::string> Text(std::string_view key);
  std::optional<std::string> RequiredText(std::string_view key);
  // Within the bounds.
  std::optional<std::int64_t> Integer(std::string_view key, std::int64_t least, std::int64_t most);
  // A list: its items; empty when the key is absent or no list. `present`, if given, tells absent from empty.
  const std::vector<Value>& List(std::string_view key, bool* present = nullptr);
  // A map: its members; empty when the key is absent or no map.
  const std::vector<MapMember>& Map(std::string_view key);
  // Where the key stands; where the map is, if it is absent.
  std::size_t PlaceOf(std::string_view key) const;
  // Reports every key nobody asked for. Call it last.
  void RefuseOthers() const;

 private:
  const Value* Expect(std::string_view key, Value::Kind kind, std::string_view kind_name);
  const Reader& reader_;
  const Value* map_;
  std::string owner_;
  std::size_t at_;
  std::vector<std::string> known_;
};

// True for names as applications, workloads and systems have them: letters, digits, `.`, `_`, `-`; at most 63; the
// first a letter or digit. They become parts of file names, metadata and log lines.
bool IsName(std::string_view text);
inline constexpr std::string_view kNameHint =
    "a name has at most 63 letters, digits, `.`, `_` and `-`, and begins with a letter or digit";

}  // namespace vmferry
