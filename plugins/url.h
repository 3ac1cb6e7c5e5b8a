// SPDX-License-Identifier: Apache-2.0
//
// Url: an http or https address taken apart, and percent-encoding of its parts. Values; any thread.
// Source: RFC 3986.
#pragma once

#include <string>
#include <string_view>

#include "state/result.h"

namespace vmferry {

struct Url {
  bool tls = false;
  std::string host;          // without the brackets of an IPv6 address
  std::string port;          // always there: "443", "80", or as given
  std::string target = "/";  // path and query as given, never empty

  // "https://vc1.example.com:8443"; the scheme's own port is left out.
  std::string Origin() const;
  // What the Host header says: "vc1.example.com:8443", "[::1]".
  std::string Authority() const;
};

// kInvalid for anything but http:// and https:// with a host; user information in the address is refused, since it
// would be a secret in a place that is printed.
Result<Url> ParseUrl(std::string_view text);

// Percent-encodes everything but unreserved characters; EncodePath keeps '/'.
std::string EncodePath(std::string_view path);
std::string EncodeQuery(std::string_view value);

}  // namespace vmferry
