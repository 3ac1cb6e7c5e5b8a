// SPDX-License-Identifier: Apache-2.0
//
// Worlds in files, and the checked-in ones.
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/plugins/fake/fake_test_world.h"

namespace vmferry {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class FakeWorldFile : public ::testing::Test {
 protected:
  FakeWorldFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vmferry-world-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
    path_ = directory_ + "/world.json";
    std::ofstream(path_) << ExampleWorldJson(1).dump();
  }
  ~FakeWorldFile() override { std::filesystem::remove_all(directory_); }

  std::shared_ptr<Plugin> Entry(const std::string& name, const std::string& path) {
    PluginSetup setup;
    setup.name = name;
    setup.settings = {{"world", path}};
    Result<std::shared_ptr<Plugin>> plugin = FakeKind().make(setup);
    EXPECT_TRUE(plugin.ok()) << Describe(plugin.error());
    return plugin ? *plugin : nullptr;
  }
  static std::string Power(Plugin& plugin) {
    const auto facts = Invoke(plugin, source::kDescribeVm, VmQuery{"web1"}, {});
    EXPECT_TRUE(facts.ok()) << Describe(facts.error());
    return facts ? facts->power : "";
  }
  static bool PowerOff(Plugin& plugin) {
    return Invoke(plugin, source::kEnsurePoweredOff, PowerRequest{"web1", "", ""}, {}).ok();
  }

  std::string directory_;
  std::string path_;
};

TEST_F(FakeWorldFile, EntriesOfOneFileShareTheWorld) {
  const auto vmware = Entry("vmware", path_);
  const auto lb =
      Entry("lb", directory_ + "/../" + std::filesystem::path(directory_).filename().string() + "/world.json");
  ASSERT_TRUE(PowerOff(*vmware));
  const auto pool = Invoke(*lb, load_balancer::kDescribePool, LbQuery{"app"}, {});
  ASSERT_TRUE(pool.ok());
  EXPECT_EQ(pool->servers.at(0).health, "down");
  EXPECT_NE(vmware->system().find("vmware"), std::string::npos);
}

TEST_F(FakeWorldFile, AnotherProcessSeesWhatWasDone) {
  const auto here = Entry("vmware", path_);
  EXPECT_EQ(Power(*here), "on");
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(PowerOff(*Entry("vmware", path_)) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  EXPECT_EQ(Power(*here), "off");
}

TEST_F(FakeWorldFile, WorldSurvivesItsProcessInFull) {
  {
    const auto plugin = Entry("all", path_);
    ASSERT_TRUE(PowerOff(*plugin));
    FakeTestWorld copier(ExampleWorld(0));
    copier.plugin = plugin;
    ASSERT_TRUE(CopyDisk(copier, "web1", "2000", "disk1").ok());
    const EnsureVolumeRequest overlay{"vmferry", "top", "qcow2", 0, "disk1", "raw"};
    ASSERT_TRUE(Invoke(*plugin, target::kEnsureVolume, overlay, {}).ok());
    ASSERT_TRUE(Invoke(*plugin, source::kOpenExport, OpenExportRequest{"web1", "nfc"}, {}).ok());
  }
  const Result<std::shared_ptr<World>> again = World::Open(path_);
  ASSERT_TRUE(again.ok());
  const WorldData world = (*again)->Copy();
  EXPECT_EQ(world.vms.at(0).facts.power, "off");
  EXPECT_EQ(world.leases.size(), 1U);
  EXPECT_TRUE(world.vms[0].disks.at(0).content == FindVolume(world, "vmferry", "disk1")->content);
  EXPECT_EQ(FindVolume(world, "vmferry", "top")->backing, "disk1");
  EXPECT_EQ(WorldToJson(*WorldFromJson(WorldToJson(world))), WorldToJson(world));
}

TEST_F(FakeWorldFile, CopyThatWasNotFinishedIsLostWithItsProcess) {
  ASSERT_TRUE(PowerOff(*Entry("all", path_)));
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    FakeTestWorld copier(ExampleWorld(0));
    copier.plugin = Entry("all", path_);
    _exit(CopyDisk(copier, "web1", "2000", "disk1", 3).ok() ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  const WorldData world = (*World::Open(path_))->Copy();
  const FakeVolume* volume = FindVolume(world, "vmferry", "disk1");
  ASSERT_NE(volume, nullptr);
  EXPECT_FALSE(volume->complete);
  EXPECT_EQ(volume->content.allocated_bytes(), 0U);
}

TEST_F(FakeWorldFile, ReadsWriteNothing) {
  const std::string before = ReadFile(path_);
  const auto plugin = Entry("all", path_);
  EXPECT_EQ(Power(*plugin), "on");
  EXPECT_TRUE(Invoke(*plugin, target::kDescribeTarget, PlatformQuery{}, {}).ok());
  EXPECT_TRUE(Invoke(*plugin, load_balancer::kDescribePool, LbQuery{"app"}, {}).ok());
  EXPECT_EQ(ReadFile(path_), before);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory_), {}), 1);
}

TEST_F(FakeWorldFile, TwoProcessesAtOnceLoseNoEffect) {
  constexpr int kEach = 20;
  std::vector<pid_t> children;
  for (const char* who : {"a", "b"}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const auto plugin = Entry(who, path_);
      for (int i = 0; i < kEach; ++i) {
        const SnapshotRequest request{"web1", who, who + std::to_string(i)};
        if (!Invoke(*plugin, source::kEnsureSnapshot, request, {}).ok()) _exit(1);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  }
  EXPECT_EQ((*World::Open(path_))->Copy().vms.at(0).snapshots.size(), 2U * kEach);
}

TEST_F(FakeWorldFile, UnreadableWorldSaysWhichFileAndWhy) {
  EXPECT_EQ(World::Open(directory_ + "/none.json").error().kind, ErrorKind::kNotFound);
  std::ofstream(path_) << "{\"vms\": [{\"name\": 7}]}";
  const auto world = World::Open(path_);
  ASSERT_FALSE(world.ok());
  EXPECT_EQ(world.error().kind, ErrorKind::kInvalid);
  EXPECT_NE(Describe(world.error()).find(path_), std::string::npos) << Describe(world.error());
}

TEST(FakeWorldSettings, VmsAndPoolsComeFromTheSiteAsText) {
  PluginSetup setup;
  setup.name = "lab";
  setup.settings = Json::parse(R"({"vms": [{"name": "db1", "disks_mib": ["8"], "records": ["r1"], "deaf": "true"}],
                                   "bytesPerSecond": "1000000"})");
  const auto plugin = FakeKind().make(setup);
  ASSERT_TRUE(plugin.ok()) << Describe(plugin.error());
  const auto facts = Invoke(**plugin, source::kDescribeVm, VmQuery{"db1"}, {});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_EQ(facts->disks.at(0).capacity_bytes, 8U << 20);
  setup.settings["bytesPerSecond"] = "fast";
  EXPECT_FALSE(FakeKind().make(setup).ok());
}

TEST(FakeWorldHistory, OldFactsAreDroppedBeyondTheLimit) {
  WorldData world;
  world.history_limit = 3;
  for (int i = 0; i < 5; ++i) Record(world, "test", "fact", std::to_string(i));
  ASSERT_EQ(world.history.size(), 3U);
  EXPECT_EQ(world.history.front().object, "2");
  EXPECT_EQ(world.history.back().seq, 5U);
}

TEST(FakeExampleWorld, CheckedInFilesAreWhatTheBuilderWrites) {
  const std::string folder = std::string(VMFERRY_SOURCE_DIR) + "/runbooks/examples/embedded/";
  EXPECT_EQ(ReadFile(folder + "world.json"), ExampleWorldJson(1).dump(2) + "\n");
  EXPECT_EQ(ReadFile(folder + "wave-world.json"), ExampleWorldJson(3).dump(2) + "\n");
}

TEST(FakeExampleWorld, AllItsApplicationsAnswerFromVmware) {
  FakeTestWorld test(ExampleWorld(5));
  for (const std::string app : {"customer-analytics-api", "billing", "inventory", "app4", "app5"}) {
    const ProbeReply reply = test.Probe("http://" + app + ".example/");
    EXPECT_TRUE(reply.healthy) << app << ": " << reply.why;
    EXPECT_TRUE(reply.body.starts_with("answered by VMware (")) << reply.body;
  }
  EXPECT_TRUE(test.world->Copy().guests.at("billing1").sick_on_target);
}

}  // namespace
}  // namespace vmferry
