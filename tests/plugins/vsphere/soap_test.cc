// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/soap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/vsphere/faults.h"

namespace vmferry::vsphere {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string Envelope(const std::string& body) {
  return R"(<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" )"
         R"(xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>)" +
         body + "</soapenv:Body></soapenv:Envelope>";
}

SoapFault FaultOf(const std::string& text, const std::string& detail) {
  const auto answer = ParseAnswer(Envelope("<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>" + text +
                                           "</faultstring><detail>" + detail + "</detail></soapenv:Fault>"));
  EXPECT_TRUE(answer.ok() && answer->fault);
  return answer && answer->fault ? *answer->fault : SoapFault{};
}

TEST(SoapTest, AnyTextSurvivesTheEnvelope) {
  const std::string password = "a<&>\"'\t]]>\xc3\xbc %2f";
  SoapCall call("Login", {"SessionManager", "SessionManager"});
  call.Text("userName", "x").Text("password", password);
  const std::string text = call.Envelope();
  EXPECT_THAT(text, HasSubstr(R"(<Login xmlns="urn:vim25"><_this type="SessionManager">SessionManager</_this>)"));
  EXPECT_THAT(text, Not(HasSubstr("a<&>")));
  pugi::xml_document document;
  ASSERT_TRUE(document.load_string(text.c_str()));
  EXPECT_EQ(TextAt(document, "Envelope.Body.Login.password"), password);
}

TEST(SoapTest, AnswerIsReadWhateverItsPrefixesAreCalled) {
  const auto answer = ParseAnswer(
      R"(<s:Envelope xmlns:s="x"><s:Body><v:RetrieveResponse xmlns:v="urn:vim25"><v:returnval i:type="v:Thing">)"
      R"(<v:ref type="VirtualMachine">vm-42</v:ref><v:count>7</v:count><v:unknown><v:deep/></v:unknown>)"
      R"(<v:on>true</v:on>)"
      R"(</v:returnval></v:RetrieveResponse></s:Body></s:Envelope>)");
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(TypeIn(answer->returnval()), "Thing");
  EXPECT_EQ(RefIn(Child(answer->returnval(), "ref")), (Moref{"VirtualMachine", "vm-42"}));
  EXPECT_EQ(NumberAt(answer->returnval(), "count"), 7);
  EXPECT_TRUE(FlagAt(answer->returnval(), "on"));
  EXPECT_EQ(NumberAt(answer->returnval(), "missing.deeper", 9), 9);
}

TEST(SoapTest, WhatIsNoSoapIsCorrupt) {
  for (const char* body : {"", "<html><body>hello</body></html>", "<a><b>", "plain text"})
    EXPECT_EQ(ParseAnswer(body).error().kind, ErrorKind::kCorrupt) << body;
}

TEST(SoapTest, CopiedDeviceKeepsItsTypesUnderOurPrefixes) {
  pugi::xml_document answer;
  ASSERT_TRUE(answer.load_string(R"(<device q:type="p:VirtualVmxnet3"><key>4000</key><p:backing q:type="p:NetBacking">)"
                                 R"(<network type="Network">n-7</network>)"
                                 R"(</p:backing><value q:type="xs:int">5</value></device>)"));
  SoapCall call("ReconfigVM_Task", {"VirtualMachine", "vm-1"});
  AddCopy(call.body(), "device", answer.first_child());
  const std::string text = call.Envelope();
  EXPECT_THAT(
      text,
      HasSubstr(R"(<device xsi:type="VirtualVmxnet3"><key>4000</key><backing xsi:type="NetBacking">)"
                R"(<network type="Network">n-7</network></backing><value xsi:type="xsd:int">5</value></device>)"));
}

TEST(FaultsTest, KindFollowsTheFaultsOwnName) {
  const std::pair<const char*, ErrorKind> cases[] = {
      {"InvalidLogin", ErrorKind::kDenied},
      {"NoPermission", ErrorKind::kDenied},
      {"NotAuthenticated", ErrorKind::kDenied},
      {"ConcurrentAccess", ErrorKind::kConflict},
      {"TaskInProgress", ErrorKind::kUnavailable},
      {"FileLocked", ErrorKind::kUnavailable},
      {"ManagedObjectNotFound", ErrorKind::kNotFound},
      {"InvalidPowerState", ErrorKind::kInvalid},
      {"ToolsUnavailable", ErrorKind::kInvalid},
      {"FaultOfTheYear2040", ErrorKind::kInvalid},
  };
  for (const auto& [type, kind] : cases) {
    const SoapFault fault =
        FaultOf("in words", std::string("<") + type + R"(Fault xmlns="urn:vim25" xsi:type=")" + type + "\"/>");
    EXPECT_EQ(fault.type, type);
    EXPECT_EQ(KindOf(fault), kind) << type;
  }
}

TEST(FaultsTest, ErrorHasThePlatformsWordsTheNameAndTheMissingPrivilege) {
  const SoapFault fault = FaultOf(
      "Permission to perform this operation was denied.",
      R"(<NoPermissionFault xmlns="urn:vim25" xsi:type="NoPermission"><object type="VirtualMachine">vm-42</object>)"
      R"(<privilegeId>VirtualMachine.Interact.PowerOff</privilegeId></NoPermissionFault>)");
  const Error error = FaultError(fault, "PowerOffVM_Task");
  EXPECT_EQ(error.kind, ErrorKind::kDenied);
  EXPECT_EQ(error.message,
            "PowerOffVM_Task was refused: Permission to perform this operation was denied. "
            "[missing privilege VirtualMachine.Interact.PowerOff] (NoPermission)");
}

TEST(FaultsTest, FaultWithoutTypeIsNamedByItsElement) {
  EXPECT_EQ(FaultOf("x", R"(<InvalidStateFault xmlns="urn:vim25"/>)").type, "InvalidState");
  EXPECT_EQ(FaultOf("Unsupported version URI", "").type, "");
}

TEST(FaultsTest, FaultOfATaskIsReadFromItsInfo) {
  pugi::xml_document info;
  ASSERT_TRUE(info.load_string(
      R"(<val xsi:type="LocalizedMethodFault"><fault xsi:type="FileLocked"><file>[ds] a/a.vmx</file></fault>)"
      R"(<localizedMessage>Unable to access a file since it is locked</localizedMessage></val>)"));
  const SoapFault fault = ReadLocalizedFault(info.first_child());
  EXPECT_EQ(fault.type, "FileLocked");
  EXPECT_THAT(FaultError(fault, "PowerOnVM_Task").message, HasSubstr("locked [[ds] a/a.vmx] (FileLocked)"));
}

}  // namespace
}  // namespace vmferry::vsphere
