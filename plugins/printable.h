// SPDX-License-Identifier: Apache-2.0
//
// Printable: text from outside (a program's output, a page's body) as it may go into an Error, a journal record or
// onto a terminal: valid UTF-8 (JSON cannot hold anything else), without control characters other than line breaks
// and tabs. Pure; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vmferry {

// At most `limit` bytes of `text`; invalid sequences become U+FFFD, control characters become spaces.
std::string Printable(std::string_view text, std::size_t limit);

}  // namespace vmferry
