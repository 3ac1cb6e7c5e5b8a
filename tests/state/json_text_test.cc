// SPDX-License-Identifier: Apache-2.0
#include "state/json_text.h"

#include <gtest/gtest.h>

#include <string>

namespace vmferry {
namespace {

// The two parsers must agree on everything, to the type of a number: the live state is built from the values that were
// written, a replay from their text.
TEST(JsonText, ReadsAsTheLibraryThatWroteItDoes) {
  for (const std::string text : {
           "{}", "[]", "null", "true", "\"\"", "0", "-1", "9223372036854775807", "9223372036854775808",
           "18446744073709551615", "-9223372036854775808", "1.0", "-2.5e-3", "1e308", "5e-324",
           R"({"a":1,"b":[1,-2,3.5,"x",null,false],"c":{"d":{}},"":"empty name"})", R"({"a":1,"a":{"b":2}})",
           R"(["\u0000","\"\\\/\b\f\n\r\t","\u00e9\ud83d\ude00","é😀"])", " { \"a\" :\n[ ] }\t"}) {
    const Json expected = Json::parse(text);
    const Json read = ParseJson(text);
    EXPECT_EQ(read, expected) << text;
    EXPECT_EQ(read.type(), expected.type()) << text;
    EXPECT_EQ(read.dump(), expected.dump()) << text;
  }
}

TEST(JsonText, IsDiscardedWhereItIsNoJson) {
  for (const std::string text : {"", " ", "{", "{\"a\"}", "[1,]", "nul", "\"\xff\"", "\"\n\"", "1 2", "01", "\"\\ud800\"",
                                 "\xef\xbb\xbf"})
    EXPECT_EQ(ParseJson(text).is_discarded(), Json::parse(text, nullptr, false).is_discarded()) << text;
}

// Beyond what simdjson takes (1,024 levels, a number past 64 bits) and beyond what it is asked to hold.
TEST(JsonText, ReadsWhatTheFastParserDoesNot) {
  std::string deep(2000, '[');
  deep.append(2000, ']');
  for (const std::string& text : {deep, std::string("123456789012345678901234567890"),
                                  "[\"" + std::string(std::size_t{2} << 20, 'x') + "\"]"}) {
    EXPECT_FALSE(ParseJson(text).is_discarded());
    EXPECT_EQ(ParseJson(text), Json::parse(text));
  }
}

}  // namespace
}  // namespace vmferry
