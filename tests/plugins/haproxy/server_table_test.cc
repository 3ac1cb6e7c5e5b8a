// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/server_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "plugins/haproxy/pool.h"
#include "tests/plugins/haproxy/scripted_api.h"

namespace vmferry::haproxy {
namespace {

// Both tables of a recording, as one.
std::vector<ServerRow> Load(const std::string& name) {
  auto rows = ParseServersState(Recorded(name + ".servers_state"), "web");
  EXPECT_TRUE(rows.ok());
  const Status added = AddStatistics(Recorded(name + ".stat"), "web", &*rows);
  EXPECT_TRUE(added.ok()) << (added ? "" : Describe(added.error()));
  return *rows;
}

ServerRow Row(const std::vector<ServerRow>& rows, const std::string& name) {
  const ServerRow* row = FindRow(rows, name);
  EXPECT_NE(row, nullptr) << name;
  return row == nullptr ? ServerRow{} : *row;
}

std::string Summary(const ServerRow& row) {
  return StateOf(row.admin) + ", " + HealthOf(row) + ", weight " + std::to_string(row.weight) + ", " +
         std::to_string(row.sessions) + " sessions, at " + row.address;
}

TEST(ServerTable, ReadsStatesOfARealHaproxyAsItStarted) {
  const auto rows = Load("start");
  EXPECT_EQ(Summary(Row(rows, "old")), "ready, up, weight 100, 3 sessions, at 127.0.0.1:19381");
  EXPECT_EQ(Summary(Row(rows, "new")), "maint, down, weight 1, 0 sessions, at 127.0.0.1:19382");
  EXPECT_EQ(Summary(Row(rows, "nocheck")), "ready, no check, weight 1, 0 sessions, at 127.0.0.1:19381");
  EXPECT_EQ(Summary(Row(rows, "six")), "ready, no check, weight 1, 0 sessions, at [::1]:80");
  EXPECT_EQ(Summary(Row(rows, "sock")), "ready, no check, weight 1, 0 sessions, at unix");
}

TEST(ServerTable, MaintenanceInheritedFromATrackedServerIsMaintenance) {
  const ServerRow row = Row(Load("start"), "track");
  EXPECT_EQ(StateOf(row.admin), "maint");
  EXPECT_EQ(row.admin, kInheritedMaint);
  EXPECT_EQ(row.tracks, "web/new");
}

TEST(ServerTable, AServerWhoseNameDoesNotResolveIsInMaintenance) {
  EXPECT_EQ(StateOf(Row(Load("start"), "named").admin), "maint");
}

TEST(ServerTable, AServerDisabledInTheConfigurationAndMadeReadyIsReady) {
  const ServerRow row = Row(Load("moved"), "new");
  EXPECT_EQ(row.admin, kConfiguredMaint);  // the bit stays
  EXPECT_EQ(StateOf(row.admin), "ready");
}

TEST(ServerTable, AServerJustMadeReadyIsNotCalledUpBeforeACheckConfirmedIt) {
  const auto rows = Load("moved");
  EXPECT_EQ(Row(rows, "new").status, "UP 1/3");
  EXPECT_EQ(HealthOf(Row(rows, "new")), "checking");
  EXPECT_EQ(HealthOf(Row(rows, "track")), "checking");  // follows it
}

TEST(ServerTable, WithOneFailureToFallTheLatestResultTellsUpFromUnconfirmed) {
  ServerRow row;
  row.operation = 2;
  row.checked = true;
  row.status = "UP";
  for (const auto& [result, health] : {std::pair(0, "checking"), {1, "up"}, {2, "checking"}, {3, "up"}, {4, "up"}}) {
    row.check_result = result;
    EXPECT_EQ(HealthOf(row), health) << result;
  }
}

TEST(ServerTable, ADrainingServerKeepsItsSessionsHealthAndWeight) {
  EXPECT_EQ(Summary(Row(Load("moved"), "old")), "drain, up, weight 7, 3 sessions, at 127.0.0.1:19381");
}

TEST(ServerTable, AnAgentThatSaysUpCountsAsACheck) {
  const ServerRow row = Row(Load("start"), "agent");
  EXPECT_TRUE(row.agent);
  EXPECT_EQ(HealthOf(row), "up");
}

TEST(ServerTable, SocketsOfLevelUserTellNoAddressOfUnixServersAndTheRestIsThere) {
  const auto rows = Load("user_level");
  EXPECT_EQ(Row(rows, "sock").address, "");
  EXPECT_EQ(Row(rows, "old").sessions, 3);
}

TEST(ServerTable, ServersOfOtherBackendsAreLeftOut) {
  const auto rows = ParseServersState(Recorded("start.servers_state"), "we");
  ASSERT_TRUE(rows.ok());
  EXPECT_TRUE(rows->empty());
}

TEST(ServerTable, ColumnsAreFoundByNameInAnyOrder) {
  const auto rows = ParseServersState(
      "1\n# srv_name novelty be_name srv_uweight srv_iweight srv_op_state srv_admin_state srv_port srv_addr "
      "srv_agent_state srv_check_state srv_check_result\nold ? web 5 9 2 8 80 10.0.0.1 0 6 3\n",
      "web");
  ASSERT_TRUE(rows.ok());
  ASSERT_EQ(rows->size(), 1u);
  auto copy = *rows;
  ASSERT_TRUE(
      AddStatistics("# status,pxname,note,svname,scur\nDRAIN,web,\"a, b \"\"c\"\"\",old,4\n", "web", &copy).ok());
  EXPECT_EQ(Summary(copy[0]), "drain, up, weight 5, 4 sessions, at 10.0.0.1:80");
}

TEST(ServerTable, AMissingColumnOrServerIsCorruptAndNamed) {
  const auto no_column = ParseServersState("1\n# be_name srv_name\nweb old\n", "web");
  ASSERT_FALSE(no_column.ok());
  EXPECT_EQ(no_column.error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(no_column.error().message, "the answer has no column srv_addr");

  auto rows = *ParseServersState(Recorded("start.servers_state"), "web");
  const Status no_server = AddStatistics("# pxname,svname,scur,status\nweb,old,1,UP\n", "web", &rows);
  ASSERT_FALSE(no_server.ok());
  EXPECT_EQ(no_server.error().message, "server new is missing in `show stat`");
}

TEST(ServerTable, AStateThatIsNotANumberIsCorrupt) {
  std::string text = Recorded("start.servers_state");
  text.replace(text.find("old 127.0.0.1 2 0"), 17, "old 127.0.0.1 2 x");
  EXPECT_FALSE(ParseServersState(text, "web").ok());
}

TEST(Pool, TakesTheWorstStateAndHealthAndTheSumOfSessions) {
  const LbFacts facts = MergeViews("web", {{"lb1", Load("start")}, {"lb2", Load("moved")}});
  const auto server = [&](const std::string& name) {
    return *std::find_if(facts.servers.begin(), facts.servers.end(), [&](const LbServer& s) { return s.name == name; });
  };
  EXPECT_EQ(server("old").state, "drain");
  EXPECT_EQ(server("old").sessions, 6);
  EXPECT_EQ(server("new").state, "maint");
  EXPECT_EQ(server("new").health, "down");
  EXPECT_EQ(facts.instances, (std::vector<std::string>{"lb1", "lb2"}));
}

TEST(Pool, SaysWhereInstancesDifferAndNothingWhenTheyAgree) {
  EXPECT_TRUE(MergeViews("web", {{"lb1", Load("start")}, {"lb2", Load("start")}}).differences.empty());
  std::vector<ServerRow> other = Load("start");
  other[0].admin = kForcedMaint;
  other[0].weight = 3;
  other.erase(other.begin() + 1, other.end());
  std::vector<ServerRow> first = Load("start");
  first.resize(2);
  const LbFacts facts = MergeViews("web", {{"lb1", first}, {"lb2", other}});
  EXPECT_EQ(facts.differences,
            (std::vector<std::string>{"lb1: old is ready, elsewhere maint", "lb1: old has weight 100, elsewhere 3",
                                      "lb2: new is not there, elsewhere it is"}));
}

}  // namespace
}  // namespace vmferry::haproxy
