// SPDX-License-Identifier: Apache-2.0
#include "plugins/haproxy/server_table.h"

#include <charconv>
#include <cstddef>
#include <map>
#include <optional>
#include <utility>

namespace vmferry::haproxy {
namespace {

using Record = std::vector<std::string>;

Error Malformed(const std::string& message) {
  return Error{ErrorKind::kCorrupt, "", "", message, ""};
}

// Records of a table with a header, read by column name.
class Table {
 public:
  static Result<Table> Make(std::vector<Record> records, const std::vector<std::string>& required) {
    Table table;
    if (records.empty()) return Malformed("the answer has no header line");
    for (std::size_t i = 0; i < records[0].size(); ++i) table.columns_.emplace(records[0][i], i);
    for (const std::string& name : required)
      if (!table.columns_.contains(name)) return Malformed("the answer has no column " + name);
    records.erase(records.begin());
    table.records_ = std::move(records);
    return table;
  }
  const std::vector<Record>& records() const { return records_; }
  // "" for a column this release does not have, or a record that is too short.
  std::string Text(const Record& record, const std::string& column) const {
    const auto found = columns_.find(column);
    return found == columns_.end() || found->second >= record.size() ? "" : record[found->second];
  }
  std::optional<int> Integer(const Record& record, const std::string& column) const {
    const std::string text = Text(record, column);
    int value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
  }

 private:
  std::map<std::string, std::size_t> columns_;
  std::vector<Record> records_;
};

// Fields between blanks. The header starts with "# "; the first line is the format's version.
std::vector<Record> SplitByBlanks(std::string_view text) {
  std::vector<Record> records;
  Record record;
  std::string field;
  const auto end_field = [&] {
    if (!field.empty() && field != "#") record.push_back(std::move(field));
    field.clear();
  };
  for (const char c : std::string(text) + "\n") {
    if (c == ' ' || c == '\n') end_field();
    if (c != ' ' && c != '\n') field += c;
    if (c != '\n') continue;
    if (record.size() > 1) records.push_back(std::move(record));
    record.clear();
  }
  return records;
}

// RFC 4180 as HAProxy writes it: texts with a comma, quote or line break are quoted, quotes doubled.
std::vector<Record> SplitCsv(std::string_view text) {
  std::vector<Record> records;
  Record record;
  std::string field;
  bool quoted = false;
  if (text.starts_with("# ")) text.remove_prefix(2);
  for (const char c : std::string(text) + "\n") {
    if (c == '"') quoted = !quoted;  // a doubled quote closes and opens again; it is dropped
    if (quoted || (c != ',' && c != '\n')) {
      if (c != '"') field += c;
    } else if (c != '"') {
      record.push_back(std::exchange(field, ""));
      if (c == '\n' && record.size() > 1) records.push_back(std::move(record));
      if (c == '\n') record.clear();
    }
  }
  return records;
}

std::string AddressOf(const std::string& host, const std::string& port) {
  if (host.empty() || host == "-") return "";
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + ":" + port;
}

}  // namespace

std::string StateOf(int admin) {
  // kConfiguredMaint alone is no maintenance: HAProxy keeps that bit when the server was made ready.
  if (admin & (kForcedMaint | kInheritedMaint | kUnresolvedMaint)) return "maint";
  if (admin & (kForcedDrain | kInheritedDrain)) return "drain";
  return "ready";
}

std::string HealthOf(const ServerRow& row) {
  constexpr int kStarting = 1, kRunning = 2, kNoneYet = 0, kFailed = 2;
  if (row.operation != kStarting && row.operation != kRunning) return "down";  // 3: a check said "no new sessions"
  if (!row.checked && row.tracks.empty()) return row.agent && row.agent_status == "L7OK" ? "up" : "no check";
  if (row.status == "no check") return "no check";  // the tracked server has none
  // "UP 1/3", "DRAIN 1/3": the next checks decide. HAProxy starts there when it puts a server into service; with
  // `fall 1` it shows no such count, but the latest result is still that from before.
  const bool counting = row.status.find('/') != std::string::npos && row.status.back() != ')';
  const bool unconfirmed = row.checked && (row.check_result == kNoneYet || row.check_result == kFailed);
  return counting || unconfirmed ? "checking" : "up";
}

Result<std::vector<ServerRow>> ParseServersState(std::string_view text, std::string_view backend) {
  const Result<Table> table = Table::Make(
      SplitByBlanks(text), {"be_name", "srv_name", "srv_addr", "srv_port", "srv_op_state", "srv_admin_state",
                            "srv_uweight", "srv_iweight", "srv_check_result", "srv_check_state", "srv_agent_state"});
  if (!table) return table.error();
  constexpr int kCheckEnabled = 0x04, kAgentConfigured = 0x02;
  std::vector<ServerRow> rows;
  for (const Record& record : table->records()) {
    if (table->Text(record, "be_name") != backend) continue;
    ServerRow row;
    row.name = table->Text(record, "srv_name");
    const auto operation = table->Integer(record, "srv_op_state");
    const auto admin = table->Integer(record, "srv_admin_state");
    const auto weight = table->Integer(record, "srv_uweight");
    const auto initial = table->Integer(record, "srv_iweight");
    const auto result = table->Integer(record, "srv_check_result");
    const auto check = table->Integer(record, "srv_check_state");
    const auto agent = table->Integer(record, "srv_agent_state");
    if (!operation || !admin || !weight || !initial || !result || !check || !agent)
      return Malformed("server " + row.name + " has a state that is not a number");
    row.address = AddressOf(table->Text(record, "srv_addr"), table->Text(record, "srv_port"));
    row.operation = *operation;
    row.admin = *admin;
    row.weight = *weight;
    row.initial_weight = *initial;
    row.check_result = *result;
    row.checked = (*check & kCheckEnabled) != 0;
    row.agent = (*agent & kAgentConfigured) != 0;
    rows.push_back(std::move(row));
  }
  return rows;
}

Status AddStatistics(std::string_view csv, std::string_view backend, std::vector<ServerRow>* rows) {
  const Result<Table> table = Table::Make(SplitCsv(csv), {"pxname", "svname", "scur", "status"});
  if (!table) return table.error();
  for (ServerRow& row : *rows) {
    bool found = false;
    for (const Record& record : table->records()) {
      if (table->Text(record, "pxname") != backend || table->Text(record, "svname") != row.name) continue;
      const auto sessions = table->Integer(record, "scur");
      if (!sessions) return Malformed("server " + row.name + " has a session count that is not a number");
      found = true;
      row.sessions = *sessions;
      row.status = table->Text(record, "status");
      row.tracks = table->Text(record, "tracked");
      row.agent_status = table->Text(record, "agent_status");
      // Unix sockets and names have no address in the other table; here it is told at level operator and above.
      if (row.address.empty()) row.address = table->Text(record, "addr");
    }
    if (!found) return Malformed("server " + row.name + " is missing in `show stat`");
  }
  return Ok();
}

}  // namespace vmferry::haproxy
