// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc2136/rfc2136.h"

#include <algorithm>
#include <utility>

#include "plugins/dns.h"
#include "plugins/printable.h"
#include "plugins/rfc2136/exchange.h"
#include "plugins/rfc2136/message.h"
#include "plugins/rfc2136/settings.h"
#include "plugins/text.h"

namespace vmferry {
namespace {

constexpr std::chrono::milliseconds kOthersPatience{3000};  // one silent server must not cost the whole call

bool IsWithin(const std::string& name, const std::string& zone) {
  return name == zone || name.ends_with("." + zone);
}

// What one server says of a record set.
struct View {
  RecordSet records;  // as it answers
  bool wildcard = false;
  bool name_exists = false;
  std::string alias;
  std::string zone;  // that says the records are not there
  RecordSet Own() const { return wildcard ? RecordSet{} : records; }
};

class Rfc2136 final : public CallTable {
 public:
  explicit Rfc2136(Rfc2136Settings settings) : settings_(std::move(settings)) {
    Serve<RecordQuery, RecordFacts>(dns::kDescribeRecords, [this](const auto& query, const auto& context) {
      return Describe(query, context);
    });
    Serve<SetRecordsRequest, Done>(dns::kSetRecords, [this](const auto& request, const auto& context) {
      return Set(request, context);
    });
    Serve<RecordSetName, Done>(dns::kCheckSetRecords, [this](const auto& record, const auto& context) {
      return CheckSet(record, context);
    });
  }
  std::string system() const override {
    std::vector<std::string> servers;
    for (const Url& server : settings_.servers) servers.push_back(server.Authority());
    return settings_.name + " (rfc2136 " + Joined(servers) + ")";
  }

 private:
  // What a call is about, and with what.
  struct Subject {
    std::string name, type, zone;
    TsigKey key;
    std::string object() const { return "record " + name + " " + type; }
  };

  Result<RecordFacts> Describe(const RecordQuery& query, const CallContext& context) const;
  Result<Done> Set(const SetRecordsRequest& request, const CallContext& context) const;
  Result<Done> CheckSet(const RecordSetName& record, const CallContext& context) const;

  Result<Subject> SubjectOf(const std::string& name, const std::string& type) const;
  Result<TsigKey> Key() const;
  Result<std::vector<std::string>> Normal(const Subject& subject, const std::vector<std::string>& values) const;
  Result<DnsAnswer> Ask(const Url& server, const Subject& subject, const DnsRequest& request, Access access,
                        const Deadline& whole) const;
  // What an answer says of the request: an update's (write) or a query's.
  Status Judge(const Url& server, const Subject& subject, const DnsAnswer& answer, Access access) const;
  Result<View> Look(const Url& server, const Subject& subject, const Deadline& whole) const;
  Result<View> LookAtPrimary(const Subject& subject, const Deadline& whole) const;
  Status Compare(const Subject& subject, const RecordSet& primary, const Deadline& whole, RecordFacts* facts) const;
  Status Update(const Subject& subject, const SetRecordsRequest& request, const Deadline& whole) const;

  Error Fail(ErrorKind kind, const std::string& object, std::string message, std::string advice) const {
    return Error{kind, system(), object, std::move(message), std::move(advice)};
  }
  Error Placed(Error error, const Subject& subject, const Url& server) const {
    error.system = system();
    error.object = subject.object() + ", server " + server.Authority();
    return error;
  }
  Error Unsigned(const Subject& subject, const Url& server, const DnsAnswer& answer, Access access) const;
  Error Refused(const Subject& subject, const Url& server, const DnsAnswer& answer, Access access) const;
  Error Changed(const Subject& subject, const RecordSet& there, const RecordSet& expected) const;

  const Rfc2136Settings settings_;
};

Result<TsigKey> Rfc2136::Key() const {
  Result<std::string> secret = settings_.secrets(settings_.key_secret);
  if (!secret) {
    Error error = secret.error();
    error.system = system();
    error.object = "key " + settings_.key_name;
    return error;
  }
  if (IsBase64(*secret)) return TsigKey{settings_.key_name, settings_.algorithm, *secret};
  return Fail(ErrorKind::kInvalid, "key " + settings_.key_name, "its secret is not base64",
              "take the value of `secret` as tsig-keygen or the server's configuration has it, without quotes");
}

Result<Rfc2136::Subject> Rfc2136::SubjectOf(const std::string& name, const std::string& type) const {
  const auto fail = [&](Error error) {
    error.system = system();
    error.object = "record " + Printable(name, 200) + " " + Printable(type, 20);
    return error;
  };
  const auto normal = NormalName(name);
  if (!normal) return fail(normal.error());
  const auto known = NormalType(type);
  if (!known) return fail(known.error());
  Subject subject{*normal, *known, "", {}};
  for (const std::string& zone : settings_.zones)
    if (IsWithin(*normal, zone) && zone.size() > subject.zone.size()) subject.zone = zone;
  if (subject.zone.empty())
    return Fail(ErrorKind::kInvalid, subject.object(),
                "it is in none of the zones of this entry: " + Joined(settings_.zones),
                "correct the name, or add its zone to `zones` in the site file");
  auto key = Key();
  if (!key) return key.error();
  subject.key = std::move(*key);
  return subject;
}

// Sorted, without repeats.
Result<std::vector<std::string>> Rfc2136::Normal(const Subject& subject, const std::vector<std::string>& values) const {
  std::vector<std::string> normal;
  for (const std::string& value : values) {
    auto one = NormalValue(subject.type, value);
    if (!one) return Fail(ErrorKind::kInvalid, subject.object(), one.error().message, one.error().advice);
    normal.push_back(std::move(*one));
  }
  std::sort(normal.begin(), normal.end());
  normal.erase(std::unique(normal.begin(), normal.end()), normal.end());
  return normal;
}

Error Rfc2136::Unsigned(const Subject& subject, const Url& server, const DnsAnswer& answer, Access access) const {
  const bool write = access == Access::kWrite;
  return Placed({write ? ErrorKind::kUnknownOutcome : ErrorKind::kDenied, "", "",
                 "the answer (" + answer.rcode + ") is not signed with key " + settings_.key_name,
                 "give the server the key " + settings_.key_name + " with algorithm " + settings_.algorithm},
                subject, server);
}

// A server's refusal, in its own word.
Error Rfc2136::Refused(const Subject& subject, const Url& server, const DnsAnswer& answer, Access access) const {
  const bool write = access == Access::kWrite;
  const std::string& rcode = answer.rcode;
  Error error{ErrorKind::kInvalid, "", "", "the server answered " + rcode, ""};
  if (!answer.tsig_error.empty()) {
    error.kind = ErrorKind::kDenied;
    error.message += " (" + answer.tsig_error + "): it does not accept key " + settings_.key_name;
    error.advice = answer.tsig_error == "BADTIME" ? "set this machine's and the server's clocks"
                                                  : "check `keyName`, `keyAlgorithm` and `keySecret` in the site file";
  } else if (rcode == "REFUSED") {
    error.kind = ErrorKind::kDenied;
    error.advice = write ? "let key " + settings_.key_name + " update this record (BIND: allow-update or update-policy)"
                         : "let key " + settings_.key_name + " ask (BIND: allow-query), and check `zones`";
  } else if (rcode == "NOTAUTH" || rcode == "NOTZONE") {
    error.message += ": it does not serve zone " + subject.zone;
    error.advice = "check `zones` and `servers` in the site file; the first server must be the zone's primary";
  } else if (rcode == "SERVFAIL") {
    error.kind = write ? ErrorKind::kUnknownOutcome : ErrorKind::kUnavailable;
    error.advice = "see the server's log";
  } else if (write && (rcode == "NXRRSET" || rcode == "YXRRSET" || rcode == "NXDOMAIN" || rcode == "YXDOMAIN")) {
    error.kind = ErrorKind::kConflict;
    error.message += ": the records were changed since they were read";
    error.advice = "find out who else changes them";
  }
  return Placed(std::move(error), subject, server);
}

Error Rfc2136::Changed(const Subject& subject, const RecordSet& there, const RecordSet& expected) const {
  return Fail(ErrorKind::kConflict, subject.object(),
              "it was changed since it was read: it has " + InWords(there) + ", not " + InWords(expected),
              "find out who else changes it");
}

Result<DnsAnswer> Rfc2136::Ask(const Url& server, const Subject& subject, const DnsRequest& request, Access access,
                               const Deadline& whole) const {
  const auto bytes = Exchange(server, request.wire, access, whole);
  if (!bytes) return Placed(bytes.error(), subject, server);
  auto answer = ReadAnswer(request, *bytes, subject.key);
  if (!answer) {
    Error error = answer.error();
    if (access == Access::kWrite) error.kind = ErrorKind::kUnknownOutcome;
    return Placed(std::move(error), subject, server);
  }
  const Status good = Judge(server, subject, *answer, access);
  if (!good) return good.error();
  return answer;
}

Status Rfc2136::Judge(const Url& server, const Subject& subject, const DnsAnswer& answer, Access access) const {
  const std::string& rcode = answer.rcode;
  // What a server says when it does not know the key, or the kind of message, it cannot sign (RFC 8945 section 5.3).
  const bool flat_no = rcode == "NOTAUTH" || rcode == "REFUSED" || rcode == "FORMERR" || rcode == "NOTIMPL";
  if (!answer.verified && !flat_no) return Unsigned(subject, server, answer, access);
  const bool told = rcode == "NOERROR" || (access == Access::kRead && rcode == "NXDOMAIN");
  if (!told) return Refused(subject, server, answer, access);
  return Ok();
}

Result<View> Rfc2136::Look(const Url& server, const Subject& subject, const Deadline& whole) const {
  const auto query = MakeQuery(subject.name, subject.type, subject.key);
  if (!query) return Placed(query.error(), subject, server);
  const auto answer = Ask(server, subject, *query, Access::kRead, whole);
  if (!answer) return answer.error();
  if (!answer->authoritative || answer->truncated)
    return Placed({ErrorKind::kInvalid, "", "",
                   answer->truncated ? "the answer is cut short" : "the answer is not authoritative",
                   "list only servers that serve zone " + subject.zone + " themselves, not resolvers"},
                  subject, server);
  View view;
  view.name_exists = answer->rcode == "NOERROR";
  for (const DnsRecord& record : answer->records) {
    if (record.owner != subject.name) continue;
    if (record.type == "CNAME" && subject.type != "CNAME") view.alias = record.value;
    if (record.type != subject.type) continue;
    view.records.values.push_back(record.value);
    view.records.ttl = record.ttl;
  }
  std::sort(view.records.values.begin(), view.records.values.end());
  view.name_exists |= !view.alias.empty();  // what it leads to may be missing
  if (view.alias.empty()) view.zone = answer->zone;
  return view;
}

// Also tells the name's own records from those of a wildcard, and that the zone is right. Below an asterisk below the
// name there is nothing, and if the name is there itself, no wildcard reaches so far: only the one that answers for the
// name answers for that as well (RFC 4592 section 2.2.1, where the closest encloser is defined).
Result<View> Rfc2136::LookAtPrimary(const Subject& subject, const Deadline& whole) const {
  const Url& primary = settings_.servers.front();
  auto view = Look(primary, subject, whole);
  if (!view) return view;
  Subject below = subject;
  below.name = "vmferry.*." + subject.name;
  if (!view->records.values.empty() && NormalName(below.name)) {
    const auto seen = Look(primary, below, whole);
    if (!seen) return seen.error();
    view->wildcard = seen->records.values == view->records.values;
    view->zone = seen->zone;
  }
  if (view->zone.empty() || view->zone == subject.zone) return view;
  return Placed({ErrorKind::kInvalid, "", "", "it is in zone " + view->zone + " there, not in " + subject.zone,
                 "list " + view->zone + " under `zones` in the site file"},
                subject, primary);
}

Result<RecordFacts> Rfc2136::Describe(const RecordQuery& query, const CallContext& context) const {
  const Deadline whole(context.timeout, context.stop);
  const auto subject = SubjectOf(query.name, query.type);
  if (!subject) return subject.error();
  const auto wanted = Normal(*subject, query.wanted);
  if (!wanted) return wanted.error();
  RecordFacts facts;
  facts.name = subject->name;
  facts.type = subject->type;
  facts.zone = subject->zone;
  facts.wanted = *wanted;
  const auto view = LookAtPrimary(*subject, whole);
  if (!view) return view.error();
  facts.records = view->Own();
  if (view->wildcard) facts.wildcard = InWords(view->records);
  facts.name_exists = view->name_exists && !view->wildcard;
  facts.alias = view->alias;
  facts.longest_ttl = view->records.ttl;
  facts.servers = {settings_.servers.front().Authority()};
  if (query.primary_only) return facts;
  const Status compared = Compare(*subject, view->records, whole, &facts);
  if (!compared) return compared.error();
  return facts;
}

// What the other servers say. One that cannot be asked keeps nobody from changing the records at the primary, and it
// may be down for long: that is a fact.
Status Rfc2136::Compare(const Subject& subject, const RecordSet& primary, const Deadline& whole,
                        RecordFacts* facts) const {
  for (std::size_t i = 1; i < settings_.servers.size(); ++i) {
    const Url& server = settings_.servers[i];
    const Deadline patience(std::min(whole.Left(), kOthersPatience), whole.stop());
    const auto view = Look(server, subject, patience);
    if (!view && whole.stopped()) return view.error();
    if (view) facts->longest_ttl = std::max(facts->longest_ttl, view->records.ttl);
    if (!view)
      facts->silent.push_back(server.Authority() + " cannot be asked: " + view.error().message);
    else if (view->records != primary)
      facts->differences.push_back(server.Authority() + " has " + InWords(view->records));
    facts->servers.push_back(server.Authority());
  }
  return Ok();
}

Status Rfc2136::Update(const Subject& subject, const SetRecordsRequest& request, const Deadline& whole) const {
  const Url& primary = settings_.servers.front();
  const auto message = MakeUpdate(subject.zone, request, subject.key);
  if (!message) return Placed(message.error(), subject, primary);
  const auto answer = Ask(primary, subject, *message, Access::kWrite, whole);
  if (!answer) return answer.error();
  return Ok();
}

Result<Done> Rfc2136::Set(const SetRecordsRequest& request, const CallContext& context) const {
  const Deadline whole(context.timeout, context.stop);
  const auto subject = SubjectOf(request.name, request.type);
  if (!subject) return subject.error();
  const auto expected = Normal(*subject, request.expected.values);
  if (!expected) return expected.error();
  const auto wanted = Normal(*subject, request.wanted.values);
  if (!wanted) return wanted.error();
  constexpr std::int64_t kMaxTtl = 0x7FFFFFFF;  // RFC 2181 section 8
  if (request.wanted.ttl < 0 || request.wanted.ttl > kMaxTtl)
    return Fail(ErrorKind::kInvalid, subject->object(), "a TTL of " + std::to_string(request.wanted.ttl) + " s", "");
  const SetRecordsRequest normal{subject->name,
                                 subject->type,
                                 {*expected, expected->empty() ? 0 : request.expected.ttl},
                                 {*wanted, wanted->empty() ? 0 : request.wanted.ttl}};
  const auto before = LookAtPrimary(*subject, whole);
  if (!before) return before.error();
  if (before->Own() == normal.wanted) return Done{};
  if (before->Own() != normal.expected) return Changed(*subject, before->Own(), normal.expected);
  const Status updated = Update(*subject, normal, whole);
  if (!updated) return updated.error();
  const auto after = LookAtPrimary(*subject, whole);
  if (!after) {
    Error error = after.error();
    error.kind = ErrorKind::kUnknownOutcome;
    error.message = "the change was accepted, but cannot be read back: " + error.message;
    return error;
  }
  if (after->Own() == normal.wanted) return Done{};
  return Fail(ErrorKind::kConflict, subject->object(),
              "the server accepted the change, but now has " + InWords(after->Own()) + " instead of " +
                  InWords(normal.wanted),
              "see the server's log; a CNAME record cannot stand beside others");
}

// Read, since nothing can come of it: not even an answer that is lost leaves a doubt.
Result<Done> Rfc2136::CheckSet(const RecordSetName& record, const CallContext& context) const {
  const Deadline whole(context.timeout, context.stop);
  const Url& primary = settings_.servers.front();
  const auto subject = SubjectOf(record.name, record.type);
  if (!subject) return subject.error();
  const auto there = LookAtPrimary(*subject, whole);
  if (!there) return there.error();
  const auto message = MakeIdleUpdate(subject->zone, subject->name, subject->type, there->Own(), subject->key);
  if (!message) return Placed(message.error(), *subject, primary);
  const auto bytes = Exchange(primary, message->wire, Access::kRead, whole);
  if (!bytes) return Placed(bytes.error(), *subject, primary);
  const auto answer = ReadAnswer(*message, *bytes, subject->key);
  if (!answer) return Placed(answer.error(), *subject, primary);
  if (!answer->verified && answer->rcode == "NOERROR") return Unsigned(*subject, primary, *answer, Access::kRead);
  const Status judged = Judge(primary, *subject, *answer, Access::kWrite);
  if (judged) return Done{};
  Error error = judged.error();
  // Nothing was changed that would have to be looked at; and what was changed by others in between is read anew.
  if (error.kind == ErrorKind::kUnknownOutcome || error.kind == ErrorKind::kConflict)
    error.kind = ErrorKind::kUnavailable;
  return error;
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  auto settings = ReadRfc2136Settings(setup);
  if (settings) return std::shared_ptr<Plugin>(std::make_shared<Rfc2136>(std::move(*settings)));
  Error error = settings.error();
  error.system = setup.name + " (rfc2136)";
  return error;
}

}  // namespace

PluginKind Rfc2136Kind() {
  PluginKind kind;
  kind.name = "rfc2136";
  kind.purpose = "DNS records at servers that take signed dynamic updates: BIND, Knot, PowerDNS";
  kind.roles = {"dns"};
  kind.settings = {
      {"servers", "list", true,
       "HOST or HOST:PORT of servers authoritative for the zones, by TCP; the first, the primary, takes the updates; a "
       "change counts once all of them show it"},
      {"zones", "list", true, "the zones whose records may be read and changed"},
      {"keyName", "text", true, "name of the TSIG key, as the servers know it"},
      {"keySecret", "secret", true, "the key's secret, in base64"},
      {"keyAlgorithm", "text", false, "hmac-sha256 (standard), hmac-sha512 or hmac-sha1"},
  };
  kind.make = Make;
  return kind;
}

}  // namespace vmferry
