// SPDX-License-Identifier: Apache-2.0
//
// Contract of every target platform: domains.
#include "plugins/target_boot.h"
#include "tests/contracts/target_contract.h"

namespace vmferry::contracts {
namespace {

constexpr char kMac[] = "00:50:56:12:34:56";

}  // namespace

DomainFacts TargetContract::Domain(const std::string& name) {
  const auto facts = Ask(target::kDescribeDomain, DomainQuery{name});
  EXPECT_GOOD(facts);
  return facts ? *facts : DomainFacts{};
}

DefineRequest TargetContract::Definition(const std::string& domain, const std::string& key,
                                         const std::string& volume) const {
  DefineRequest request;
  request.domain = domain;
  request.key = key;
  request.description = "made by a contract test";
  request.cpus = 1;
  request.memory_mib = 64;
  request.firmware = "bios";
  request.disk_bus = "virtio";
  request.disks = {{harness_->pool(), volume, "qcow2"}};
  request.nics = {{kMac, "user", "virtio"}};
  request.domain_type = harness_->domain_type();
  return request;
}

TEST_P(TargetContract, MissingDomainIsAnAnswer) {
  const DomainFacts facts = Domain(harness_->FreshName());
  EXPECT_FALSE(facts.exists);
  EXPECT_EQ(facts.key, "");
}

TEST_P(TargetContract, DomainIsDefinedAsAsked) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const std::string name = harness_->FreshName();
  DefineRequest request = Definition(name, "key1", overlay);
  request.uuid = "42000000-0000-4000-8000-1234567890ab";
  const auto defined = Ask(target::kEnsureDefined, request);
  ASSERT_GOOD(defined);
  EXPECT_EQ(defined->uuid, request.uuid);
  EXPECT_FALSE(defined->xml.empty());
  const DomainFacts facts = Domain(name);
  EXPECT_TRUE(facts.exists);
  EXPECT_EQ(facts.uuid, request.uuid);
  EXPECT_EQ(facts.state, "off");
  EXPECT_EQ(facts.key, "key1");
  EXPECT_EQ(facts.macs, std::vector<std::string>{kMac});
  ASSERT_EQ(facts.disks.size(), 1U);
  EXPECT_EQ(facts.disks[0].target, "vda");
  EXPECT_EQ(facts.disks[0].volume, Volume(overlay).path);
  EXPECT_EQ(facts.disks[0].format, "qcow2");
}

TEST_P(TargetContract, DiskSettingsArriveInTheDefinition) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  DefineRequest request = Definition(harness_->FreshName(), "key1", overlay);
  ASSERT_GOOD(Ask(target::kEnsureDefined, request));
  const DomainFacts plain = Domain(request.domain);
  ASSERT_EQ(plain.disks.size(), 1U);
  EXPECT_EQ(plain.disks[0].cache, "");
  EXPECT_EQ(plain.disks[0].discard, "unmap");
  EXPECT_EQ(plain.disks[0].io, "");
  request.disks[0].cache = "directsync";
  request.disks[0].discard = "ignore";
  request.disks[0].io = "native";
  ASSERT_GOOD(Ask(target::kEnsureDefined, request));
  const DomainFacts facts = Domain(request.domain);
  ASSERT_EQ(facts.disks.size(), 1U);
  EXPECT_EQ(facts.disks[0].cache, "directsync");
  EXPECT_EQ(facts.disks[0].discard, "ignore");
  EXPECT_EQ(facts.disks[0].io, "native");
}

TEST_P(TargetContract, DefinitionMayBeRepeated) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DefineRequest request = Definition(harness_->FreshName(), "key1", overlay);
  const auto first = Ask(target::kEnsureDefined, request);
  ASSERT_GOOD(first);
  EXPECT_FALSE(first->uuid.empty());
  const DomainFacts facts = Domain(request.domain);
  const auto second = Ask(target::kEnsureDefined, request);
  ASSERT_GOOD(second);
  EXPECT_EQ(second->uuid, first->uuid);
  EXPECT_EQ(Json(Domain(request.domain)), Json(facts));
}

TEST_P(TargetContract, DomainThatIsNotOursIsLeftAlone) {
  const std::string name = harness_->FreshName();
  harness_->DefineForeign(name);
  const std::string overlay = OverlayOver(SealedCopy("x"));
  EXPECT_KIND(Ask(target::kEnsureDefined, Definition(name, "key1", overlay)), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kEnsureRunning, DomainRequest{name, "key1"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kEnsureStopped, DomainRequest{name, "key1"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kRequestStop, DomainRequest{name, "key1"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kMergeOverlays, DomainRequest{name, "key1"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kEnsureUndefined, DomainRequest{name, "key1"}), ErrorKind::kConflict);
  EXPECT_TRUE(harness_->DomainThere(name));
  EXPECT_FALSE(harness_->DomainRuns(name));
  EXPECT_EQ(Domain(name).key, "");
}

TEST_P(TargetContract, DomainOfAnotherKeyIsLeftAlone) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(name, "key1", overlay)));
  ASSERT_GOOD(Ask(target::kEnsureRunning, DomainRequest{name, "key1"}));
  EXPECT_KIND(Ask(target::kEnsureDefined, Definition(name, "key2", overlay)), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kEnsureStopped, DomainRequest{name, "key2"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kEnsureUndefined, DomainRequest{name, "key2"}), ErrorKind::kConflict);
  EXPECT_TRUE(harness_->DomainRuns(name));
  EXPECT_EQ(Domain(name).key, "key1");
}

TEST_P(TargetContract, DomainIsStartedStoppedAndUndefined) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DomainRequest request{harness_->FreshName(), "key1"};
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(request.domain, request.key, overlay)));
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto running = Ask(target::kEnsureRunning, request);
    ASSERT_GOOD(running);
    EXPECT_TRUE(running->done);
    EXPECT_EQ(running->state, "running");
    EXPECT_TRUE(harness_->DomainRuns(request.domain));
  }
  EXPECT_EQ(Domain(request.domain).state, "running");
  for (int repeat = 0; repeat < 2; ++repeat) {
    const auto stopped = Ask(target::kEnsureStopped, request);
    ASSERT_GOOD(stopped);
    EXPECT_TRUE(stopped->done);
    EXPECT_FALSE(harness_->DomainRuns(request.domain));
  }
  EXPECT_EQ(Domain(request.domain).state, "off");
  EXPECT_EQ(Domain(request.domain).key, "key1") << "the definition stays";
  for (int repeat = 0; repeat < 2; ++repeat) {
    ASSERT_GOOD(Ask(target::kEnsureUndefined, request));
    EXPECT_FALSE(harness_->DomainThere(request.domain));
  }
  EXPECT_GOOD(Ask(target::kEnsureStopped, request)) << "not there is stopped";
  EXPECT_TRUE(harness_->VolumeThere(overlay)) << "volumes are not the definition's";
}

TEST_P(TargetContract, StopRequestOfAStoppedDomainIsDone) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DomainRequest request{harness_->FreshName(), "key1"};
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(request.domain, request.key, overlay)));
  const auto stopped = Ask(target::kRequestStop, request);
  ASSERT_GOOD(stopped);
  EXPECT_TRUE(stopped->done);
}

TEST_P(TargetContract, StopRequestReturnsAtOnce) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DomainRequest request{harness_->FreshName(), "key1"};
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(request.domain, request.key, overlay)));
  ASSERT_GOOD(Ask(target::kEnsureRunning, request));
  const auto asked = Ask(target::kRequestStop, request);
  ASSERT_GOOD(asked);
  EXPECT_EQ(asked->done, asked->state != "running");
}

TEST_P(TargetContract, ConsoleIsRecordedOnlyWhereItWasAskedFor) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DomainRequest request{harness_->FreshName(), "key1"};
  DefineRequest definition = Definition(request.domain, request.key, overlay);
  ASSERT_GOOD(Ask(target::kEnsureDefined, definition));
  const auto none = Ask(target::kReadConsole, request);
  ASSERT_GOOD(none);
  EXPECT_FALSE(none->recorded);
  EXPECT_FALSE(none->why.empty());
  definition.console_pool = harness_->pool();
  ASSERT_GOOD(Ask(target::kEnsureDefined, definition));
  const auto empty = Ask(target::kReadConsole, request);
  ASSERT_GOOD(empty);
  EXPECT_TRUE(empty->recorded);
  EXPECT_EQ(empty->text, "") << "it was never started";
  ASSERT_GOOD(Ask(target::kEnsureRunning, request));
  ASSERT_GOOD(Ask(target::kReadConsole, request));
  ASSERT_GOOD(Ask(target::kEnsureStopped, request));
  EXPECT_GOOD(Ask(target::kReadConsole, request)) << "it can be read when the domain has stopped";
  ASSERT_GOOD(Ask(target::kEnsureUndefined, request));
  EXPECT_KIND(Ask(target::kReadConsole, request), ErrorKind::kNotFound);
  EXPECT_FALSE(harness_->VolumeThere(request.domain + "-key1.console"));
}

TEST_P(TargetContract, ConsoleAndAgentOfAnotherKeyAreNotTold) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const std::string name = harness_->FreshName();
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(name, "key1", overlay)));
  EXPECT_KIND(Ask(target::kReadConsole, DomainRequest{name, "key2"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kPingAgent, DomainRequest{name, "key2"}), ErrorKind::kConflict);
  EXPECT_KIND(Ask(target::kPingAgent, DomainRequest{harness_->FreshName(), "key1"}), ErrorKind::kNotFound);
}

TEST_P(TargetContract, AgentThatIsNotThereIsAnAnswerAndADomainWithoutChannelIsNot) {
  const std::string overlay = OverlayOver(SealedCopy("x"));
  const DomainRequest request{harness_->FreshName(), "key1"};
  DefineRequest definition = Definition(request.domain, request.key, overlay);
  ASSERT_GOOD(Ask(target::kEnsureDefined, definition));
  ASSERT_GOOD(Ask(target::kEnsureRunning, request));
  EXPECT_KIND(Ask(target::kPingAgent, request), ErrorKind::kInvalid);
  ASSERT_GOOD(Ask(target::kEnsureStopped, request));
  definition.guest_agent = true;
  ASSERT_GOOD(Ask(target::kEnsureDefined, definition));
  const auto off = Ask(target::kPingAgent, request);
  ASSERT_GOOD(off);
  EXPECT_FALSE(off->answers);
  EXPECT_FALSE(off->why.empty());
}

TEST_P(TargetContract, MissingDomainCannotBeStarted) {
  const std::string name = harness_->FreshName();
  const auto started = Ask(target::kEnsureRunning, DomainRequest{name, "key1"});
  EXPECT_KIND(started, ErrorKind::kNotFound);
  EXPECT_NE(Text(started).find(name), std::string::npos) << Text(started);
}

TEST_P(TargetContract, MissingVolumeCannotBeDefined) {
  const std::string name = harness_->FreshName();
  EXPECT_KIND(Ask(target::kEnsureDefined, Definition(name, "key1", "novolume7")), ErrorKind::kNotFound);
  EXPECT_FALSE(harness_->DomainThere(name));
}

TEST_P(TargetContract, MergeLeavesOneVolumeWithEverything) {
  const std::string copy = SealedCopy("merged");
  const std::string overlay = OverlayOver(copy);
  const DomainRequest request{harness_->FreshName(), "key1"};
  ASSERT_GOOD(Ask(target::kEnsureDefined, Definition(request.domain, request.key, overlay)));
  ASSERT_GOOD(Ask(target::kEnsureRunning, request));
  const auto merge = [&] {
    const auto reply = Ask(target::kMergeOverlays, request);
    EXPECT_GOOD(reply);
    return !reply || reply->done;
  };
  ASSERT_TRUE(Until(merge, [&] { return harness_->Breathe(); }));
  EXPECT_TRUE(merge()) << "may be repeated";
  EXPECT_TRUE(harness_->DomainRuns(request.domain)) << "a merge does not stop the domain";
  EXPECT_FALSE(harness_->VolumeThere(overlay));
  const DomainFacts facts = Domain(request.domain);
  ASSERT_EQ(facts.disks.size(), 1U);
  EXPECT_EQ(facts.disks[0].volume, Volume(copy).path);
  EXPECT_EQ(facts.disks[0].backing, "");
  EXPECT_FALSE(facts.merging);
  ASSERT_GOOD(Ask(target::kEnsureStopped, request));
  EXPECT_EQ(harness_->GuestView(copy).substr(0, 6), "merged");
}

}  // namespace vmferry::contracts
