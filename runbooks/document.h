// SPDX-License-Identifier: Apache-2.0
//
// Document: the text of one file and the tree of values in it, each with its place. Only parse_document.cc knows the
// YAML library; what that library lets pass silently (duplicate keys, second documents, aliases, tags, open quotes,
// control characters) is found there and reported as a problem.
//
// Scalars stay text: whoever asked for one reads it with a type (values.h). A Document never changes after it was
// parsed, except that a reader may conceal a secret it found. One thread at a time; its address must stay the same
// while Problems refer to it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vmferry {

class Problems;

struct MapMember;

struct Value {
  enum class Kind {
    kNothing,  // `key:` without a value, or null
    kText,
    kList,
    kMap,
    kBroken,  // was reported already; readers pass over it in silence
  };
  Kind kind = Kind::kNothing;
  bool quoted = false;  // text that was written in quotes or as a block
  std::size_t at = 0;   // offset in Document::text(); of nothing: where its key is
  std::string text;
  std::vector<Value> items;
  std::vector<MapMember> members;  // in the order of the file; no key twice

  bool Is(Kind other) const { return kind == other; }
  const MapMember* Find(std::string_view key) const;
};

struct MapMember {
  std::string key;
  std::size_t at = 0;
  Value value;
};

// "nothing", "text", "a list", "a map": for messages.
std::string_view KindName(const Value& value);

struct Position {
  int line = 1;    // from 1
  int column = 1;  // from 1, in characters
};

class Document {
 public:
  static constexpr std::size_t kMaxBytes = 1 << 20;
  static constexpr std::size_t kMaxDepth = 64;

  // Takes the text as it is; parsed by ParseDocument.
  Document(std::string path, std::string text);

  const std::string& path() const { return path_; }
  const std::string& text() const { return text_; }
  const Value& root() const { return root_; }
  // False: nothing to read further, what is wrong was reported.
  bool usable() const { return root_.Is(Value::Kind::kMap); }

  Position PlaceOf(std::size_t at) const;
  int LineOf(std::size_t at) const;  // from 1
  int line_count() const { return static_cast<int>(lines_.size()); }
  // Without the line break. REQUIRES: 1 <= line <= line_count()
  std::string_view Line(int line) const;
  std::size_t LineStart(int line) const { return lines_[static_cast<std::size_t>(line) - 1]; }

  // From now on nothing between these places is printed. A value ends where the next one begins.
  void Conceal(const Value& value) const;
  const std::vector<std::pair<std::size_t, std::size_t>>& concealed() const { return concealed_; }

 private:
  friend class DocumentParser;
  std::string path_;
  std::string text_;
  std::vector<std::size_t> lines_;   // offset of each line's first byte
  std::vector<std::size_t> places_;  // offsets of all values and keys, rising
  Value root_;
  mutable std::vector<std::pair<std::size_t, std::size_t>> concealed_;
};

// Fills `document` from its text. What is wrong goes into `problems`; when the text is no YAML at all, or not within
// the limits, the document is not usable.
void ParseDocument(Document& document, Problems& problems);

}  // namespace vmferry
