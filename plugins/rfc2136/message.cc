// SPDX-License-Identifier: Apache-2.0
#include "plugins/rfc2136/message.h"

#include <ldns/ldns.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <string_view>
#include <utility>

#include "plugins/printable.h"

namespace vmferry {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Rdf = std::unique_ptr<ldns_rdf, Freed<ldns_rdf_deep_free>>;
using Rr = std::unique_ptr<ldns_rr, Freed<ldns_rr_free>>;
using RrList = std::unique_ptr<ldns_rr_list, Freed<ldns_rr_list_deep_free>>;
using Packet = std::unique_ptr<ldns_pkt, Freed<ldns_pkt_free>>;

constexpr std::size_t kMaxName = 253;
constexpr std::size_t kMaxValue = 2000;
constexpr std::uint16_t kFudgeSeconds = 300;  // RFC 8945 section 10
constexpr std::uint16_t kBadSig = 16;
// Algorithm, time, fudge, MAC, original id, error, other data (RFC 8945 section 4.2).
enum TsigField : std::size_t { kTsigAlgorithm = 0, kTsigMac = 3, kTsigError = 5, kTsigFields = 7 };

std::string Owned(char* text) {
  std::string copy = text == nullptr ? "" : text;
  std::free(text);
  return copy;
}

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

Error Invalid(const std::string& message, const std::string& advice = "") {
  return Error{ErrorKind::kInvalid, "", "", message, advice};
}

bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c < 0x7F; });
}

ldns_rr_type TypeNumber(const std::string& type) {
  return ldns_get_rr_type_by_name(type.c_str());
}

Rdf NameRdf(const std::string& name) {
  return Rdf(ldns_dname_new_frm_str((name + ".").c_str()));
}

std::string NameText(const ldns_rdf* name) {
  std::string text = Lower(Owned(ldns_rdf2str(name)));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::string ValueText(const ldns_rr* rr) {
  std::string text;
  for (std::size_t i = 0; i < ldns_rr_rd_count(rr); ++i) {
    const ldns_rdf* rdf = ldns_rr_rdf(rr, i);
    const bool name = ldns_rdf_get_type(rdf) == LDNS_RDF_TYPE_DNAME;
    const std::string part = Owned(ldns_rdf2str(rdf));
    text += (i == 0 ? "" : " ") + (name ? Lower(part) : part);
  }
  return Printable(text, kMaxValue);
}

// A record without data, as prerequisites and deletions are written.
ldns_rr* BareRecord(const SetRecordsRequest& set, ldns_rr_class rr_class) {
  ldns_rr* rr = ldns_rr_new();
  ldns_rr_set_owner(rr, NameRdf(set.name).release());
  ldns_rr_set_type(rr, TypeNumber(set.type));
  ldns_rr_set_class(rr, rr_class);
  ldns_rr_set_ttl(rr, 0);
  return rr;
}

// Null if it cannot be.
Rr ParseRecord(const std::string& name, const std::string& type, std::int64_t ttl, const std::string& value) {
  if (value.empty() || value.size() > kMaxValue || !IsPlain(value)) return nullptr;
  ldns_rr* rr = nullptr;
  const std::string line = name + ". " + std::to_string(ttl) + " IN " + type + " " + value;
  const bool good = ldns_rr_new_frm_str(&rr, line.c_str(), 0, nullptr, nullptr) == LDNS_STATUS_OK;
  Rr record(good ? rr : nullptr);
  if (record != nullptr && ldns_rr_get_type(record.get()) != TypeNumber(type)) return nullptr;
  return record;
}

Status PushRecords(ldns_rr_list* list, const SetRecordsRequest& set, const RecordSet& records, bool prerequisite) {
  for (const std::string& value : records.values) {
    Rr record = ParseRecord(set.name, set.type, prerequisite ? 0 : records.ttl, value);
    if (record == nullptr) return Invalid("\"" + Printable(value, 100) + "\" cannot be the value of " + set.type);
    ldns_rr_list_push_rr(list, record.release());
  }
  return Ok();
}

Result<DnsRequest> Signed(Packet packet, const TsigKey& key) {
  ldns_pkt_set_rd(packet.get(), false);
  ldns_pkt_set_random_id(packet.get());
  const ldns_status signed_well = ldns_pkt_tsig_sign(packet.get(), (key.name + ".").c_str(), key.secret.c_str(),
                                                     kFudgeSeconds, (key.algorithm + ".").c_str(), nullptr);
  std::uint8_t* wire = nullptr;
  std::size_t size = 0;
  const ldns_status written =
      signed_well == LDNS_STATUS_OK ? ldns_pkt2wire(&wire, packet.get(), &size) : signed_well;
  if (written != LDNS_STATUS_OK)
    return Error{ErrorKind::kInvalid, "", "", std::string("the message cannot be made: ") +
                 ldns_get_errorstr_by_id(written), "check the key's algorithm and secret"};
  DnsRequest request;
  request.wire.assign(wire, wire + size);
  std::free(wire);
  request.packet = std::shared_ptr<ldns_pkt>(std::move(packet));
  return request;
}

// The record set has exactly the values of `set.expected`.
Status Expect(ldns_rr_list* prerequisites, const SetRecordsRequest& set) {
  if (set.expected.values.empty()) ldns_rr_list_push_rr(prerequisites, BareRecord(set, LDNS_RR_CLASS_NONE));
  return PushRecords(prerequisites, set, set.expected, true);
}

Result<DnsRequest> SignedUpdate(const std::string& zone, ldns_rr_list* prerequisites, ldns_rr_list* updates,
                                const TsigKey& key) {
  Packet packet(ldns_update_pkt_new(NameRdf(zone).release(), LDNS_RR_CLASS_IN, prerequisites, updates, nullptr));
  if (packet == nullptr) return Invalid("zone " + zone + " cannot be updated");
  return Signed(std::move(packet), key);
}

// What nobody has as a value: addresses that are none (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.2) and names
// below .invalid (RFC 2606).
std::string NeverAValue(const std::string& type) {
  static const std::map<std::string, std::string> values{{"A", "0.0.0.0"},
                                                         {"AAAA", "::"},
                                                         {"CNAME", "vmferry.invalid."},
                                                         {"MX", "0 vmferry.invalid."},
                                                         {"PTR", "vmferry.invalid."},
                                                         {"SRV", "0 0 0 vmferry.invalid."},
                                                         {"TXT", "\"vmferry.invalid\""}};
  const auto value = values.find(type);
  return value == values.end() ? "" : value->second;
}

const ldns_rdf* TsigPart(const ldns_pkt* packet, TsigField field) {
  const ldns_rr* tsig = ldns_pkt_tsig(packet);
  return tsig == nullptr || ldns_rr_rd_count(tsig) < kTsigFields ? nullptr : ldns_rr_rdf(tsig, field);
}

// The answer's MAC covers the request's, so an answer to another request, or an old one, does not verify; ldns takes
// algorithm and key from the answer, so those are looked at here.
bool Verifies(const DnsRequest& request, ldns_pkt* packet, const std::vector<std::uint8_t>& wire, const TsigKey& key) {
  const ldns_rdf* algorithm = TsigPart(packet, kTsigAlgorithm);
  const ldns_rdf* asked = TsigPart(request.packet.get(), kTsigMac);
  if (algorithm == nullptr || asked == nullptr) return false;
  if (NameText(algorithm) != key.algorithm || NameText(ldns_rr_owner(ldns_pkt_tsig(packet))) != key.name) return false;
  return ldns_pkt_tsig_verify(packet, wire.data(), wire.size(), (key.name + ".").c_str(), key.secret.c_str(), asked);
}

std::string TsigErrorName(const ldns_pkt* packet) {
  const ldns_rdf* field = TsigPart(packet, kTsigError);
  const std::uint16_t code = field == nullptr ? 0 : ldns_rdf2native_int16(field);
  if (code == 0) return "";
  static const std::map<std::uint16_t, std::string> names{
      {kBadSig, "BADSIG"}, {17, "BADKEY"}, {18, "BADTIME"}, {22, "BADTRUNC"}};
  const auto name = names.find(code);
  return name == names.end() ? "TSIG error " + std::to_string(code) : name->second;
}

bool AnswersTo(const DnsRequest& request, const ldns_pkt* packet) {
  const ldns_pkt* asked = request.packet.get();
  if (!ldns_pkt_qr(packet) || ldns_pkt_id(packet) != ldns_pkt_id(asked)) return false;
  if (ldns_pkt_get_opcode(packet) != ldns_pkt_get_opcode(asked)) return false;
  // Answers to updates, and refusals, may leave the question out.
  if (ldns_pkt_qdcount(packet) == 0) return true;
  const ldns_rr* answered = ldns_rr_list_rr(ldns_pkt_question(packet), 0);
  const ldns_rr* question = ldns_rr_list_rr(ldns_pkt_question(asked), 0);
  return ldns_rr_get_type(answered) == ldns_rr_get_type(question) &&
         NameText(ldns_rr_owner(answered)) == NameText(ldns_rr_owner(question));
}

void TakeRecords(const ldns_pkt* packet, DnsAnswer* answer) {
  const ldns_rr_list* list = ldns_pkt_answer(packet);
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(list, i);
    const std::string type = Owned(ldns_rr_type2str(ldns_rr_get_type(rr)));
    answer->records.push_back({NameText(ldns_rr_owner(rr)), type, ldns_rr_ttl(rr), ValueText(rr)});
  }
}

std::string ZoneThatSaysNo(const ldns_pkt* packet) {
  const ldns_rr_list* list = ldns_pkt_authority(packet);
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(list); ++i) {
    const ldns_rr* rr = ldns_rr_list_rr(list, i);
    if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA) return NameText(ldns_rr_owner(rr));
  }
  return "";
}

}  // namespace

const std::vector<std::string>& TsigAlgorithms() {
  static const std::vector<std::string> algorithms{"hmac-sha256", "hmac-sha512", "hmac-sha1"};
  return algorithms;
}

bool IsBase64(const std::string& secret) {
  std::vector<unsigned char> bytes(secret.size() + 4);
  const auto* text = reinterpret_cast<const unsigned char*>(secret.data());
  return !secret.empty() && secret.size() % 4 == 0 &&
         EVP_DecodeBlock(bytes.data(), text, static_cast<int>(secret.size())) > 0;
}

Result<std::string> NormalName(const std::string& name) {
  const std::string bare = Lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || std::string_view("-_.*").find(c) < 4; };
  const bool plain = !bare.empty() && bare.size() <= kMaxName && std::all_of(bare.begin(), bare.end(), fits);
  if (plain && NameRdf(bare) != nullptr) return bare;
  return Invalid("\"" + Printable(name, kMaxName) + "\" is no domain name", "write it like shop.example.com");
}

Result<std::string> NormalType(const std::string& type) {
  static const std::vector<std::string> known{"A", "AAAA", "CNAME", "MX", "PTR", "SRV", "TXT"};
  std::string capitals = type;
  std::transform(capitals.begin(), capitals.end(), capitals.begin(), [](unsigned char c) { return std::toupper(c); });
  if (std::find(known.begin(), known.end(), capitals) != known.end()) return capitals;
  return Invalid("records of type \"" + Printable(type, 20) + "\" are not handled",
                 "the types are A, AAAA, CNAME, MX, PTR, SRV and TXT");
}

Result<std::string> NormalValue(const std::string& type, const std::string& value) {
  const Rr record = ParseRecord("name", type, 0, value);
  if (record != nullptr) return ValueText(record.get());
  return Invalid("\"" + Printable(value, 100) + "\" cannot be the value of an " + type + " record");
}

Result<DnsRequest> MakeQuery(const std::string& name, const std::string& type, const TsigKey& key) {
  Packet packet(ldns_pkt_query_new(NameRdf(name).release(), TypeNumber(type), LDNS_RR_CLASS_IN, 0));
  if (packet == nullptr) return Invalid("\"" + name + "\" cannot be asked for");
  return Signed(std::move(packet), key);
}

Result<DnsRequest> MakeUpdate(const std::string& zone, const SetRecordsRequest& set, const TsigKey& key) {
  const RrList prerequisites(ldns_rr_list_new());
  const RrList updates(ldns_rr_list_new());
  const Status expects = Expect(prerequisites.get(), set);
  if (!expects) return expects.error();
  ldns_rr_list_push_rr(updates.get(), BareRecord(set, LDNS_RR_CLASS_ANY));
  const Status adds = PushRecords(updates.get(), set, set.wanted, false);
  if (!adds) return adds.error();
  return SignedUpdate(zone, prerequisites.get(), updates.get(), key);
}

Result<DnsRequest> MakeIdleUpdate(const std::string& zone, const std::string& name, const std::string& type,
                                  const RecordSet& there, const TsigKey& key) {
  const RrList prerequisites(ldns_rr_list_new());
  const RrList updates(ldns_rr_list_new());
  const Status expects = Expect(prerequisites.get(), {name, type, there, {}});
  if (!expects) return expects.error();
  Rr absent = ParseRecord(name, type, 0, NeverAValue(type));
  const std::string value = absent == nullptr ? "" : ValueText(absent.get());
  // A set that has it all the same is asked about without an update section, which proves the key alone.
  if (absent != nullptr && std::find(there.values.begin(), there.values.end(), value) == there.values.end()) {
    ldns_rr_set_class(absent.get(), LDNS_RR_CLASS_NONE);
    ldns_rr_list_push_rr(updates.get(), absent.release());
  }
  return SignedUpdate(zone, prerequisites.get(), updates.get(), key);
}

Result<DnsAnswer> ReadAnswer(const DnsRequest& request, const std::vector<std::uint8_t>& wire, const TsigKey& key) {
  ldns_pkt* parsed = nullptr;
  const ldns_status status = ldns_wire2pkt(&parsed, wire.data(), wire.size());
  const Packet packet(status == LDNS_STATUS_OK ? parsed : nullptr);
  if (packet == nullptr)
    return Error{ErrorKind::kCorrupt, "", "",
                 std::string("the answer is no DNS message: ") + ldns_get_errorstr_by_id(status), ""};
  if (!AnswersTo(request, packet.get()))
    return Error{ErrorKind::kCorrupt, "", "", "the answer is to another question", ""};
  DnsAnswer answer;
  answer.rcode = Owned(ldns_pkt_rcode2str(ldns_pkt_get_rcode(packet.get())));
  answer.tsig_error = TsigErrorName(packet.get());
  answer.verified = Verifies(request, packet.get(), wire, key);
  answer.authoritative = ldns_pkt_aa(packet.get());
  answer.truncated = ldns_pkt_tc(packet.get());
  TakeRecords(packet.get(), &answer);
  answer.zone = ZoneThatSaysNo(packet.get());
  return answer;
}

}  // namespace vmferry
