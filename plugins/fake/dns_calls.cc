// SPDX-License-Identifier: Apache-2.0
//
// The fake as the name servers of some zones: dns1, the primary, and dns2, which follows it after some looks.
#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "plugins/dns.h"
#include "plugins/fake/fake_plugin.h"

namespace vmferry {
namespace {

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string NormalName(const std::string& name) {
  return Lower(name.ends_with('.') ? name.substr(0, name.size() - 1) : name);
}

std::string ObjectOf(const std::string& name, const std::string& type) {
  return "record " + name + " " + type;
}

// "" when the name is in none of the zones.
std::string ZoneOf(const FakeDns& dns, const std::string& name) {
  for (const std::string& zone : dns.zones)
    if (name == zone || name.ends_with("." + zone)) return zone;
  return "";
}

Result<std::string> FindZone(const Scene& scene, const std::string& name, const std::string& type) {
  const std::string zone = ZoneOf(scene.world.dns, name);
  if (!zone.empty()) return zone;
  return Fail(scene, ErrorKind::kInvalid, ObjectOf(name, type), "it is in none of the zones of this entry",
              "correct the name, or add its zone to the world");
}

bool IsAddress(const std::string& type, const std::string& value) {
  std::array<unsigned char, 16> bytes{};
  return inet_pton(type == "A" ? AF_INET : AF_INET6, value.c_str(), bytes.data()) == 1;
}

Result<std::vector<std::string>> NormalValues(const Scene& scene, const std::string& object, const std::string& type,
                                              std::vector<std::string> values) {
  for (std::string& value : values) {
    value = Lower(value);
    if ((type == "A" || type == "AAAA") && !IsAddress(type, value))
      return Fail(scene, ErrorKind::kInvalid, object,
                  "\"" + value + "\" cannot be the value of an " + type + " record");
    if (type == "CNAME" && !value.ends_with('.')) value += '.';
  }
  std::sort(values.begin(), values.end());
  return values;
}

FakeRecords* FindRecords(FakeDns& dns, const std::string& name, const std::string& type) {
  for (FakeRecords& entry : dns.records)
    if (NormalName(entry.name) == name && entry.type == type) return &entry;
  return nullptr;
}

// What a wildcard answers for a name that is not there (RFC 4592).
std::string WildcardFor(FakeDns& dns, const std::string& name, const std::string& type) {
  for (std::size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1))
    if (const FakeRecords* found = FindRecords(dns, "*" + name.substr(dot), type)) return InWords(found->set);
  return "";
}

void AskOther(Scene& scene, RecordFacts* facts) {
  FakeDns& dns = scene.world.dns;
  facts->servers.push_back("dns2");
  if (dns.silent) return facts->silent.push_back("dns2 cannot be asked: no route to it");
  facts->longest_ttl = std::max(facts->longest_ttl, dns.other_ttl);
  if (dns.other_ttl > 0) facts->differences.push_back("dns2 has a TTL of " + std::to_string(dns.other_ttl) + " s");
  if (dns.lag_left == 0) return;
  facts->differences.push_back("dns2 has not followed yet");
  --dns.lag_left;
  Touch(scene.world);
}

Result<RecordFacts> DescribeRecords(Scene& scene, const RecordQuery& query) {
  FakeDns& dns = scene.world.dns;
  RecordFacts facts;
  facts.name = NormalName(query.name);
  facts.type = query.type;
  const auto zone = FindZone(scene, facts.name, facts.type);
  if (!zone) return zone.error();
  const auto wanted = NormalValues(scene, ObjectOf(facts.name, facts.type), facts.type, query.wanted);
  if (!wanted) return wanted.error();
  facts.zone = *zone;
  facts.wanted = *wanted;
  facts.servers = {"dns1"};
  for (const FakeRecords& entry : dns.records) facts.name_exists |= NormalName(entry.name) == facts.name;
  if (const FakeRecords* found = FindRecords(dns, facts.name, facts.type)) facts.records = found->set;
  const FakeRecords* alias = FindRecords(dns, facts.name, "CNAME");
  if (alias != nullptr && facts.type != "CNAME") facts.alias = alias->set.values.front();
  facts.longest_ttl = facts.records.ttl;
  if (!facts.name_exists) facts.wildcard = WildcardFor(dns, facts.name, facts.type);
  if (!query.primary_only) AskOther(scene, &facts);
  return facts;
}

void Put(FakeDns& dns, const std::string& name, const std::string& type, const RecordSet& set) {
  std::erase_if(dns.records,
                [&](const FakeRecords& entry) { return NormalName(entry.name) == name && entry.type == type; });
  if (!set.values.empty()) dns.records.push_back({name, type, set});
  dns.lag_left = dns.lag_polls;
  dns.other_ttl = 0;
}

Result<Done> SetRecords(Scene& scene, const SetRecordsRequest& request) {
  FakeDns& dns = scene.world.dns;
  const std::string name = NormalName(request.name);
  const std::string object = ObjectOf(name, request.type);
  const auto zone = FindZone(scene, name, request.type);
  if (!zone) return zone.error();
  const auto values = NormalValues(scene, object, request.type, request.wanted.values);
  if (!values) return values.error();
  const RecordSet wanted{*values, values->empty() ? 0 : request.wanted.ttl};
  const FakeRecords* found = FindRecords(dns, name, request.type);
  const RecordSet there = found == nullptr ? RecordSet{} : found->set;
  if (there == wanted) return Done{};
  if (there != request.expected)
    return Fail(scene, ErrorKind::kConflict, object,
                "it was changed since it was read: it has " + InWords(there) + ", not " + InWords(request.expected),
                "find out who else changes it");
  if (dns.read_only) return Fail(scene, ErrorKind::kDenied, object, "the server answered REFUSED");
  Put(dns, name, request.type, wanted);
  Record(scene.world, scene.call, "dns", name + "/" + request.type, {{"values", wanted.values}, {"ttl", wanted.ttl}});
  return Done{};
}

Result<Done> CheckSetRecords(Scene& scene, const RecordSetName& record) {
  const std::string name = NormalName(record.name);
  const auto zone = FindZone(scene, name, record.type);
  if (!zone) return zone.error();
  if (!scene.world.dns.read_only) return Done{};
  return Fail(scene, ErrorKind::kDenied, ObjectOf(name, record.type), "the server answered REFUSED");
}

}  // namespace

void FakePlugin::ServeDns() {
  On(dns::kDescribeRecords, DescribeRecords);
  On(dns::kSetRecords, SetRecords);
  On(dns::kCheckSetRecords, CheckSetRecords);
}

}  // namespace vmferry
