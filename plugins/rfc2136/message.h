// SPDX-License-Identifier: Apache-2.0
//
// DNS messages, by ldns: queries and updates signed with a TSIG key, and what came back. Private to this folder; only
// message.cc includes ldns. Values; any thread.
// Source: RFC 1035 (messages, presentation form), RFC 2136 (UPDATE), RFC 8945 (TSIG).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/dns.h"
#include "state/result.h"

struct ldns_struct_pkt;

namespace vmferry {

// A key that the servers know by the same name.
struct TsigKey {
  std::string name;       // "vmferry.example.com", in lower case
  std::string algorithm;  // "hmac-sha256"
  std::string secret;     // base64; never in any text
};
const std::vector<std::string>& TsigAlgorithms();
bool IsBase64(const std::string& secret);

// In lower case and without a final dot; kInvalid for what is no domain name.
Result<std::string> NormalName(const std::string& name);
// In capitals; kInvalid for types whose records are not an application's.
Result<std::string> NormalType(const std::string& type);
// As a server would show it; kInvalid for what the type does not allow.
Result<std::string> NormalValue(const std::string& type, const std::string& value);

// A signed message. Names, types and values are normal.
struct DnsRequest {
  std::vector<std::uint8_t> wire;
  std::shared_ptr<ldns_struct_pkt> packet;  // for its id, its question and its signature
};
Result<DnsRequest> MakeQuery(const std::string& name, const std::string& type, const TsigKey& key);
// One transaction: if the record set has exactly the values of `expected`, it becomes `wanted`.
Result<DnsRequest> MakeUpdate(const std::string& zone, const SetRecordsRequest& set, const TsigKey& key);
// An update without effect: if the record set has exactly the values of `there`, a value that is not among them is
// removed. A server looks for permission all the same, for these records even where it has rules for each (BIND:
// update-policy). Source: RFC 2136 sections 2.4, 2.5.4 and 3.4.2.4: what is not there cannot be deleted.
Result<DnsRequest> MakeIdleUpdate(const std::string& zone, const std::string& name, const std::string& type,
                                  const RecordSet& there, const TsigKey& key);

struct DnsRecord {
  std::string owner;
  std::string type;
  std::int64_t ttl = 0;
  std::string value;
};
struct DnsAnswer {
  std::string rcode;       // "NOERROR", "NXDOMAIN", "REFUSED", ...
  std::string tsig_error;  // "BADSIG", "BADKEY", "BADTIME", ...; empty: none
  bool verified = false;   // signed with the key, and unchanged
  bool authoritative = false;
  bool truncated = false;
  std::string zone;                // whose SOA record a "no" carries (RFC 2308 section 3); else empty
  std::vector<DnsRecord> records;  // of the answer section
};
// kCorrupt for what is no answer to this request.
Result<DnsAnswer> ReadAnswer(const DnsRequest& request, const std::vector<std::uint8_t>& wire, const TsigKey& key);

}  // namespace vmferry
