// SPDX-License-Identifier: Apache-2.0
//
// How the fake misbehaves when told to.
#include <chrono>
#include <thread>

#include "tests/plugins/fake/fake_test_world.h"

namespace vmferry {
namespace {

std::string PowerOf(FakeTestWorld& test) {
  const auto facts = test.Ask(source::kDescribeVm, VmQuery{"web1"});
  EXPECT_TRUE(facts.ok());
  return facts ? facts->power : "";
}

TEST(FakeBehaviour, ShutdownTakesAsManyLooksAsAsked) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) { world.vms[0].shutdown_polls = 2; });
  const auto asked = test.Ask(source::kRequestShutdown, PowerRequest{"web1", "", ""});
  ASSERT_TRUE(asked.ok());
  EXPECT_FALSE(asked->done);
  EXPECT_EQ(PowerOf(test), "on");
  EXPECT_EQ(PowerOf(test), "off");
}

TEST(FakeBehaviour, DeafGuestIgnoresShutdownButNotPowerOff) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) { world.vms[0].deaf = true; });
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(test.Ask(source::kRequestShutdown, PowerRequest{"web1", "", ""}).ok());
  EXPECT_EQ(PowerOf(test), "on");
  EXPECT_EQ(test.Effects(), std::vector<std::string>{"shutdown-asked /DC0/vm/web1"});
  ASSERT_TRUE(test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok());
  EXPECT_EQ(PowerOf(test), "off");
}

TEST(FakeBehaviour, PowerTaskTakesAsManyPollsAsAsked) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) { world.vms[0].power_polls = 2; });
  auto reply = test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""});
  ASSERT_TRUE(reply.ok());
  const std::string task = reply->task;
  EXPECT_FALSE(task.empty());
  reply = test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""});
  EXPECT_EQ(reply->task, task) << "a repeated call finds the task under way";
  reply = test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", task});
  EXPECT_FALSE(reply->done);
  reply = test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", task});
  EXPECT_TRUE(reply->done);
  EXPECT_EQ(reply->power, "off");
}

TEST(FakeBehaviour, OrphanedLeaseExpiresWhileItStandsInTheWay) {
  FakeTestWorld test(ExampleWorld(1));
  ASSERT_TRUE(test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok());
  ASSERT_TRUE(test.Ask(source::kOpenExport, OpenExportRequest{"web1", "nfc"}).ok());
  int refused = 0;
  while (!test.Ask(source::kEnsurePoweredOn, PowerRequest{"web1", "", ""}).ok()) ASSERT_LT(++refused, 10);
  EXPECT_EQ(refused, 2);
  EXPECT_TRUE(test.world->Copy().leases.empty());
}

TEST(FakeBehaviour, WrongPasswordIsDeniedAndTheRightOneNeverTold) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) { world.password = "correct horse"; });
  const auto facts = test.Ask(source::kDescribeVm, VmQuery{"web1"});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(Describe(facts.error()).find("correct horse"), std::string::npos);
}

TEST(FakeBehaviour, StoppedCallDoesNothing) {
  FakeTestWorld test(ExampleWorld(1));
  std::stop_source stop;
  stop.request_stop();
  CallContext context;
  context.stop = stop.get_token();
  const auto reply = Invoke(*test.plugin, source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}, context);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().kind, ErrorKind::kUnavailable);
  EXPECT_TRUE(test.Effects().empty());
}

TEST(FakeBehaviour, SlowReaderWakesAtOnceWhenStopped) {
  WorldData data = ExampleWorld(1);
  data.bytes_per_second = 1;  // the first piece would take weeks
  FakeTestWorld test(std::move(data));
  ASSERT_TRUE(test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok());
  std::stop_source stop;
  CallContext context;
  context.stop = stop.get_token();
  const auto reader =
      Open<DiskReader>(*test.plugin, source::kOpenDisk, OpenDiskRequest{"web1", "2000", "folder", "", 0}, context);
  ASSERT_TRUE(reader.ok());
  std::thread stopper([&] { stop.request_stop(); });
  std::vector<std::byte> buffer(64 << 10);
  const Result<Piece> piece = (*reader)->Next(buffer);
  stopper.join();
  ASSERT_FALSE(piece.ok());
  EXPECT_EQ(piece.error().kind, ErrorKind::kUnavailable);
}

TEST(FakeBehaviour, RateIsKept) {
  WorldData data = ExampleWorld(1);
  data.bytes_per_second = 640 << 20;  // 64 MiB: a tenth of a second
  FakeTestWorld test(std::move(data));
  ASSERT_TRUE(test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok());
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(CopyDisk(test, "web1", "2000", "2000").ok());
  EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(99));
}

TEST(FakeBehaviour, RunningDomainsNeverShareAVolume) {
  FakeTestWorld test(ExampleWorld(1));
  for (const char* volume : {"a", "b"})
    ASSERT_TRUE(test.Ask(target::kEnsureVolume, EnsureVolumeRequest{"vmferry", volume, "raw", 64 << 20, "", ""}).ok());
  for (const char* domain : {"one", "two"})
    ASSERT_TRUE(test.Ask(target::kEnsureDefined, TwoDiskDomain(domain, "a", "b", "raw")).ok());
  ASSERT_TRUE(test.Ask(target::kEnsureRunning, DomainRequest{"one", "key"}).ok());
  const auto second = test.Ask(target::kEnsureRunning, DomainRequest{"two", "key"});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::kConflict);
}

TEST(FakeBehaviour, UnfinishedCopyCannotBeSealed) {
  FakeTestWorld test(ExampleWorld(1));
  ASSERT_TRUE(test.Ask(source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}).ok());
  ASSERT_TRUE(CopyDisk(test, "web1", "2000", "2000", 2).ok());
  const auto sealed = test.Ask(target::kSealVolume, SealVolumeRequest{"vmferry", "2000", R"({"key":"k"})"});
  ASSERT_FALSE(sealed.ok());
  EXPECT_EQ(sealed.error().kind, ErrorKind::kInvalid);
}

TEST(FakeBehaviour, SessionsLeaveADrainedServerOneByOne) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) { world.load_balancers[0].servers[0].sessions = 2; });
  const auto sessions = [&] { return test.Ask(load_balancer::kDescribePool, LbQuery{"app"})->servers.at(0).sessions; };
  EXPECT_EQ(sessions(), 2);
  EXPECT_EQ(sessions(), 2) << "nobody leaves a server that is ready";
  ASSERT_TRUE(test.Ask(load_balancer::kSetServer, SetServerRequest{"app", "vmware", "drain", -1}).ok());
  EXPECT_EQ(sessions(), 1);
  EXPECT_EQ(sessions(), 0);
}

TEST(FakeBehaviour, WriteThatOneInstanceMissedHasAnUnknownOutcome) {
  FakeTestWorld test(ExampleWorld(1));
  test.Edit([](WorldData& world) {
    world.load_balancers[0].instances.push_back("lb2");
    world.load_balancers[0].unreachable.push_back("lb2");
  });
  const auto set = test.Ask(load_balancer::kSetServer, SetServerRequest{"app", "vmware", "maint", -1});
  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().kind, ErrorKind::kUnknownOutcome);
  EXPECT_NE(set.error().message.find("lb2"), std::string::npos) << Describe(set.error());
}

}  // namespace
}  // namespace vmferry
