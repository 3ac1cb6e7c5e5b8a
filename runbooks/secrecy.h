// SPDX-License-Identifier: Apache-2.0
//
// What of a document's text may be printed. A secret in plain text is refused, but a message about it, or about
// something else on its line, must not repeat it (promise 9). Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "runbooks/document.h"

namespace vmferry {

// `line` (from 1) of the document with `***` in place of: what was concealed; the value of any key that sounds like a
// secret (password, token, ...) unless it is a reference; what continues such a value on further lines; and a
// password within an address (`https://user:password@host`).
std::string WithoutSecrets(const Document& document, int line);

// `text` in backquotes for a message: tamed, without what looks like a secret, its first line, at most 60 characters.
std::string Quoted(std::string_view text);

// True for a key whose value is likely a secret.
bool SoundsSecret(std::string_view key);

// True for `env:NAME`, `file:PATH` and `credential:NAME`, as far as the scheme tells.
bool IsReference(std::string_view text);

// True if `text` holds an address with user and password.
bool HoldsAddressWithPassword(std::string_view text);

}  // namespace vmferry
