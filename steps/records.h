// SPDX-License-Identifier: Apache-2.0
//
// DNS record sets as steps name, journal and change them. Threading: as StepContext. Every Error comes from the plugin
// as it is, or is complete.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/dns.h"
#include "steps/contradictions.h"
#include "steps/pending.h"
#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kDnsTtlLowered = "dns_ttl_lowered";
inline constexpr std::string_view kUpdateDns = "update_dns";

// TTLs that no record can have: they count whole seconds (RFC 2181 section 8).
std::vector<Contradiction> TtlContradictions(const Json& parameters);

struct RecordName {
  std::string name;  // "shop.example.com"
  std::string type;  // "A"
  std::string Text() const { return name + " " + type; }
};
// The parameter `records`: items NAME (type A) or NAME/TYPE.
std::vector<RecordName> RecordsOf(const StepContext& context);

// By the service that the parameter `dns` names. `wanted`: as in RecordQuery.
Result<RecordFacts> ReadRecords(const StepContext& context, const RecordName& record,
                                const std::vector<std::string>& wanted = {});
// Of the primary alone.
Result<RecordFacts> ReadPrimary(const StepContext& context, const RecordName& record,
                                const std::vector<std::string>& wanted = {});
// Why there are no records, in words.
std::string WhyNone(const RecordFacts& facts);
// What keeps the servers from being of one mind: those that differ, and those that cannot be asked.
std::vector<std::string> Disagreements(const RecordFacts& facts);
Status SetRecords(const StepContext& context, const RecordName& record, const RecordSet& expected,
                  const RecordSet& wanted);

// The record set is there (unless `may_be_missing`), is no alias, and the primary would let us change it.
void ProveRecords(const StepContext& context, const RecordName& record, bool may_be_missing, UndoProof& proof);
// An Error about a record set.
Error RecordError(const StepContext& context, const RecordName& record, ErrorKind kind, std::string message,
                  std::string advice);
// kInvalid if the name is an alias, so that it has no records of its own.
Status RequireNoAlias(const StepContext& context, const RecordName& record, const RecordFacts& facts);
// kConflict if the servers do not agree, so that nobody knows what clients get; kUnavailable if one cannot be asked.
Status RequireAgreement(const StepContext& context, const RecordName& record, const RecordFacts& facts);

// One record set in a before-image or in facts.
struct RecordImage {
  RecordName record;
  RecordSet set;
  std::int64_t longest_ttl = 0;  // of all servers, if the image has it (member "longestTtl"); else that of `set`
};
Json ImageOf(const RecordName& record, const RecordSet& set);  // {"name", "type", "values", "ttl"}
// The list `records` of a before-image; empty if there is none.
std::vector<RecordImage> ImagesOf(const Json& before);

}  // namespace vmferry
