// SPDX-License-Identifier: Apache-2.0
#include "plugins/filter_rule.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <sstream>

namespace vmferry {
namespace {

constexpr std::array<std::string_view, 3> kDirections{"in", "out", "inout"};
constexpr std::array<std::string_view, 5> kActions{"accept", "drop", "reject", "return", "continue"};
constexpr std::size_t kLongestRule = 500;

Error Wrong(std::string message) {
  return Error{ErrorKind::kInvalid, "", "", std::move(message),
               "write it like `in accept tcp 443 from 10.0.0.0/8` or `in drop all`"};
}

template <class List>
bool Has(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

std::optional<int> Number(std::string_view text, int most) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < 0 || number > most)
    return std::nullopt;
  return number;
}

// An address as its bytes: 4, 16, or none.
std::vector<unsigned char> Bytes(const std::string& address) {
  std::array<unsigned char, 16> bytes{};
  if (inet_pton(AF_INET, address.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.begin() + 4};
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) == 1) return {bytes.begin(), bytes.end()};
  return {};
}

// The length of a prefix written as a number or as a mask of `size` bytes.
std::optional<int> PrefixLength(const std::string& mask, std::size_t size) {
  const int bits = static_cast<int>(size) * 8;
  if (mask.empty()) return bits;
  if (const auto number = Number(mask, bits)) return number;
  const std::vector<unsigned char> bytes = Bytes(mask);
  if (bytes.size() != size) return std::nullopt;
  int length = 0;
  while (length < bits && (bytes[static_cast<std::size_t>(length / 8)] >> (7 - length % 8) & 1) != 0) ++length;
  for (int bit = length; bit < bits; ++bit)
    if ((bytes[static_cast<std::size_t>(bit / 8)] >> (7 - bit % 8) & 1) != 0) return std::nullopt;
  return length;
}

// "443", "8000-8100"; nullopt if it is none.
std::optional<std::string> Ports(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto first = Number(text.substr(0, dash), 65535);
  if (!first) return std::nullopt;
  if (dash == std::string_view::npos) return std::to_string(*first);
  const auto last = Number(text.substr(dash + 1), 65535);
  if (!last || *last < *first) return std::nullopt;
  return *first == *last ? std::to_string(*first) : std::to_string(*first) + "-" + std::to_string(*last);
}

Status ReadNetwork(const std::string& word, const std::string& text, std::string& network) {
  if (text.empty()) return Wrong("`" + word + "` names no network");
  if (!network.empty()) return Wrong("`" + word + "` is there twice");
  const std::size_t slash = text.find('/');
  Result<std::string> canonical =
      CanonicalNetwork(text.substr(0, slash), slash == std::string::npos ? "" : text.substr(slash + 1));
  if (!canonical) return canonical.error();
  network = *canonical;
  return Ok();
}

// What follows direction, action and protocol.
Status ReadRest(std::istream& words, FilterRule& rule) {
  for (std::string word; words >> word;) {
    std::string network;
    if (word == "from" || word == "to") {
      words >> network;
      const Status read = ReadNetwork(word, network, word == "from" ? rule.from : rule.to);
      if (!read) return read;
    } else if (word.find('=') != std::string::npos && !word.starts_with('=')) {
      rule.attributes.push_back(word);
    } else if (const auto ports = Ports(word); ports && rule.ports.empty()) {
      rule.ports = *ports;
    } else {
      return Wrong("`" + word + "` is not understood");
    }
  }
  return Ok();
}

bool IsVersion6(const std::string& network) {
  return network.find(':') != std::string::npos;
}

}  // namespace

Result<std::string> CanonicalNetwork(const std::string& address, const std::string& mask) {
  if (address.starts_with('$')) return mask.empty() ? address : address + "/" + mask;
  std::vector<unsigned char> bytes = Bytes(address);
  if (bytes.empty()) return Wrong("`" + address + "` is not an IP address");
  const auto length = PrefixLength(mask, bytes.size());
  if (!length) return Wrong("`" + mask + "` is not a prefix length or mask of " + address);
  if (*length == 0) return std::string();
  for (int bit = *length; bit < static_cast<int>(bytes.size()) * 8; ++bit)
    bytes[static_cast<std::size_t>(bit / 8)] &= static_cast<unsigned char>(~(0x80U >> (bit % 8)));
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
  return std::string(text.data()) + "/" + std::to_string(*length);
}

Result<FilterRule> ParseFilterRule(std::string_view text) {
  if (text.size() > kLongestRule) return Wrong("it is longer than " + std::to_string(kLongestRule) + " characters");
  std::istringstream words{std::string(text)};
  FilterRule rule;
  words >> rule.direction >> rule.action >> rule.protocol;
  if (!Has(kDirections, rule.direction)) return Wrong("it does not begin with in, out or inout");
  if (!Has(kActions, rule.action)) return Wrong("its second word is not accept, drop, reject, return or continue");
  if (rule.protocol.empty()) return Wrong("it names no protocol (all, tcp, udp, icmp, ...)");
  if (const Status rest = ReadRest(words, rule); !rest) return rest.error();
  const bool version6 = IsVersion6(rule.from) || IsVersion6(rule.to);
  if (version6 && rule.protocol.find("ipv6") == std::string::npos) rule.protocol += "-ipv6";
  return rule;
}

std::string FilterRuleText(const FilterRule& rule) {
  std::string text = rule.direction + " " + rule.action + " " + rule.protocol;
  if (!rule.ports.empty()) text += " " + rule.ports;
  if (!rule.from.empty()) text += " from " + rule.from;
  if (!rule.to.empty()) text += " to " + rule.to;
  std::vector<std::string> attributes = rule.attributes;
  std::sort(attributes.begin(), attributes.end());
  for (const std::string& attribute : attributes) text += " " + attribute;
  return text;
}

}  // namespace vmferry
