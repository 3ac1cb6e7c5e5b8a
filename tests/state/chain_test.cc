// SPDX-License-Identifier: Apache-2.0
#include "state/chain.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "state/digest.h"
#include "tests/state/journal_fixture.h"

namespace vmferry {
namespace {

Event Sample() {
  Event event = MakeEvent("r-1", "shop", EventKind::kUndoIntent, Json{{"key", "k"}});
  event.seq = 12;
  event.chain_seq = 3;
  event.epoch = 2;
  event.actor = "anna@ops1";
  return event;
}

TEST(Chain, HeaderHasTheBytesOfTheContract) {
  EXPECT_EQ(EncodeHeader(Sample()),
            R"({"seq":12,"run":"r-1","application":"shop","chain_seq":3,"epoch":2,"kind":"undo intent","step":2,)"
            R"("attempt":1,"wall_ms":1772330400000,"mono_ms":5000,"actor":"anna@ops1"})");
}

TEST(Chain, HashesAreThoseOfTheContract) {
  SealedEvent sealed = *Prepare(Sample());
  ChainHead head;
  Seal(sealed, 12, 2, head);
  EXPECT_EQ(sealed.payload, R"({"key":"k"})");
  EXPECT_EQ(sealed.payload_sha256, Sha256Hex(R"({"key":"k"})"));
  EXPECT_EQ(sealed.prev_hash, Sha256Hex("vmferry journal chain 1\nr-1\nshop"));
  EXPECT_EQ(sealed.hash, Sha256Hex("vmferry journal event 1\n" + sealed.prev_hash + "\n" + sealed.payload_sha256 +
                                   "\n" + sealed.header));
  EXPECT_EQ(head.hash, sealed.hash);
  EXPECT_EQ(head.chain_seq, 1);
}

TEST(Chain, HeaderIsReadBackWithAnyText) {
  for (const std::string& actor : {std::string("engine"), std::string("J\xc3\xbcrgen \"x\" \\ \n"),
                                   std::string("nul\0inside", 10), std::string()}) {
    Event event = Sample();
    event.actor = actor;
    const Result<Event> back = DecodeHeader(EncodeHeader(event));
    ASSERT_TRUE(back) << Describe(back.error());
    EXPECT_EQ(back->actor, actor);
    EXPECT_EQ(EncodeHeader(*back), EncodeHeader(event));
  }
}

TEST(Chain, HeaderWithMembersOfALaterVersionIsReadByTheParser) {
  std::string header = EncodeHeader(Sample());
  header.insert(1, R"("later":[1,2],)");
  const Result<Event> back = DecodeHeader(header);
  ASSERT_TRUE(back) << Describe(back.error());
  EXPECT_EQ(EncodeHeader(*back), EncodeHeader(Sample()));
}

TEST(Chain, AHeaderThatIsNoneIsCorrupt) {
  const std::string whole = EncodeHeader(Sample());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_EQ(DecodeHeader(whole.substr(0, size)).error().kind, ErrorKind::kCorrupt) << size;
  std::string other_kind = whole;
  other_kind.replace(other_kind.find("undo intent"), 11, "undo nonsen");
  EXPECT_EQ(DecodeHeader(other_kind).error().message, "unknown kind of event 'undo nonsen'");
}

TEST(Chain, BytesThatAreNotUtf8AreReplacedInTheEventAsInTheStoredText) {
  Event event = Sample();
  event.payload = Json{{"output", "caf\xe9 ok"}};
  event.actor = "ann\xff";
  const Result<SealedEvent> sealed = Prepare(event);
  ASSERT_TRUE(sealed) << Describe(sealed.error());
  EXPECT_EQ(sealed->event.payload["output"], "caf\xef\xbf\xbd ok");
  EXPECT_EQ(Json::parse(sealed->payload), sealed->event.payload);
  EXPECT_EQ(sealed->event.actor, "ann\xef\xbf\xbd");
}

TEST(Chain, WhatJsonCannotHoldIsNullInTheEventAsInTheStoredText) {
  Event event = Sample();
  event.payload = Json{{"rate", std::numeric_limits<double>::quiet_NaN()}, {"deep", {1, {{"inf", HUGE_VAL}}}}};
  const Result<SealedEvent> sealed = Prepare(event);
  ASSERT_TRUE(sealed) << Describe(sealed.error());
  EXPECT_TRUE(sealed->event.payload["rate"].is_null());
  EXPECT_TRUE(sealed->event.payload["deep"][1]["inf"].is_null());
}

TEST(Chain, WhatCannotBeStoredIsRefusedAndNamed) {
  const auto refusal = [](Event event) {
    const Result<SealedEvent> sealed = Prepare(std::move(event));
    return sealed ? "accepted" : Describe(sealed.error());
  };
  Event event = Sample();
  EXPECT_EQ(refusal(event), "accepted");
  event.run = "";
  EXPECT_EQ(refusal(event), "journal: invalid: an event needs the id of its run");
  event.run = std::string("r\0x", 3);
  EXPECT_EQ(refusal(event), "journal: invalid: the run id holds a control character");
  event = Sample();
  event.application = "a\nb";
  EXPECT_EQ(refusal(event), "journal: invalid: the application's name holds a control character");
  event.application = "caf\xe9";
  EXPECT_EQ(refusal(event), "journal: invalid: the application's name is not UTF-8");
  event.application = "caf\xc3\xa9";
  EXPECT_EQ(refusal(event), "accepted");
  event.application = std::string(201, 'a');
  EXPECT_EQ(refusal(event), "journal: invalid: the application's name is longer than 200 bytes");
  event = Sample();
  event.payload = Json::array();
  EXPECT_EQ(refusal(event), "journal: invalid: an event's payload must be a JSON object");
  event.payload = Json::object();
  for (int i = 0; i < 600; ++i) event.payload = Json{{"a", std::move(event.payload)}};
  EXPECT_EQ(refusal(event), "journal: invalid: an event's payload is nested more than 500 levels deep");
  event.payload = Json{{"text", std::string(kMaxPayloadBytes, 'x')}};
  EXPECT_EQ(refusal(event), "journal: invalid: an event's payload is larger than 64 MiB");
}

// The engine folded what the journal then changed: after a crash a step saw other facts than before it.
TEST(Chain, NormaliseLeavesNothingForTheJournalToReplace) {
  Event event = MakeEvent("r-1", "a", EventKind::kFacts,
                          Json{{"text", "caf\xe9"}, {"n", std::nan("")}, {"list", {"\xff", 1}}, {"\xfe", "name"}});
  event.actor = "anna\xff@ops1";
  Normalise(event);
  const Json folded = event.payload;
  const std::string actor = event.actor;
  const auto prepared = Prepare(std::move(event));
  ASSERT_TRUE(prepared) << Describe(prepared.error());
  EXPECT_EQ(prepared->event.payload, folded);
  EXPECT_EQ(Json::parse(prepared->payload), folded);
  EXPECT_EQ(prepared->event.actor, actor);
  EXPECT_TRUE(folded["n"].is_null());
}

}  // namespace
}  // namespace vmferry
