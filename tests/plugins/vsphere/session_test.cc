// SPDX-License-Identifier: Apache-2.0
//
// The plugin against a scripted server: what is sent when, what is replayed, and what errors say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <mutex>

#include "plugins/source_platform.h"
#include "plugins/source_privileges.h"
#include "plugins/vsphere/vsphere.h"
#include "tests/plugins/scripted_server.h"

namespace vmferry::vsphere {
namespace {

using test::Certificate;
using test::HttpAnswer;
using test::MakeCertificate;
using test::ScriptedServer;
using test::TempFile;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kPassword = "s3cr3t a<&>\"'";
constexpr const char* kCookie = "vmware_soap_session=\"cookie-1234\"";

std::string Soap(const std::string& body) {
  return R"(<?xml version="1.0"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" )"
         R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><e:Body>)" +
         body + "</e:Body></e:Envelope>";
}
std::string Response(const std::string& method, const std::string& returnval) {
  return HttpAnswer(200,
                    Soap("<" + method + "Response xmlns=\"urn:vim25\">" + returnval + "</" + method + "Response>"));
}
std::string Fault(const std::string& type, const std::string& text) {
  return HttpAnswer(500, Soap("<e:Fault><faultstring>" + text + "</faultstring><detail><" + type +
                              "Fault xmlns=\"urn:vim25\" xsi:type=\"" + type + "\"/></detail></e:Fault>"));
}

const std::map<std::string, std::string> kUsual{
    {"RetrieveServiceContent",
     Response(
         "RetrieveServiceContent",
         R"(<returnval><rootFolder type="Folder">group-d1</rootFolder>)"
         R"(<propertyCollector type="PropertyCollector">pc</propertyCollector>)"
         R"(<futureThing type="FutureThing">f</futureThing><about><fullName>VMware vCenter Server 8.0.1</fullName>)"
         R"(<apiVersion>8.0.1.0</apiVersion><apiType>VirtualCenter</apiType></about>)"
         R"(<sessionManager type="SessionManager">sm</sessionManager>)"
         R"(<searchIndex type="SearchIndex">si</searchIndex>)"
         R"(<authorizationManager type="AuthorizationManager">am</authorizationManager></returnval>)")},
    {"Login", HttpAnswer(200,
                         Soap(R"(<LoginResponse xmlns="urn:vim25"><returnval><key>key-7</key><userName>VSPHERE.LOCAL\lab</userName>)"
                              R"(</returnval></LoginResponse>)"),
                         std::string("Set-Cookie: ") + kCookie + "; Path=/; HttpOnly; Secure\r\n")},
    {"FindByInventoryPath", Response("FindByInventoryPath", R"(<returnval type="VirtualMachine">vm-42</returnval>)")},
    {"RetrievePropertiesEx",
     Response("RetrievePropertiesEx",
              R"(<returnval><objects><obj type="VirtualMachine">vm-42</obj>)"
              R"(<propSet><name>config.changeVersion</name><val>v1</val></propSet>)"
              R"(<propSet><name>config.hardware</name><val><numCPU>1</numCPU></val></propSet>)"
              R"(<propSet><name>runtime.powerState</name><val>poweredOn</val></propSet></objects></returnval>)")},
    {"Logout", Response("Logout", "")},
};

std::string MethodOf(const std::string& request) {
  const auto body = request.find("<soapenv:Body><");
  if (body == std::string::npos) return "";
  return request.substr(body + 15, request.find_first_of(" >", body + 15) - body - 15);
}

class SessionTest : public ::testing::Test {
 protected:
  // One answer to the next call of a method, before the usual one.
  void Next(const std::string& method, const std::string& answer) { next_.emplace(method, answer); }
  std::string Answer(const std::string& request) {
    const std::lock_guard lock(mutex_);
    const std::string method = MethodOf(request);
    methods_.push_back(method);
    const auto next = next_.find(method);
    if (next != next_.end()) {
      const std::string answer = next->second;
      next_.erase(next);
      return answer;
    }
    const auto usual = kUsual.find(method);
    return usual == kUsual.end() ? Fault("NotImplemented", method) : usual->second;
  }
  std::shared_ptr<Plugin> Make() {
    auto made = VsphereKind().make(
        {"vmware",
         {{"url", server_.url()}, {"user", "lab"}, {"password", "env:PW"}, {"caFile", ca_file_.path()}},
         [this](const std::string& reference) -> Result<std::string> {
           EXPECT_EQ(reference, "env:PW");
           ++resolved_;
           return password_;
         }});
    EXPECT_TRUE(made.ok());
    return *made;
  }
  template <class Request, class Reply>
  Result<Reply> Ask(const Call<Request, Reply>& call, const Request& request, int timeout_ms = 5000) {
    auto answer = Invoke(*plugin_, call, request, CallContext{{}, std::chrono::milliseconds(timeout_ms)});
    if (!answer) {
      const std::string shown = Describe(answer.error()) + Json(answer.error().message).dump();
      EXPECT_THAT(shown, Not(HasSubstr("s3cr3t")));
      EXPECT_THAT(shown, Not(HasSubstr("cookie-1234")));
    }
    return answer;
  }
  Result<PowerReply> Shutdown() { return Ask(source::kRequestShutdown, {"/DC0/vm/web1", "", ""}); }
  long Count(const std::string& method) {
    const std::lock_guard lock(mutex_);
    return std::count(methods_.begin(), methods_.end(), method);
  }

  std::string password_ = kPassword;
  int resolved_ = 0;
  std::mutex mutex_;
  std::multimap<std::string, std::string> next_;
  std::vector<std::string> methods_;
  const Certificate certificate_ = MakeCertificate({});
  const TempFile ca_file_{certificate_.pem};
  ScriptedServer server_{[this](const std::string& request) { return Answer(request); }, &certificate_};
  std::shared_ptr<Plugin> plugin_ = Make();
};

TEST_F(SessionTest, FirstCallConnectsLogsInAndSpeaksTheServersVersion) {
  EXPECT_EQ(resolved_, 0);
  EXPECT_EQ(server_.connections(), 0);
  const auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_EQ(facts->product, "VMware vCenter Server 8.0.1");
  EXPECT_EQ(facts->api_version, "8.0.1.0");
  EXPECT_EQ(facts->user, "VSPHERE.LOCAL\\lab");
  EXPECT_THAT(methods_,
              ElementsAre("RetrieveServiceContent", "RetrieveServiceContent", "Login", "RetrievePropertiesEx"));
  const auto requests = server_.requests();
  EXPECT_THAT(requests[0], HasSubstr("SOAPAction: urn:vim25/6.5\r\n"));
  EXPECT_THAT(requests[2], HasSubstr("SOAPAction: urn:vim25/8.0.1.0\r\n"));
  EXPECT_THAT(requests[2], HasSubstr("<password>s3cr3t a&lt;&amp;&gt;\"'</password>"));
  EXPECT_THAT(requests[3], HasSubstr(std::string("Cookie: ") + kCookie));
}

std::string Privileges(const std::map<std::string, bool>& granted) {
  std::string text = R"(<returnval><entity type="VirtualMachine">vm-42</entity>)";
  for (const auto& [privilege, yes] : granted)
    text += "<privAvailability><privId>" + privilege + "</privId><isGranted>" + (yes ? "true" : "false") +
            "</isGranted></privAvailability>";
  return Response("HasPrivilegeOnEntities", text + "</returnval>");
}

TEST_F(SessionTest, PrivilegesThatAreMissingAreNamedAndWhatIsNotToldCountsAsMissing) {
  Next("HasPrivilegeOnEntities", Privileges({{"VirtualMachine.Config.AdvancedConfig", true},
                                             {"VirtualMachine.Config.EditDevice", true},
                                             {"VirtualMachine.Interact.PowerOff", true},
                                             {"VirtualMachine.Interact.PowerOn", true}}));
  auto facts = Ask(source::kDescribePrivileges, VmQuery{"/DC0/vm/web1"});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_THAT(facts->missing, ElementsAre());
  EXPECT_EQ(facts->unproven, "");
  const std::string asked = server_.requests().back();
  EXPECT_THAT(asked, HasSubstr(">vm-42</entity><sessionId>key-7</sessionId>"));
  EXPECT_THAT(asked, HasSubstr("<privId>VirtualMachine.Interact.PowerOn</privId>"));
  Next("HasPrivilegeOnEntities", Privileges({{"VirtualMachine.Config.AdvancedConfig", true},
                                             {"VirtualMachine.Config.EditDevice", false},
                                             {"VirtualMachine.Interact.PowerOff", true}}));
  facts = Ask(source::kDescribePrivileges, VmQuery{"/DC0/vm/web1"});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_THAT(facts->missing, ElementsAre("VirtualMachine.Config.EditDevice", "VirtualMachine.Interact.PowerOn"));
}

TEST_F(SessionTest, APlatformThatCannotTellPrivilegesSaysSoAndAFailureIsOne) {
  Next("HasPrivilegeOnEntities", Fault("NoPermission", "Permission to perform this operation was denied."));
  auto facts = Ask(source::kDescribePrivileges, VmQuery{"/DC0/vm/web1"});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_THAT(facts->unproven, HasSubstr("may not ask"));
  Next("HasPrivilegeOnEntities", Response("HasPrivilegeOnEntities", ""));
  facts = Ask(source::kDescribePrivileges, VmQuery{"/DC0/vm/web1"});
  ASSERT_TRUE(facts.ok()) << Describe(facts.error());
  EXPECT_THAT(facts->unproven, HasSubstr("told nothing"));
  Next("HasPrivilegeOnEntities", HttpAnswer(503, "down"));
  EXPECT_EQ(Ask(source::kDescribePrivileges, VmQuery{"/DC0/vm/web1"}).error().kind, ErrorKind::kUnavailable);
}

TEST_F(SessionTest, ServerThatRefusesTheVersionIsAskedWithoutOne) {
  Next("RetrieveServiceContent",
       HttpAnswer(500, Soap("<e:Fault><faultstring>Unsupported version URI</faultstring></e:Fault>")));
  EXPECT_TRUE(Ask(source::kDescribePlatform, PlatformQuery{}).ok());
  EXPECT_THAT(server_.requests().at(1), HasSubstr("SOAPAction: urn:vim25\r\n"));
}

TEST_F(SessionTest, LeavingLogsOut) {
  EXPECT_TRUE(Ask(source::kDescribePlatform, PlatformQuery{}).ok());
  plugin_.reset();
  EXPECT_EQ(Count("Logout"), 1);
}

TEST_F(SessionTest, RefusedPasswordIsNotSentAgainAtOnceAndNotShown) {
  Next("Login", Fault("InvalidLogin", "Cannot complete login due to an incorrect user name or password."));
  const auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  ASSERT_FALSE(facts.ok());
  EXPECT_EQ(facts.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(facts.error().system, "vmware (" + server_.url() + ")");
  EXPECT_EQ(facts.error().object, "user lab");
  EXPECT_THAT(facts.error().message, HasSubstr("incorrect user name or password. (InvalidLogin)"));
  EXPECT_FALSE(Shutdown().ok());
  EXPECT_EQ(Count("Login"), 1);
}

TEST_F(SessionTest, WriteIsReplayedAfterNotAuthenticatedButOnlyOnce) {
  Next("ShutdownGuest", Fault("NotAuthenticated", "The session is not authenticated."));
  Next("ShutdownGuest", Response("ShutdownGuest", ""));
  EXPECT_TRUE(Shutdown().ok());
  EXPECT_EQ(Count("ShutdownGuest"), 2);
  EXPECT_EQ(Count("Login"), 2);
  EXPECT_EQ(resolved_, 2) << "the password is resolved at each login";
  for (int i = 0; i < 3; ++i) Next("ShutdownGuest", Fault("NotAuthenticated", "The session is not authenticated."));
  const auto refused = Shutdown();
  EXPECT_EQ(refused.error().kind, ErrorKind::kDenied);
  EXPECT_EQ(Count("ShutdownGuest"), 4);
}

TEST_F(SessionTest, WriteWhoseAnswerIsLostIsUnknownAndNotReplayed) {
  for (const std::string& answer : {test::kClose, HttpAnswer(503, "upstream is gone"), HttpAnswer(200, "<html/>")}) {
    const long before = Count("ShutdownGuest");
    Next("ShutdownGuest", answer);
    const auto lost = Shutdown();
    ASSERT_FALSE(lost.ok());
    EXPECT_EQ(lost.error().kind, ErrorKind::kUnknownOutcome) << Describe(lost.error());
    EXPECT_EQ(lost.error().object, "VM /DC0/vm/web1");
    EXPECT_EQ(Count("ShutdownGuest"), before + 1);
  }
}

TEST_F(SessionTest, ReadThatFailsIsSafeToRetry) {
  for (const std::string& answer : {HttpAnswer(503, "starting"), test::kClose}) {
    Next("FindByInventoryPath", answer);
    Next("FindByInventoryPath", answer);
    const auto facts = Ask(source::kDescribeVm, VmQuery{"/DC0/vm/web1"});
    ASSERT_FALSE(facts.ok());
    EXPECT_TRUE(SafeToRetry(facts.error())) << Describe(facts.error());
    next_.clear();
  }
}

TEST_F(SessionTest, WrongPathOfTheApiIsInvalid) {
  Next("RetrieveServiceContent", HttpAnswer(404, "nothing here"));
  Next("RetrieveServiceContent", HttpAnswer(404, "nothing here"));
  const auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  EXPECT_EQ(facts.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(facts.error().advice, HasSubstr("/sdk"));
}

TEST_F(SessionTest, GuestWithoutToolsIsInvalidInThePlatformsWords) {
  Next("ShutdownGuest", Fault("ToolsUnavailable", "Cannot complete operation because VMware Tools is not running."));
  const auto refused = Shutdown();
  EXPECT_EQ(refused.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(refused.error().message, HasSubstr("VMware Tools is not running. (ToolsUnavailable)"));
}

TEST_F(SessionTest, ClaimOfAnotherStopsPowerCallsBeforeTheyDoAnything) {
  const auto refused = Ask(source::kEnsurePoweredOff, {"/DC0/vm/web1", "run-1/shop/web1", ""});
  EXPECT_EQ(refused.error().kind, ErrorKind::kConflict);
  EXPECT_EQ(Count("PowerOffVM_Task"), 0);
}

TEST_F(SessionTest, PasswordThatCannotBeResolvedIsNotSent) {
  plugin_ = *VsphereKind().make(
      {"vmware",
       {{"url", server_.url()}, {"user", "lab"}, {"password", "env:NONE"}, {"caFile", ca_file_.path()}},
       [](const std::string&) -> Result<std::string> {
         return Error{ErrorKind::kInvalid, "", "", "the variable NONE is not set", "set it"};
       }});
  const auto facts = Ask(source::kDescribePlatform, PlatformQuery{});
  EXPECT_THAT(facts.error().message, HasSubstr("NONE is not set"));
  EXPECT_EQ(Count("Login"), 0);
}

TEST(VsphereKindTest, SettingsAreCheckedBeforeAnythingIsSent) {
  const auto Make = [](Json settings) { return VsphereKind().make({"vmware", std::move(settings), {}}); };
  EXPECT_TRUE(Make({{"url", "https://vc1"}, {"user", "u"}, {"password", "env:P"}}).ok());
  EXPECT_EQ((*Make({{"url", "https://vc1"}}))->system(), "vmware (https://vc1)");
  EXPECT_EQ(Make({{"url", "http://vc1/sdk"}}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Make({{"url", "vc1"}}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(Make({{"url", "https://vc1"}, {"thumbprint", "AA:BB"}}).error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(Describe(Make({{"url", "https://root:pw9@vc1/sdk"}}).error()), Not(HasSubstr("pw9")));
}

TEST(VsphereKindTest, EverySettingIsTold) {
  std::vector<std::string> names;
  for (const SettingSpec& setting : VsphereKind().settings) names.push_back(setting.name);
  EXPECT_THAT(names, ElementsAre("url", "user", "password", "caFile", "thumbprint"));
  EXPECT_THAT(VsphereKind().roles, ElementsAre("source"));
}

}  // namespace
}  // namespace vmferry::vsphere
