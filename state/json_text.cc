// SPDX-License-Identifier: Apache-2.0
#include "state/json_text.h"

#include <string>
#include <utility>

#include "state/json_element.h"

namespace vmferry {
namespace {

// A parser keeps room for its longest text, and each thread has one.
constexpr std::size_t kLongestFast = std::size_t{1} << 20;

}  // namespace

simdjson::dom::parser& JsonParser() {
  thread_local simdjson::dom::parser parser;
  return parser;
}

// NOLINTNEXTLINE(misc-no-recursion): no deeper than simdjson reads, 1,024 levels.
Json ToJson(const JsonElement& element) {
  using simdjson::dom::element_type;
  switch (element.type()) {
    case element_type::OBJECT: {
      Json::object_t members;
      for (const auto& [name, member] : simdjson::dom::object(element))
        members.insert_or_assign(members.end(), std::string(name), ToJson(member));
      return Json(std::move(members));
    }
    case element_type::ARRAY: {
      Json::array_t members;
      for (const simdjson::dom::element member : simdjson::dom::array(element)) members.push_back(ToJson(member));
      return Json(std::move(members));
    }
    case element_type::INT64: {
      const std::int64_t number = element;
      return number < 0 ? Json(number) : Json(static_cast<std::uint64_t>(number));  // as Json::parse has it
    }
    case element_type::UINT64: return Json(std::uint64_t{element});
    case element_type::DOUBLE: return Json(double{element});
    case element_type::STRING: return Json(std::string(std::string_view(element)));
    case element_type::BOOL: return Json(bool{element});
    case element_type::NULL_VALUE: break;
  }
  return Json();
}

bool IsUtf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

Json ParseJson(std::string_view text) {
  JsonElement element;
  if (text.size() <= kLongestFast && JsonParser().parse(text.data(), text.size()).get(element) == simdjson::SUCCESS)
    return ToJson(element);
  return Json::parse(text, nullptr, false);
}

}  // namespace vmferry
