// SPDX-License-Identifier: Apache-2.0
#include "plugins/url.h"

#include <algorithm>
#include <cctype>

namespace vmferry {
namespace {

Error BadUrl(std::string_view text, const std::string& why) {
  return Error{ErrorKind::kInvalid, "", "", "'" + std::string(text) + "' is not a usable address: " + why,
               "write it as https://HOST[:PORT]/PATH"};
}

std::string Encode(std::string_view text, bool keep_slash) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (byte < 128 && std::isalnum(byte) != 0) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain || (keep_slash && c == '/')) {
      out += c;
    } else {
      out += '%';
      out += kDigits[byte >> 4];
      out += kDigits[byte & 15];
    }
  }
  return out;
}

// Splits "host", "host:port", "[v6]", "[v6]:port"; false when it cannot be told apart.
bool SplitAuthority(std::string_view text, Url* url) {
  std::string_view rest;
  if (!text.empty() && text.front() == '[') {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    url->host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    url->host = text.substr(0, colon);
    if (colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (rest.empty()) return !url->host.empty();
  if (rest.front() != ':') return false;
  url->port = rest.substr(1);
  const bool digits = std::all_of(url->port.begin(), url->port.end(), [](unsigned char c) { return std::isdigit(c); });
  return !url->host.empty() && digits && !url->port.empty() && url->port.size() <= 5 && std::stoi(url->port) < 65536;
}

}  // namespace

std::string Url::Authority() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? "443" : "80")) text += ":" + port;
  return text;
}

std::string Url::Origin() const {
  return (tls ? "https://" : "http://") + Authority();
}

Result<Url> ParseUrl(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    return BadUrl(text, "it starts with neither https:// nor http://");
  }
  const auto slash = rest.find_first_of("/?#");
  const std::string_view authority = rest.substr(0, slash);
  if (authority.find('@') != std::string_view::npos)
    return Error{ErrorKind::kInvalid, "", "", "the address contains a user name or password before an '@'",
                 "give user and password as settings of their own"};
  const bool blank = std::any_of(rest.begin(), rest.end(), [](unsigned char c) { return c <= ' ' || c == 127; });
  if (blank) return BadUrl(text, "it contains a blank or a control character");
  if (!SplitAuthority(authority, &url)) return BadUrl(text, "its host or port is missing or malformed");
  if (url.port.empty()) url.port = url.tls ? "443" : "80";
  if (slash != std::string_view::npos) url.target = rest.substr(slash, rest.find('#') - slash);
  if (url.target.empty() || url.target.front() != '/') url.target.insert(0, "/");
  return url;
}

std::string EncodePath(std::string_view path) {
  return Encode(path, true);
}
std::string EncodeQuery(std::string_view value) {
  return Encode(value, false);
}

}  // namespace vmferry
