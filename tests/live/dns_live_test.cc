// SPDX-License-Identifier: Apache-2.0
//
// The contract of the role "dns" on the plugin rfc2136 and the lab's name servers (BIND, a primary and a secondary).
// The truth comes from dig, other people's changes from nsupdate.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "plugins/registry.h"
#include "tests/contracts/dns_contract.h"

namespace vmferry::contracts {
namespace {

// NAME='value' lines of the lab's env file; empty if there is no lab.
std::map<std::string, std::string> Lab() {
  std::map<std::string, std::string> values;
  const char* path = std::getenv("VMFERRY_LAB_ENV");
  std::ifstream lines(path == nullptr ? "" : path);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find("='");
    if (equals != std::string::npos)
      values[line.substr(0, equals)] = line.substr(equals + 2, line.size() - equals - 3);
  }
  return values;
}

class BindHarness final : public DnsHarness {
 public:
  BindHarness() : lab_(Lab()) {
    EXPECT_TRUE(lab_.contains("BIND")) << "VMFERRY_LAB_ENV must name the env file of a running lab with bind";
    if (!lab_.contains("BIND")) return;
    const Json settings{{"servers", {lab_["BIND"], lab_["BIND2"]}},
                        {"zones", {"lab.test"}},
                        {"keyName", lab_["BIND_KEY_NAME"]},
                        {"keySecret", "file:" + lab_["BIND_SECRET_FILE"]}};
    auto made = FindPluginKind("rfc2136")->make({"names", settings, ResolveSecret});
    EXPECT_TRUE(made.ok()) << Text(made);
    if (made) plugin_ = *made;
  }
  bool usable() const { return plugin_ != nullptr; }
  Plugin& plugin() override { return *plugin_; }
  std::string zone() override { return "lab.test"; }

  RecordSet Truth(const std::string& name, const std::string& type) override {
    RecordSet records;
    std::istringstream lines(Run("dig @127.0.0.1 -p " + port() + " +tcp +noall +answer " + name + " " + type));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string owner, rr_class, rr_type, value;
      words >> owner >> records.ttl >> rr_class >> rr_type >> value;
      records.values.push_back(value);
    }
    std::sort(records.values.begin(), records.values.end());
    return records;
  }
  int Changes() override {  // the zone's serial
    return std::stoi(Run("dig @127.0.0.1 -p " + port() + " +tcp +short lab.test SOA | cut -d' ' -f3"));
  }
  void SomebodySets(const std::string& name, const std::string& type, const RecordSet& records) override {
    std::string script = "server 127.0.0.1 " + port() + "\\nzone lab.test\\nupdate delete " + name + " " + type + "\\n";
    for (const std::string& value : records.values)
      script += "update add " + name + " " + std::to_string(records.ttl) + " " + type + " " + value + "\\n";
    EXPECT_EQ(Run("printf '" + script + "send\\n' | nsupdate -v -k " + lab_["BIND_KEY_FILE"]), "");
  }
  bool Breathe() override {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return true;
  }

 private:
  std::string port() { return lab_["BIND"].substr(lab_["BIND"].find(':') + 1); }
  static std::string Run(const std::string& command) {
    std::string text;
    FILE* pipe = popen((command + " 2>&1").c_str(), "r");
    if (pipe == nullptr) return "cannot run " + command;
    std::array<char, 4096> buffer{};
    while (const std::size_t read = fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), read);
    pclose(pipe);
    return text;
  }

  std::map<std::string, std::string> lab_;
  std::shared_ptr<Plugin> plugin_;
};

// No harness without a lab: the suite's SetUp then fails.
std::unique_ptr<DnsHarness> MakeBind() {
  auto harness = std::make_unique<BindHarness>();
  if (!harness->usable()) return nullptr;
  return harness;
}

INSTANTIATE_TEST_SUITE_P(Live, DnsContract, ::testing::Values(Maker<DnsHarness>{"bind", MakeBind}), MakerName());

}  // namespace
}  // namespace vmferry::contracts
