// SPDX-License-Identifier: Apache-2.0
//
// One DNS message and its answer, over a TCP connection of its own. Only TCP: every server must offer it (RFC 7766
// section 5), an answer is never cut short, nobody can send another's answer, and it is known whether a change was
// sent. Private to this folder. Threading: any number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/call.h"
#include "plugins/connection.h"
#include "plugins/url.h"

namespace vmferry {

// Waits for at most 10 s of `whole`. kUnavailable: nothing was sent; kTimedOut, or kUnavailable for a read that was
// cut off; kUnknownOutcome for a write after its first byte. The caller fills in Error::system and object.
Result<std::vector<std::uint8_t>> Exchange(const Url& server, const std::vector<std::uint8_t>& message, Access access,
                                           const Deadline& whole);

}  // namespace vmferry
