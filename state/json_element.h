// SPDX-License-Identifier: Apache-2.0
//
// simdjson's view of a text, for what is read so often that building Json values first would cost most of the time.
// A view lives as long as its parser keeps the text.
#pragma once

#include <simdjson.h>

#include "state/event.h"

namespace vmferry {

using JsonElement = simdjson::dom::element;

// The same as a value of its own.
Json ToJson(const JsonElement& element);

// This thread's parser, whose room grows with the longest text: for texts of bounded length.
simdjson::dom::parser& JsonParser();

}  // namespace vmferry
