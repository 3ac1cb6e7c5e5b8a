// SPDX-License-Identifier: Apache-2.0
#include "steps/records.h"

#include <utility>

#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {

std::vector<Contradiction> TtlContradictions(const Json& parameters) {
  constexpr std::int64_t kLongest = 0x7FFFFFFF;
  std::vector<Contradiction> found;
  for (const char* name : {"maxTtl", "ttl"}) {
    const std::int64_t ms = IntegerOf(parameters, name, 0);
    if (ms % 1000 == 0 && ms / 1000 <= kLongest) continue;
    found.push_back({"`" + std::string(name) + "` is " + DurationInWords(std::chrono::milliseconds(ms)) +
                         ", but a TTL is a number of whole seconds, at most " + std::to_string(kLongest),
                     "write it in whole seconds, like 60s"});
  }
  return found;
}

std::vector<RecordName> RecordsOf(const StepContext& context) {
  std::vector<RecordName> records;
  for (const Json& item : Member(context.parameters, "records")) {
    const std::string text = item.get<std::string>();
    const std::size_t slash = text.find('/');
    records.push_back({text.substr(0, slash), slash == std::string::npos ? "A" : text.substr(slash + 1)});
  }
  return records;
}

namespace {

Result<RecordFacts> Ask(const StepContext& context, const RecordQuery& query) {
  const Result<Plugin*> servers = ServiceOf(context, "dns");
  if (!servers) return servers.error();
  return Invoke(**servers, dns::kDescribeRecords, query, context.call);
}

}  // namespace

Result<RecordFacts> ReadRecords(const StepContext& context, const RecordName& record,
                                const std::vector<std::string>& wanted) {
  return Ask(context, {record.name, record.type, wanted, false});
}

Result<RecordFacts> ReadPrimary(const StepContext& context, const RecordName& record,
                                const std::vector<std::string>& wanted) {
  return Ask(context, {record.name, record.type, wanted, true});
}

std::string WhyNone(const RecordFacts& facts) {
  if (!facts.wildcard.empty())
    return "the name has no records of its own: a wildcard of zone " + facts.zone + " answers for it with " +
           facts.wildcard;
  return facts.name_exists ? "the name has no records of this type" : "there is no such name";
}

std::vector<std::string> Disagreements(const RecordFacts& facts) {
  std::vector<std::string> all = facts.differences;
  all.insert(all.end(), facts.silent.begin(), facts.silent.end());
  return all;
}

Status SetRecords(const StepContext& context, const RecordName& record, const RecordSet& expected,
                  const RecordSet& wanted) {
  const Result<Plugin*> servers = ServiceOf(context, "dns");
  if (!servers) return servers.error();
  const SetRecordsRequest request{record.name, record.type, expected, wanted};
  const auto reply = Invoke(**servers, dns::kSetRecords, request, context.call);
  if (!reply) return reply.error();
  return Ok();
}

void ProveRecords(const StepContext& context, const RecordName& record, bool may_be_missing, UndoProof& proof) {
  const auto facts = ReadPrimary(context, record);
  if (!facts) return Note(proof, facts.error());
  if (const Status own = RequireNoAlias(context, record, *facts); !own) return Note(proof, own);
  if (facts->records.values.empty() && !may_be_missing)
    return Note(proof, RecordError(context, record, ErrorKind::kNotFound, WhyNone(*facts),
                                   "correct `records` in the runbook or the site file"));
  const Result<Plugin*> servers = ServiceOf(context, "dns");
  if (!servers) return Note(proof, servers.error());
  const auto settable =
      Invoke(**servers, dns::kCheckSetRecords, RecordSetName{record.name, record.type}, context.call);
  if (!settable) return Note(proof, settable.error());
  Prove(proof, record.Text() + " has " + InWords(facts->records) + ", and the key may change it");
}

Error RecordError(const StepContext& context, const RecordName& record, ErrorKind kind, std::string message,
                  std::string advice) {
  const Result<Plugin*> servers = ServiceOf(context, "dns");
  return Error{kind, servers ? (*servers)->system() : TextOf(context.parameters, "dns"), "record " + record.Text(),
               std::move(message), std::move(advice)};
}

Status RequireNoAlias(const StepContext& context, const RecordName& record, const RecordFacts& facts) {
  if (facts.alias.empty()) return Ok();
  return RecordError(context, record, ErrorKind::kInvalid, "the name is an alias (CNAME) of " + facts.alias,
                     "list " + record.name + "/CNAME, or the name it leads to");
}

Status RequireAgreement(const StepContext& context, const RecordName& record, const RecordFacts& facts) {
  if (!facts.silent.empty())
    return RecordError(context, record, ErrorKind::kUnavailable,
                       "not all name servers can be asked: " + ListInWords(Disagreements(facts)),
                       "see that they are up, or take what is gone for good off `servers` in the site file");
  if (facts.differences.empty()) return Ok();
  return RecordError(context, record, ErrorKind::kConflict,
                     "the name servers differ: " + ListInWords(facts.differences) + ", the primary " +
                         InWords(facts.records),
                     "see why the other servers do not follow the primary");
}

Json ImageOf(const RecordName& record, const RecordSet& set) {
  return {{"name", record.name}, {"type", record.type}, {"values", set.values}, {"ttl", set.ttl}};
}

std::vector<RecordImage> ImagesOf(const Json& before) {
  std::vector<RecordImage> images;
  for (const Json& entry : Member(before, "records")) {
    const auto set = entry.get<RecordSet>();
    images.push_back({{TextOf(entry, "name"), TextOf(entry, "type")}, set, IntegerOf(entry, "longestTtl", set.ttl)});
  }
  return images;
}

}  // namespace vmferry
