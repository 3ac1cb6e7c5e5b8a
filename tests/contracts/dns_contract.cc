// SPDX-License-Identifier: Apache-2.0
#include "tests/contracts/dns_contract.h"

#include <algorithm>

namespace vmferry::contracts {
namespace {

std::string Capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::toupper(c); });
  return text;
}

}  // namespace

TEST_P(DnsContract, ARecordSetIsToldWithItsZone) {
  for (const std::string& name : {Name(), Capitals(Name()), Name() + "."}) {
    const auto facts = Look(name);
    ASSERT_GOOD(facts);
    EXPECT_EQ(facts->name, Name());
    EXPECT_EQ(facts->type, "A");
    EXPECT_EQ(facts->zone, harness_->zone());
    EXPECT_EQ(InWords(facts->records), InWords(Old()));
    EXPECT_TRUE(facts->name_exists);
    EXPECT_EQ(facts->alias, "");
    EXPECT_FALSE(facts->servers.empty());
  }
}

TEST_P(DnsContract, ThePrimaryCanBeAskedAlone) {
  ASSERT_GOOD(Set(Name(), "A", Old(), {{"10.0.0.2"}, 300}));
  const auto facts = Asker(harness_->plugin())(dns::kDescribeRecords, RecordQuery{Name(), "A", {}, true});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->servers.size(), 1U);
  EXPECT_TRUE(facts->differences.empty());
  EXPECT_EQ(InWords(facts->records), "10.0.0.2 (TTL 300 s)");
}

TEST_P(DnsContract, WhatDoesNotExistIsAReply) {
  const auto no_type = Look(Name(), "AAAA");
  ASSERT_GOOD(no_type);
  EXPECT_EQ(InWords(no_type->records), "no records");
  EXPECT_TRUE(no_type->name_exists);
  const auto no_name = Look(Name("nobody"));
  ASSERT_GOOD(no_name);
  EXPECT_EQ(InWords(no_name->records), "no records");
  EXPECT_FALSE(no_name->name_exists);
}

TEST_P(DnsContract, AnAliasIsToldAsOne) {
  harness_->SomebodySets(Name("alias"), "CNAME", {{Name() + "."}, 300});
  const auto facts = Look(Name("alias"));
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->alias, Name() + ".");
  EXPECT_TRUE(facts->records.values.empty());
  const auto itself = Look(Name("alias"), "CNAME");
  ASSERT_GOOD(itself);
  EXPECT_EQ(itself->records.values, std::vector<std::string>{Name() + "."});
  EXPECT_EQ(itself->alias, "");
}

// An answer from a wildcard looked like the name's own records, whose change then failed because there were none. Own
// records stand before the wildcard, also with its very values, and without them it answers again.
TEST_P(DnsContract, AWildcardsAnswerIsNotTheNamesOwnRecords) {
  const RecordSet theirs{{"10.0.0.7"}, 300};
  harness_->SomebodySets("*." + Name("wild"), "A", theirs);
  const std::string name = "any." + Name("wild");
  const auto expect = [&](const RecordSet& own) {
    const auto facts = Look(name);
    ASSERT_GOOD(facts);
    EXPECT_EQ(InWords(facts->records), InWords(own));
    EXPECT_EQ(facts->name_exists, !own.values.empty());
    EXPECT_EQ(facts->wildcard, own.values.empty() ? InWords(theirs) : "");
  };
  expect({});
  for (const RecordSet& own : {RecordSet{{"10.0.0.2"}, 60}, theirs}) {
    EXPECT_KIND(Set(name, "A", theirs, {{"10.0.0.2"}, 30}), ErrorKind::kConflict);
    ASSERT_GOOD(Set(name, "A", {}, own));
    expect(own);
    ASSERT_GOOD(Set(name, "A", own, {}));
    expect({});
  }
  EXPECT_EQ(Look(Name())->wildcard, "");
}

TEST_P(DnsContract, WantedValuesComeBackAsTheyWouldBeRead) {
  const auto facts = Look(Name(), "AAAA", {"FD00::2", "fd00::1"});
  ASSERT_GOOD(facts);
  EXPECT_EQ(facts->wanted, (std::vector<std::string>{"fd00::1", "fd00::2"}));
  ASSERT_GOOD(Set(Name(), "AAAA", {}, {{"FD00::2", "fd00::1"}, 60}));
  EXPECT_EQ(Look(Name(), "AAAA")->records.values, facts->wanted);
}

TEST_P(DnsContract, WhatCannotBeIsInvalidAndChangesNothing) {
  EXPECT_KIND(Look(Name(), "A", {"10.0.0.256"}), ErrorKind::kInvalid);
  EXPECT_KIND(Look("web.example.invalid"), ErrorKind::kInvalid);
  EXPECT_KIND(Set("web.example.invalid", "A", {}, {{"10.0.0.2"}, 60}), ErrorKind::kInvalid);
  EXPECT_KIND(Set(Name(), "A", Old(), {{"not an address"}, 60}), ErrorKind::kInvalid);
  EXPECT_EQ(InWords(Truth()), InWords(Old()));
}

TEST_P(DnsContract, ValuesAndTtlAreSetTogetherAndTwiceEqualsOnce) {
  const RecordSet wanted{{"10.0.0.2", "10.0.0.3"}, 60};
  const int before = harness_->Changes();
  ASSERT_GOOD(Set(Name(), "A", Old(), wanted));
  EXPECT_EQ(InWords(Truth()), InWords(wanted));
  const auto facts = Look(Name());
  ASSERT_GOOD(facts);
  EXPECT_EQ(InWords(facts->records), InWords(wanted));
  const int once = harness_->Changes();
  EXPECT_GT(once, before);
  ASSERT_GOOD(Set(Name(), "A", Old(), wanted));
  EXPECT_EQ(harness_->Changes(), once) << "nothing was changed again";
  EXPECT_TRUE(Until([&] { return Look(Name())->differences.empty(); }, [&] { return harness_->Breathe(); }));
}

TEST_P(DnsContract, TheTtlAloneCanBeChanged) {
  ASSERT_GOOD(Set(Name(), "A", Old(), {Old().values, 5}));
  EXPECT_EQ(InWords(Truth()), "10.0.0.1 (TTL 5 s)");
  ASSERT_GOOD(Set(Name(), "A", {Old().values, 5}, Old()));
  EXPECT_EQ(InWords(Truth()), InWords(Old()));
}

TEST_P(DnsContract, RecordsAreMadeAndRemoved) {
  const RecordSet made{{"fd00::1"}, 60};
  ASSERT_GOOD(Set(Name(), "AAAA", {}, made));
  EXPECT_EQ(InWords(Truth("AAAA")), InWords(made));
  EXPECT_EQ(InWords(Truth()), InWords(Old())) << "other types stay";
  ASSERT_GOOD(Set(Name(), "AAAA", made, {}));
  EXPECT_EQ(InWords(Truth("AAAA")), "no records");
  ASSERT_GOOD(Set(Name(), "AAAA", made, {}));
}

TEST_P(DnsContract, WhetherARecordMayBeChangedIsToldAndNothingIs) {
  harness_->SomebodySets(Name("alias"), "CNAME", {{Name() + "."}, 300});
  harness_->SomebodySets(Name("none"), "A", {{"0.0.0.0"}, 300});
  const int before = harness_->Changes();
  for (const auto& [name, type] : {std::pair{Name(), "A"}, {Name(), "AAAA"}, {Name(), "TXT"}, {Name(), "MX"},
                                   {Name(), "SRV"}, {Name("nobody"), "A"}, {Name("alias"), "CNAME"},
                                   {Name("none"), "A"}}) {
    SCOPED_TRACE(name + " " + type);
    EXPECT_GOOD(Asker(harness_->plugin())(dns::kCheckSetRecords, RecordSetName{name, type}));
  }
  EXPECT_EQ(harness_->Changes(), before);
  EXPECT_EQ(InWords(Truth()), InWords(Old()));
  EXPECT_EQ(InWords(harness_->Truth(Name("none"), "A")), "0.0.0.0 (TTL 300 s)");
  EXPECT_KIND(Asker(harness_->plugin())(dns::kCheckSetRecords, RecordSetName{"web.example.invalid", "A"}),
              ErrorKind::kInvalid);
}

TEST_P(DnsContract, WhatSomebodyElseChangedIsAConflictThatNamesBothAndStays) {
  for (const RecordSet& theirs : {RecordSet{{"10.0.0.9"}, 300}, RecordSet{{"10.0.0.1"}, 45}, RecordSet{}}) {
    harness_->SomebodySets(Name(), "A", theirs);
    const auto set = Set(Name(), "A", Old(), {{"10.0.0.2"}, 300});
    EXPECT_KIND(set, ErrorKind::kConflict);
    EXPECT_NE(set.error().message.find(InWords(theirs)), std::string::npos) << Text(set);
    EXPECT_NE(set.error().message.find(InWords(Old())), std::string::npos) << Text(set);
    EXPECT_NE(set.error().object.find(Name()), std::string::npos) << Text(set);
    EXPECT_EQ(InWords(Truth()), InWords(theirs));
  }
}

}  // namespace vmferry::contracts
