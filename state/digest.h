// SPDX-License-Identifier: Apache-2.0
//
// SHA-256 and random identifiers, by OpenSSL. Threading: free functions may be called from any thread; one Sha256
// belongs to one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace vmferry {

// Lower-case hex of the SHA-256 of `bytes`, 64 characters.
std::string Sha256Hex(std::string_view bytes);

// SHA-256 over pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void Add(std::span<const std::byte> bytes);
  // Lower-case hex; call once.
  std::string Hex();

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// `bytes` random bytes as lower-case hex.
std::string RandomHex(std::size_t bytes);

}  // namespace vmferry
