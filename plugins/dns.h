// SPDX-License-Identifier: Apache-2.0
//
// Role "dns": the record sets by which clients find an application, read and changed at the zone's own servers
// (authoritative answers, never a resolver's cache). A record set is all records of one name and type (RFC 2181
// section 5): they have one TTL and are changed together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/call.h"
#include "plugins/source_platform.h"

namespace vmferry {

// The content of a record set. Values are in presentation form (RFC 1035 section 5), sorted, names and addresses in
// lower case, names with their final dot: "10.0.0.1", "web.example.com.".
struct RecordSet {
  std::vector<std::string> values;  // empty: there are no such records
  std::int64_t ttl = 0;             // seconds; 0 without records
  bool operator==(const RecordSet&) const = default;
};
// "10.0.0.1, 10.0.0.2 (TTL 300 s)"; "no records"
std::string InWords(const RecordSet& records);

struct RecordQuery {
  std::string name;                 // "shop.example.com"; case and a final dot do not matter
  std::string type;                 // "A", "AAAA", "CNAME", ...
  std::vector<std::string> wanted;  // values that the caller means to set: come back in `wanted` of the facts
  bool primary_only = false;        // the other servers are not asked
};
struct RecordFacts {
  std::string name;  // in lower case, without a final dot
  std::string type;
  std::string zone;
  RecordSet records;         // the name's own, at the primary, the server that takes changes
  std::string wildcard;      // what a wildcard of the zone answers for a name without own records (RFC 4592), in words
  bool name_exists = false;  // false: NXDOMAIN; true without records: the name has others only
  std::string alias;         // what the name is an alias of (CNAME), if another type was asked for
  std::int64_t longest_ttl = 0;          // that any of the servers tells; caches may have any of them
  std::vector<std::string> servers;      // all that were asked, the primary first
  std::vector<std::string> differences;  // "10.0.0.3:53 has 10.0.0.1 (TTL 300 s)"; empty: all answer as the primary
  std::vector<std::string> silent;       // others than the primary: "10.0.0.3:53 cannot be asked: cannot reach ..."
  std::vector<std::string> wanted;       // of the query, as it would be read
};
// What kCheckSetRecords asks about.
struct RecordSetName {
  std::string name;
  std::string type;
};
struct SetRecordsRequest {
  std::string name;
  std::string type;
  RecordSet expected;  // as it was read; anything else there is a conflict, and is not overwritten
  RecordSet wanted;    // without values: the records are removed
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RecordSet, values, ttl)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RecordQuery, name, type, wanted, primary_only)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RecordFacts, name, type, zone, records, wildcard, name_exists, alias,
                                                longest_ttl, servers, differences, silent, wanted)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RecordSetName, name, type)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(SetRecordsRequest, name, type, expected, wanted)

namespace dns {
// A name or type that does not exist is a reply, and so is what keeps another server than the primary from telling.
// kInvalid: a name outside the zones of the entry, a type or a wanted value that cannot be; kDenied: the primary
// refuses to answer, or the answer is not signed with the key.
inline constexpr Call<RecordQuery, RecordFacts> kDescribeRecords{{"dns", "DescribeRecords", Access::kRead}};
// The record set is `wanted` at the primary when this returns; other servers follow by themselves (kDescribeRecords
// tells). One that is `wanted` already is left alone. kConflict names what is there instead of `expected`. That the
// values are still the expected ones is checked by the server in the same transaction as the change; the TTL, which no
// server checks, right before it.
inline constexpr Call<SetRecordsRequest, Done> kSetRecords{{"dns", "SetRecords", Access::kWrite}};
// Would the primary let the record set be changed now? Changes nothing: what is sent cannot have an effect, whatever
// the server does with it. kDenied: it does not take the key, or does not let it change these records; kUnavailable also
// when somebody changes them at this very moment.
inline constexpr Call<RecordSetName, Done> kCheckSetRecords{{"dns", "CheckSetRecords", Access::kRead}};
}  // namespace dns

}  // namespace vmferry
