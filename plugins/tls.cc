// SPDX-License-Identifier: Apache-2.0
#include "plugins/tls.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

namespace vmferry {
namespace {

struct Free {
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(GENERAL_NAMES* p) const { GENERAL_NAMES_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

std::string Drain(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string NameText(const X509_NAME* name) {
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB);
  return Drain(bio.get());
}

std::string DayText(const ASN1_TIME* time) {
  std::tm tm{};
  if (ASN1_TIME_to_tm(time, &tm) != 1) return "?";
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &tm);
  return text.data();
}

std::string Thumbprint(const X509* certificate) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return "";
  std::string text;
  for (unsigned int i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4];
    text += kDigits[digest[i] & 15];
  }
  return text;
}

std::string AddressText(const ASN1_OCTET_STRING* octets) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(octets) == 4 ? AF_INET : AF_INET6;
  if (ASN1_STRING_length(octets) != 4 && ASN1_STRING_length(octets) != 16) return "?";
  return inet_ntop(family, ASN1_STRING_get0_data(octets), text.data(), text.size()) != nullptr ? text.data() : "?";
}

// The subject alternative names: "vc1.example.com, 10.0.0.5".
std::string NamesText(const X509* certificate) {
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  std::string text;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    std::string one;
    if (name->type == GEN_DNS)
      one.assign(reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                 static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName)));
    else if (name->type == GEN_IPADD)
      one = AddressText(name->d.iPAddress);
    if (!one.empty()) text += (text.empty() ? "" : ", ") + one;
  }
  return text;
}

using Cause = CertificateComplaint::Cause;

Cause CauseOf(int code) {
  switch (code) {
    case X509_V_OK:
      return Cause::kNone;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Cause::kWrongHostName;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Cause::kExpired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Cause::kNotYetValid;
    default:
      return Cause::kNotTrusted;
  }
}

CertificateComplaint Inspect(const X509* certificate) {
  CertificateComplaint found;
  found.subject = NameText(X509_get_subject_name(certificate));
  found.issuer = NameText(X509_get_issuer_name(certificate));
  found.names = NamesText(certificate);
  found.valid = DayText(X509_get0_notBefore(certificate)) + " to " + DayText(X509_get0_notAfter(certificate));
  found.thumbprint = Thumbprint(certificate);
  return found;
}

int ComplaintIndex() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// Called by OpenSSL in the handshake; `pin` is the pinned thumbprint, empty to verify chain and name.
int Verify(X509_STORE_CTX* store, void* pin_argument) {
  const auto& pin = *static_cast<const std::string*>(pin_argument);
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* complaint = static_cast<CertificateComplaint*>(SSL_get_ex_data(ssl, ComplaintIndex()));
  const X509* leaf = X509_STORE_CTX_get0_cert(store);
  CertificateComplaint found = Inspect(leaf);
  if (!pin.empty()) {
    found.cause = found.thumbprint == pin ? Cause::kNone : Cause::kWrongThumbprint;
    X509_STORE_CTX_set_error(store, found.cause == Cause::kNone ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  } else if (X509_verify_cert(store) != 1) {
    const int code = X509_STORE_CTX_get_error(store);
    found.cause = code == X509_V_OK ? Cause::kNotTrusted : CauseOf(code);
    found.detail = X509_verify_cert_error_string(code);
  }
  const bool good = found.cause == Cause::kNone;
  if (complaint != nullptr) *complaint = std::move(found);
  return good ? 1 : 0;
}

bool IsAddress(const std::string& host) {
  std::array<unsigned char, 16> raw{};
  return inet_pton(AF_INET, host.c_str(), raw.data()) == 1 || inet_pton(AF_INET6, host.c_str(), raw.data()) == 1;
}

std::string LastOpenSslError() {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  return reason == nullptr ? "no reason given" : reason;
}

}  // namespace

struct TlsClient::State {
  Owned<SSL_CTX> context;
  std::string pin;
  std::string ca_file;
};

TlsClient::TlsClient(std::unique_ptr<State> state) : state_(std::move(state)) {}
TlsClient::~TlsClient() = default;

Result<std::string> NormalizeThumbprint(std::string_view text) {
  std::string hex;
  bool good = true;
  for (const char c : text) {
    if (c == ':' || c == ' ') continue;
    good = good && std::isxdigit(static_cast<unsigned char>(c)) != 0;
    hex += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  const std::size_t digits = good ? hex.size() : 0;
  // A fresh string, since g++ 12 takes the moved one for one that fits its local buffer (-Wstringop-overread).
  if (digits == 64) return std::string(hex.begin(), hex.end());
  return Error{ErrorKind::kInvalid, "", "",
               digits == 40 ? "the thumbprint is a SHA-1 one (40 hex digits)"
                            : "the thumbprint '" + std::string(text) + "' is not 64 hex digits",
               "give the SHA-256 thumbprint of the server's certificate, as `openssl x509 -noout -fingerprint -sha256` "
               "prints it"};
}

std::string ThumbprintForPeople(std::string_view hex) {
  std::string text;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    if (i > 0 && i % 2 == 0) text += ':';
    text += static_cast<char>(std::toupper(static_cast<unsigned char>(hex[i])));
  }
  return text;
}

Result<std::string> ThumbprintOfPem(std::string_view pem) {
  const Owned<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const Owned<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) return Error{ErrorKind::kCorrupt, "", "", "not a certificate in PEM form", ""};
  return Thumbprint(certificate.get());
}

Result<std::shared_ptr<const TlsClient>> TlsClient::Make(const TlsTrust& trust) {
  auto state = std::make_unique<State>();
  state->ca_file = trust.ca_file;
  state->context.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* context = state->context.get();
  if (context == nullptr) return Error{ErrorKind::kInternal, "", "", "no TLS context: " + LastOpenSslError(), ""};
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // One system call fetches several records: needed to download at the speed of the wire.
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 256 * 1024);
  // A certificate named in the CA file is trusted itself, root or not: ESXi's are often not.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  if (!trust.thumbprint.empty()) {
    auto pin = NormalizeThumbprint(trust.thumbprint);
    if (!pin) return pin.error();
    state->pin = *pin;
  } else if (trust.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_file(context, trust.ca_file.c_str()) != 1) {
    const std::string why = LastOpenSslError();
    ERR_clear_error();
    return Error{ErrorKind::kInvalid, "", "", "the CA file " + trust.ca_file + " cannot be used: " + why,
                 "give a readable file with one or more certificates in PEM form"};
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(context, Verify, &state->pin);
  ComplaintIndex();
  return std::shared_ptr<const TlsClient>(new TlsClient(std::move(state)));
}

Result<ssl_st*> TlsClient::NewSession(const std::string& host, CertificateComplaint* complaint) const {
  SSL* ssl = SSL_new(state_->context.get());
  if (ssl == nullptr) return Error{ErrorKind::kInternal, "", "", "no TLS session: " + LastOpenSslError(), ""};
  SSL_set_ex_data(ssl, ComplaintIndex(), complaint);
  SSL_set_connect_state(ssl);
  if (IsAddress(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set1_host(ssl, host.c_str());
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set_tlsext_host_name(ssl, host.c_str());
  }
  return ssl;
}

Error TlsClient::Refusal(const std::string& host, const CertificateComplaint& complaint) const {
  const std::string presented = ThumbprintForPeople(complaint.thumbprint);
  const std::string whose = " (subject " + complaint.subject + "; issuer " + complaint.issuer + "; valid " +
                            complaint.valid + "; SHA-256 thumbprint " + presented + ")";
  const std::string pin_it =
      "if that thumbprint is the one the server's owner reads at the server, set `thumbprint` "
      "to it, or set `caFile` to the CA that signed it";
  Error error{ErrorKind::kDenied, "", "", "", pin_it};
  switch (complaint.cause) {
    case Cause::kWrongHostName:
      error.message = "the certificate is for another host: it names " +
                      (complaint.names.empty() ? "no host" : complaint.names) + ", not " + host + whose;
      error.advice = "use a name from the certificate in the address, or set `thumbprint` to pin this certificate";
      break;
    case Cause::kExpired:
      error.message = "the certificate of " + host + " has expired" + whose;
      error.advice = "renew the server's certificate and check this machine's clock";
      break;
    case Cause::kNotYetValid:
      error.message = "the certificate of " + host + " is not valid yet" + whose;
      error.advice = "check the clocks of this machine and of the server";
      break;
    case Cause::kWrongThumbprint:
      error.message = "the certificate of " + host + " is not the pinned one: pinned is " +
                      ThumbprintForPeople(state_->pin) + ", presented was another" + whose;
      error.advice =
          "if the server's certificate was renewed, set `thumbprint` to the new one after reading it at the "
          "server; otherwise somebody may stand in between";
      break;
    default:
      error.message = "the certificate of " + host + " is not trusted" +
                      (state_->ca_file.empty() ? "" : " by " + state_->ca_file) + ": " + complaint.detail + whose;
  }
  return error;
}

}  // namespace vmferry
