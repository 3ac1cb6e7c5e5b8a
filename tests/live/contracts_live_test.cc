// SPDX-License-Identifier: Apache-2.0
//
// The contract suites on the real plugins: vsphere on the lab's vCenter, libvirt, haproxy and http. Run by the lab's
// script, which names the lab's env file in VMFERRY_LAB_ENV; without it every test fails. Each harness puts its system
// into the state the suite begins with; the truth comes from the lab's control endpoint, virsh, qemu-img, the files
// and HAProxy's own words.
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include "plugins/registry.h"
#include "tests/contracts/load_balancer_contract.h"
#include "tests/contracts/probe_contract.h"
#include "tests/contracts/source_contract.h"
#include "tests/contracts/target_contract.h"

namespace vmferry::contracts {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

// NAME='value' lines; empty if there is no lab.
const std::map<std::string, std::string>& Lab() {
  static const std::map<std::string, std::string> lab = [] {
    std::map<std::string, std::string> values;
    const char* path = std::getenv("VMFERRY_LAB_ENV");
    std::istringstream lines(path == nullptr ? "" : ReadFile(path));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t equals = line.find("='");
      if (equals != std::string::npos)
        values[line.substr(0, equals)] = line.substr(equals + 2, line.size() - equals - 3);
    }
    return values;
  }();
  return lab;
}

std::string Value(const std::string& name) {
  const auto entry = Lab().find(name);
  EXPECT_NE(entry, Lab().end()) << name << " is missing: VMFERRY_LAB_ENV must name the env file of a running lab";
  return entry == Lab().end() ? "" : entry->second;
}
bool Has(const std::string& name) {
  return Lab().contains(name);
}

struct Output {
  int status = -1;
  std::string text;
};

// Runs a program without a shell's surprises: each word is quoted.
Output Run(const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) {
    command += "'";
    for (const char c : word) command += c == '\'' ? std::string("'\\''") : std::string(1, c);
    command += "' ";
  }
  Output output;
  FILE* pipe = popen((command + "2>&1").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer{};
  while (const std::size_t read = fread(buffer.data(), 1, buffer.size(), pipe)) output.text.append(buffer.data(), read);
  output.status = pclose(pipe);
  return output;
}

std::string Http(const std::string& method, const std::string& url, const std::string& body = "") {
  std::vector<std::string> words{"curl", "-fsS", "--max-time", "30", "-X", method, url};
  if (!body.empty()) words.insert(words.end(), {"--data-binary", body});
  const Output output = Run(words);
  EXPECT_EQ(output.status, 0) << method << " " << url << ": " << output.text;
  return output.text;
}

bool Pause() {
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  return true;
}

std::shared_ptr<Plugin> Make(const std::string& kind, const Json& settings) {
  const PluginKind* found = FindPluginKind(kind);
  Result<std::shared_ptr<Plugin>> plugin = found->make({"lab", settings, ResolveSecret});
  EXPECT_TRUE(plugin.ok()) << Text(plugin);
  return plugin ? *plugin : nullptr;
}

// One VM of the lab's vCenter, through the control endpoint.
class LabVm {
 public:
  explicit LabVm(std::string path) : path_(std::move(path)) {}

  Json Look() const {
    const Json vms = Json::parse(Http("GET", Value("VC_CONTROL") + "/vms"), nullptr, false);
    for (const Json& vm : vms)
      if (vm.value("path", "") == path_) return vm;
    ADD_FAILURE() << "the lab has no VM " << path_;
    return Json::object();
  }
  bool On() const { return Look().value("power_state", "") == "poweredOn"; }
  void Act(const std::string& action) const {
    std::string escaped;
    for (const char c : path_) escaped += c == '/' ? std::string("%2F") : std::string(1, c);
    Http("POST", Value("VC_CONTROL") + "/vms/" + escaped + "/" + action);
  }
  void PowerOn() const {
    if (!On()) Act("power-on");
  }
  // Powered on, with the guest's tools at work.
  void BringUp() const {
    PowerOn();
    EXPECT_TRUE(Until([&] { return Look().value("tools", "") == "guestToolsRunning"; }, Pause)) << "tools of " << path_;
  }

 private:
  const std::string path_;
};

// The first application whose VM's name is unique; another's VM may be there twice.
std::string UniqueApp() {
  for (int i = 1; i <= 15; ++i) {
    const std::string app = "APP" + std::to_string(i);
    if (Has(app + "_VM_PATH") && !Has(app + "_DUPLICATE_VM_PATH")) return app;
  }
  ADD_FAILURE() << "VMFERRY_LAB_ENV must name the env file of a running lab";
  return "APP1";
}

class VsphereHarness final : public SourceHarness {
 public:
  VsphereHarness() : path_(Value(UniqueApp() + "_VM_PATH")), vm_(path_) {
    if (path_.empty()) return;
    plugin_ = Make("vsphere", {{"url", Value("VC_URL")},
                               {"user", Value("VC_USER")},
                               {"password", "file:" + Value("VC_PASSWORD_FILE")},
                               {"caFile", Value("VC_CA")}});
    Http("DELETE", Value("VC_CONTROL") + "/faults");
    EndLeases();
    Reset();
    vm_.PowerOn();
  }
  ~VsphereHarness() override {
    if (!plugin_) return;
    Http("DELETE", Value("VC_CONTROL") + "/faults");
    EndLeases();
    Reset();
  }
  bool usable() const { return plugin_ != nullptr; }

  Plugin& plugin() override { return *plugin_; }
  std::string vm() override { return path_; }
  std::string ambiguous_name() override {
    if (!Has("APP1_DUPLICATE_VM_PATH")) return "";
    const std::string path = Value("APP1_DUPLICATE_VM_PATH");
    return path.substr(path.rfind('/') + 1);
  }
  void AwaitTools() override { vm_.BringUp(); }
  bool PoweredOn() override { return vm_.On(); }
  int OpenLeases() override {
    return static_cast<int>(Json::parse(Http("GET", Value("VC_CONTROL") + "/leases"), nullptr, false).size());
  }
  int SnapshotCount() override { return static_cast<int>(vm_.Look().at("snapshots").size()); }
  std::string DiskBytes(const DiskFacts& disk) override {
    const Json vm = vm_.Look();
    for (const Json& entry : vm.at("disks"))
      if (std::to_string(entry.at("key").get<int>()) == disk.id) return ReadFile(entry.at("path").get<std::string>());
    return "";
  }
  void Reconfigure() override { vm_.Act("touch"); }
  bool StopTools() override {
    // What vSphere answers then; the lab's guests cannot stop their tools.
    Http("POST", Value("VC_CONTROL") + "/faults",
         R"({"method": "ShutdownGuest", "action": "fault", "fault": "ToolsUnavailable", "count": 0,
             "message": "Cannot complete operation because VMware Tools is not running in this virtual machine."})");
    return true;
  }
  bool Breathe() override { return Pause(); }

 private:
  // Leases outlive a test that failed half-way; they end with the task behind them or with their time.
  void EndLeases() {
    if (OpenLeases() == 0) return;
    for (const Json& lease : Json::parse(Http("GET", Value("VC_CONTROL") + "/leases"), nullptr, false))
      (void)Asker (*plugin_)(source::kCloseExport, CloseExportRequest{lease.value("ref", ""), false});
    EXPECT_TRUE(Until([&] { return OpenLeases() == 0; }, Pause)) << "an export stayed open";
  }
  // Unclaimed, unfenced, without our snapshot. Through the plugin, since nothing else can; the suite judges it.
  void Reset() {
    const Asker ask(*plugin_);
    const auto facts = ask(source::kDescribeVm, VmQuery{path_});
    ASSERT_GOOD(facts);
    std::string claim = facts->claim;
    SetNicStartRequest unfence{path_, "", {}, ""};
    bool fenced = !facts->fence.empty();
    for (const NicFacts& nic : facts->nics) {
      unfence.nics.push_back({nic.id, true});
      fenced = fenced || !nic.start_connected;
    }
    if (fenced) {
      if (claim.empty()) {
        claim = "reset";
        EXPECT_GOOD(ask(source::kClaimVm, ClaimRequest{path_, claim, facts->change_version}));
      }
      unfence.claim = claim;
      EXPECT_GOOD(ask(source::kSetNicStart, unfence));
      if (vm_.On()) vm_.Act("power-off");
    }
    if (!claim.empty()) {
      EXPECT_GOOD(ask(source::kReleaseVm, ReleaseRequest{path_, claim, ""}));
    }
    EXPECT_GOOD(ask(source::kEnsureNoSnapshot, SnapshotRequest{path_, "vmferry", "key1"}));
  }

  const std::string path_;
  const LabVm vm_;
  std::shared_ptr<Plugin> plugin_;
};

class LibvirtHarness final : public TargetHarness {
 public:
  LibvirtHarness() : uri_(Value("LIBVIRT_URI")), prefix_("contract-" + std::to_string(getpid()) + "-") {
    if (!uri_.empty()) plugin_ = Make("libvirt", {{"uri", uri_}});
  }
  ~LibvirtHarness() override {
    for (int i = 1; i <= names_; ++i) {
      if (!DomainThere(Name(i))) continue;
      Virsh({"destroy", Name(i)});
      Virsh({"undefine", Name(i)});
    }
    if (!plugin_) return;
    for (const auto& file : std::filesystem::directory_iterator(Value("POOL_DIR")))
      if (file.path().filename().string().starts_with(prefix_)) std::filesystem::remove(file.path());
    Virsh({"pool-refresh", pool()});
  }
  bool usable() const { return plugin_ != nullptr; }

  Plugin& plugin() override { return *plugin_; }
  std::string pool() override { return Value("POOL"); }
  std::string FreshName() override { return Name(++names_); }
  std::string domain_type() override { return Value("LIBVIRT_DOMAIN_TYPE"); }
  std::string full_pool() override { return Has("FULL_POOL") ? Value("FULL_POOL") : ""; }

  std::string GuestView(const std::string& volume) override {
    const std::string copy = FileOf(Name(0) + "view");
    const Output info = Run({"qemu-img", "info", "-U", "--output=json", FileOf(volume)});
    const std::string name = volume.ends_with(".raw") ? "raw" : FormatOf(info.text);
    const Output output = Run({"qemu-img", "convert", "-U", "-f", name, "-O", "raw", FileOf(volume), copy});
    EXPECT_EQ(output.status, 0) << output.text;
    const std::string bytes = ReadFile(copy);
    std::filesystem::remove(copy);
    return bytes;
  }
  bool VolumeThere(const std::string& volume) override { return std::filesystem::exists(FileOf(volume)); }
  bool DomainThere(const std::string& domain) override { return Virsh({"dominfo", domain}).status == 0; }
  bool DomainRuns(const std::string& domain) override {
    return Virsh({"domstate", domain}).text.starts_with("running");
  }
  void DefineForeign(const std::string& domain) override {
    const std::string file = FileOf(Name(0) + "foreign.xml");
    std::ofstream(file) << "<domain type='" << domain_type() << "'><name>" << domain
                        << "</name><memory unit='MiB'>64</memory><os><type>hvm</type></os></domain>";
    const Output output = Virsh({"define", file});
    EXPECT_EQ(output.status, 0) << output.text;
  }
  bool Breathe() override { return Pause(); }

 private:
  std::string Name(int number) const { return prefix_ + std::to_string(number); }
  static std::string FileOf(const std::string& name) { return Value("POOL_DIR") + "/" + name; }
  static std::string FormatOf(const std::string& info) {
    const Json json = Json::parse(info, nullptr, false);
    return json.is_object() ? json.value("format", "raw") : "raw";
  }
  Output Virsh(std::vector<std::string> words) const {
    words.insert(words.begin(), {"virsh", "-q", "-c", uri_});
    return Run(words);
  }

  const std::string uri_;
  const std::string prefix_;
  std::shared_ptr<Plugin> plugin_;
  int names_ = 0;
};

class HaproxyHarness final : public LoadBalancerHarness {
 public:
  HaproxyHarness() : vm_(Value("APP1_VM_PATH")) {
    Json instances = Json::array();
    Json files = Json::array();
    for (int i = 1; Has(Prefix(i) + "_SOCKET"); ++i) {
      sockets_.push_back(Value(Prefix(i) + "_SOCKET"));
      instances.push_back("unix:" + sockets_.back());
      files.push_back(Value(Prefix(i) + "_STATE_FILE"));
    }
    EXPECT_FALSE(sockets_.empty()) << "VMFERRY_LAB_ENV must name the env file of a running lab";
    if (sockets_.empty()) return;
    const Json persist{{"stateFile", files.size() == 1 ? files[0] : files}};
    plugin_ = Make("haproxy", {{"instances", instances}, {"persist", persist}});
    Reset();
    vm_.BringUp();
  }
  ~HaproxyHarness() override {
    if (plugin_) Reset();
  }
  bool usable() const { return plugin_ != nullptr; }

  Plugin& plugin() override { return *plugin_; }
  std::string pool() override { return "app1"; }
  std::string ready_server() override { return "vmware"; }
  std::string idle_server() override { return "kvm"; }
  int instances() override { return static_cast<int>(sockets_.size()); }

  // Columns of `show servers state`: 4 name, 7 administrative state (bits), 8 weight (management guide, 9.3).
  std::string StateOn(int instance, const std::string& server) override {
    const int bits = std::atoi(Column(instance, server, 7).c_str());
    if ((bits & (0x01 | 0x02 | 0x04 | 0x20)) != 0) return "maint";
    return (bits & (0x08 | 0x10)) != 0 ? "drain" : "ready";
  }
  int WeightOn(int instance, const std::string& server) override {
    return std::atoi(Column(instance, server, 8).c_str());
  }
  void SetStateOn(int instance, const std::string& server, const std::string& state) override {
    EXPECT_EQ(Say(instance, "set server app1/" + server + " state " + state), "");
  }
  bool Breathe() override { return Pause(); }

 private:
  static std::string Prefix(int instance) { return instance == 1 ? "HAPROXY" : "HAPROXY" + std::to_string(instance); }
  // Through the plugin, so that the state files follow.
  void Reset() {
    const Asker ask(*plugin_);
    EXPECT_GOOD(ask(load_balancer::kSetServer, SetServerRequest{pool(), "vmware", "ready", 1}));
    EXPECT_GOOD(ask(load_balancer::kSetServer, SetServerRequest{pool(), "kvm", "maint", 1}));
  }
  // Asked by Python, as the lab's own checks do; curl cannot.
  std::string Say(int instance, const std::string& command) const {
    const Output output = Run({"python3", "-c",
                               "import socket, sys\n"
                               "s = socket.socket(socket.AF_UNIX)\n"
                               "s.connect(sys.argv[1])\n"
                               "s.sendall(sys.argv[2].encode() + b'\\n')\n"
                               "sys.stdout.write(b''.join(iter(lambda: s.recv(65536), b'')).decode().strip())\n",
                               sockets_.at(static_cast<std::size_t>(instance)), command});
    EXPECT_EQ(output.status, 0) << output.text;
    return output.text;
  }
  std::string Column(int instance, const std::string& server, int number) const {
    std::istringstream lines(Say(instance, "show servers state app1"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::vector<std::string> columns;
      for (std::string word; words >> word;) columns.push_back(word);
      if (columns.size() > 8 && columns[3] == server) return columns[static_cast<std::size_t>(number - 1)];
    }
    ADD_FAILURE() << "no server " << server;
    return "";
  }

  const LabVm vm_;
  std::vector<std::string> sockets_;
  std::shared_ptr<Plugin> plugin_;
};

class HttpHarness final : public ProbeHarness {
 public:
  HttpHarness() : vm_(Value("APP1_VM_PATH")) {
    if (Lab().empty()) return;
    guest_ = "http://127.0.0.1:" + Value("APP1_VMWARE_PORT");
    plugin_ = Make("http", Json::object());
    vm_.BringUp();
    const auto answers = [&] { return Run({"curl", "-fsS", "--max-time", "5", guest_ + "/healthz"}).status == 0; };
    EXPECT_TRUE(Until(answers, Pause)) << guest_ << " does not become healthy";
  }
  ~HttpHarness() override {
    if (made_sick_) Http("POST", guest_ + "/cgi-bin/well", "x");
  }
  bool usable() const { return plugin_ != nullptr; }

  Plugin& plugin() override { return *plugin_; }
  std::string healthy_url() override { return guest_ + "/cgi-bin/whoami"; }
  std::string healthy_text() override { return "vendor=VMware"; }
  std::string sick_url() override {
    Http("POST", guest_ + "/cgi-bin/sick", "x");
    made_sick_ = true;
    const std::string url = guest_ + "/healthz";
    // The guest changes its server for one that can answer 503: connections are reset meanwhile.
    const auto sick = [&] {
      return Run({"curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "5", url}).text == "503";
    };
    EXPECT_TRUE(Until(sick, Pause)) << url << " does not become sick";
    return url;
  }
  std::string closed_url() override { return "http://127.0.0.1:" + Value("APP1_KVM_PORT") + "/healthz"; }
  std::string long_url() override {
    Http("POST", guest_ + "/cgi-bin/record", std::string(300, 'r'));
    return guest_ + "/cgi-bin/records";
  }

 private:
  const LabVm vm_;
  std::string guest_;
  std::shared_ptr<Plugin> plugin_;
  bool made_sick_ = false;
};

// No harness without a lab: the suite's SetUp then fails.
template <class Base, class Real>
Maker<Base> Lives(const std::string& name) {
  return {name, []() -> std::unique_ptr<Base> {
            auto harness = std::make_unique<Real>();
            if (!harness->usable()) return nullptr;
            return harness;
          }};
}

INSTANTIATE_TEST_SUITE_P(Live, SourceContract, ::testing::Values(Lives<SourceHarness, VsphereHarness>("vsphere")),
                         MakerName());
INSTANTIATE_TEST_SUITE_P(Live, TargetContract, ::testing::Values(Lives<TargetHarness, LibvirtHarness>("libvirt")),
                         MakerName());
INSTANTIATE_TEST_SUITE_P(Live, LoadBalancerContract,
                         ::testing::Values(Lives<LoadBalancerHarness, HaproxyHarness>("haproxy")), MakerName());
INSTANTIATE_TEST_SUITE_P(Live, ProbeContract, ::testing::Values(Lives<ProbeHarness, HttpHarness>("http")), MakerName());

}  // namespace
}  // namespace vmferry::contracts
