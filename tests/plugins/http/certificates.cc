// SPDX-License-Identifier: Apache-2.0
#include "tests/plugins/http/certificates.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>

namespace vmferry::testing_http {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

void Require(bool good) {
  if (!good) throw std::runtime_error("OpenSSL refused to make a test certificate");
}

Key NewKey() {
  Key key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  Require(key != nullptr);
  return key;
}

std::string ToPem(const std::function<int(BIO*)>& write) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), BIO_free);
  Require(write(memory.get()) == 1);
  char* data = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<std::size_t>(size));
}

std::unique_ptr<BIO, decltype(&BIO_free)> Memory(const std::string& text) {
  return {BIO_new_mem_buf(text.data(), static_cast<int>(text.size())), BIO_free};
}

Certificate ReadCertificate(const std::string& pem) {
  Certificate certificate(PEM_read_bio_X509(Memory(pem).get(), nullptr, nullptr, nullptr), X509_free);
  Require(certificate != nullptr);
  return certificate;
}

void AddExtension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  Require(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Certificate NewCertificate(const std::string& name, EVP_PKEY* key, int days) {
  Certificate certificate(X509_new(), X509_free);
  std::uint32_t serial = 0;
  Require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) == 1);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), static_cast<long>(serial >> 1) + 1);
  X509_time_adj_ex(X509_getm_notBefore(certificate.get()), -10, 0, nullptr);
  X509_time_adj_ex(X509_getm_notAfter(certificate.get()), days, 0, nullptr);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  Require(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

KeyPair Finish(X509* certificate, EVP_PKEY* own, EVP_PKEY* signer) {
  Require(X509_sign(certificate, signer, EVP_sha256()) > 0);
  return {ToPem([&](BIO* out) { return PEM_write_bio_X509(out, certificate); }),
          ToPem([&](BIO* out) { return PEM_write_bio_PrivateKey(out, own, nullptr, nullptr, 0, nullptr, nullptr); })};
}

}  // namespace

Authority::Authority(const std::string& name) {
  const Key key = NewKey();
  const Certificate certificate = NewCertificate(name, key.get(), 2);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate.get()));
  AddExtension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  own_ = Finish(certificate.get(), key.get(), key.get());
}

KeyPair Authority::Issue(const std::string& subject_names, int days) const {
  const Certificate issuer = ReadCertificate(own_.certificate);
  const Key signer(PEM_read_bio_PrivateKey(Memory(own_.key).get(), nullptr, nullptr, nullptr), EVP_PKEY_free);
  const Key key = NewKey();
  const Certificate certificate = NewCertificate("test server", key.get(), days);
  X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
  AddExtension(certificate.get(), issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name, subject_names);
  return Finish(certificate.get(), key.get(), signer.get());
}

std::string Thumbprint(const std::string& certificate_pem) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  Require(X509_digest(ReadCertificate(certificate_pem).get(), EVP_sha256(), digest.data(), &size) == 1);
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace vmferry::testing_http
