// SPDX-License-Identifier: Apache-2.0
#include "plugins/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "plugins/http_client.h"
#include "tests/plugins/scripted_server.h"

namespace vmferry {
namespace {

using test::Certificate;
using test::MakeCertificate;
using test::ScriptedServer;
using test::TempFile;
using ::testing::HasSubstr;

Result<HttpResponse> Get(const ScriptedServer& server, const TlsTrust& trust, const std::string& host = "127.0.0.1") {
  Url url = *ParseUrl(server.url());
  url.host = host;
  HttpClient client("vmware", url, trust);
  return client.Do(HttpRequest{}, CallContext{{}, std::chrono::seconds(10)});
}

std::string Ok(const std::string&) {
  return test::HttpAnswer(200, "ok");
}

class TlsTest : public ::testing::Test {
 protected:
  // Refused, and before anything of the request was sent.
  static Error Refused(const ScriptedServer& server, const TlsTrust& trust, const std::string& host = "127.0.0.1") {
    auto response = Get(server, trust, host);
    EXPECT_FALSE(response.ok());
    EXPECT_TRUE(server.requests().empty());
    if (response) return {};
    EXPECT_EQ(response.error().kind, ErrorKind::kDenied) << Describe(response.error());
    EXPECT_EQ(response.error().system, "vmware");
    return response.error();
  }
  const Certificate ca_ = MakeCertificate({.common_name = "test CA", .names = "", .signer = nullptr});
  const TempFile ca_file_{ca_.pem};
};

TEST_F(TlsTest, CertificateOfTheCaIsTrustedByAddressAndByName) {
  const Certificate leaf = MakeCertificate({.signer = &ca_});
  ScriptedServer server(Ok, &leaf);
  EXPECT_EQ(Get(server, {ca_file_.path(), ""})->body, "ok");
  EXPECT_EQ(Get(server, {ca_file_.path(), ""}, "localhost")->body, "ok");
}

TEST_F(TlsTest, SelfSignedCertificateIsTrustedWhenItIsInTheCaFile) {
  const Certificate leaf = MakeCertificate({});
  ScriptedServer server(Ok, &leaf);
  const TempFile file(leaf.pem);
  EXPECT_EQ(Get(server, {file.path(), ""})->body, "ok");
}

TEST_F(TlsTest, PinnedThumbprintIsEnoughInEitherForm) {
  const Certificate leaf = MakeCertificate({.names = "DNS:elsewhere", .from_days = -9, .to_days = -2});
  ScriptedServer server(Ok, &leaf);
  const std::string hex = *ThumbprintOfPem(leaf.pem);
  EXPECT_EQ(Get(server, {"", hex})->body, "ok");
  EXPECT_EQ(Get(server, {"", ThumbprintForPeople(hex)})->body, "ok");
}

TEST_F(TlsTest, UntrustedCertificateIsNamedWithThumbprintSubjectAndIssuer) {
  const Certificate leaf = MakeCertificate({.common_name = "vc1", .signer = &ca_});
  const Certificate other = MakeCertificate({.common_name = "other CA", .names = ""});
  const TempFile other_file(other.pem);
  ScriptedServer server(Ok, &leaf);
  for (const std::string& ca_file : {std::string(), other_file.path()}) {
    const Error error = Refused(server, {ca_file, ""});
    EXPECT_THAT(error.message, HasSubstr("not trusted"));
    EXPECT_THAT(error.message, HasSubstr(ThumbprintForPeople(*ThumbprintOfPem(leaf.pem))));
    EXPECT_THAT(error.message, HasSubstr("subject CN = vc1; issuer CN = test CA"));
    EXPECT_THAT(error.advice, HasSubstr("thumbprint"));
    EXPECT_THAT(error.advice, HasSubstr("caFile"));
  }
}

TEST_F(TlsTest, WrongHostNameIsNamedWithTheNamesThatWouldDo) {
  const Certificate leaf = MakeCertificate({.names = "DNS:vc1.example.com,IP:10.0.0.5", .signer = &ca_});
  ScriptedServer server(Ok, &leaf);
  const Error error = Refused(server, {ca_file_.path(), ""});
  EXPECT_THAT(error.message, HasSubstr("for another host: it names vc1.example.com, 10.0.0.5, not 127.0.0.1"));
}

TEST_F(TlsTest, ExpiredCertificateIsNamedSo) {
  const Certificate leaf = MakeCertificate({.from_days = -9, .to_days = -2, .signer = &ca_});
  ScriptedServer server(Ok, &leaf);
  EXPECT_THAT(Refused(server, {ca_file_.path(), ""}).message, HasSubstr("has expired"));
}

TEST_F(TlsTest, OtherCertificateThanThePinnedIsRefusedEvenWhenTheCaIsTrusted) {
  const Certificate leaf = MakeCertificate({.signer = &ca_});
  ScriptedServer server(Ok, &leaf);
  const Error error = Refused(server, {ca_file_.path(), std::string(64, '0')});
  EXPECT_THAT(error.message, HasSubstr("not the pinned one"));
}

TEST_F(TlsTest, UnreadableCaFileAndMalformedThumbprintAreInvalid) {
  EXPECT_EQ(TlsClient::Make({"/nowhere/ca.pem", ""}).error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(TlsClient::Make({"/nowhere/ca.pem", ""}).error().message, HasSubstr("/nowhere/ca.pem"));
  const TempFile garbage("no certificate");
  EXPECT_EQ(TlsClient::Make({garbage.path(), ""}).error().kind, ErrorKind::kInvalid);
  EXPECT_EQ(TlsClient::Make({"", "AA:BB"}).error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(NormalizeThumbprint(std::string(40, 'a')).error().message, HasSubstr("SHA-1"));
  EXPECT_EQ(NormalizeThumbprint(std::string(64, 'z')).error().kind, ErrorKind::kInvalid);
}

TEST_F(TlsTest, ServerWithoutTlsIsUnavailable) {
  ScriptedServer server(Ok);
  Url url = *ParseUrl(server.url());
  url.tls = true;
  HttpClient client("vmware", url, {});
  // The server waits for the end of a request that it takes for HTTP; the deadline ends that.
  const auto response = client.Do(HttpRequest{}, CallContext{{}, std::chrono::milliseconds(300)});
  EXPECT_EQ(response.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(response.error().message, HasSubstr("TLS"));
}

}  // namespace
}  // namespace vmferry
