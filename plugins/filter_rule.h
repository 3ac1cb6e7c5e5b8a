// SPDX-License-Identifier: Apache-2.0
//
// FilterRule: one rule of a network filter, in the words in which people declare it and in which a platform's rule is
// told, so that the two can be compared as text:
//
//   DIRECTION ACTION PROTOCOL [PORT | FIRST-LAST] [from NETWORK] [to NETWORK] [NAME=VALUE ...]
//   in accept tcp 443 from 10.0.0.0/8          out accept udp 53 to 10.0.0.2          in drop all
//
// Directions (in, out, inout), actions, protocols and attribute names are libvirt's
// (https://libvirt.org/formatnwfilter.html#rules); "in" is toward the guest, the ports are the destination's.
// NAME=VALUE is an attribute that the short words do not have. Two texts of the same rule become the same text:
// networks lose the bits behind their prefix, masks become prefixes, "anywhere" is left out, attributes are sorted.
// Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "state/result.h"

namespace vmferry {

struct FilterRule {
  std::string direction;
  std::string action;
  std::string protocol;  // "tcp", "tcp-ipv6", "all", "arp", ...; "any": the rule names none
  std::string ports;     // "443", "8000-8100"; empty: any
  std::string from;      // as CanonicalNetwork makes it; empty: anywhere
  std::string to;
  std::vector<std::string> attributes;  // "state=NEW"
};

// kInvalid, with the part that is wrong; only message and advice are filled in.
Result<FilterRule> ParseFilterRule(std::string_view text);
std::string FilterRuleText(const FilterRule& rule);

// "10.0.0.0/8" of ("10.1.2.3", "8") or ("10.1.2.3", "255.0.0.0"); a host gets its full prefix; all addresses: "".
// A variable of the filter ("$IP") stays as it is. kInvalid for anything else.
Result<std::string> CanonicalNetwork(const std::string& address, const std::string& mask);

}  // namespace vmferry
