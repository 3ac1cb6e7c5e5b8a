// SPDX-License-Identifier: Apache-2.0
//
// What the contract suites share. A suite (`*_contract.cc`) says what every plugin of a role must do; it is
// instantiated for the fake in fake_contracts_test.cc and for the real plugins against the lab in tests/live. A suite
// asks only what the role's header promises. Each test gets a fresh harness: the plugin, and the truth of the system
// seen without the plugin.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "plugins/call.h"

namespace vmferry::contracts {

// How to make a fresh system with its plugin. `name` names the instance in the test's name.
template <class Harness>
struct Maker {
  std::string name;
  std::function<std::unique_ptr<Harness>()> make;
};
template <class Harness>
void PrintTo(const Maker<Harness>& maker, std::ostream* out) {
  *out << maker.name;
}
struct MakerName {
  template <class Info>
  std::string operator()(const Info& info) const {
    return info.param.name;
  }
};

template <class T>
std::string Text(const Result<T>& result) {
  return result ? "ok" : Describe(result.error());
}

// The calls of one plugin, with the default context.
class Asker {
 public:
  explicit Asker(Plugin& plugin) : plugin_(plugin) {}
  template <class Request, class Answer>
  Result<Answer> operator()(const Call<Request, Answer>& call, const Request& request) const {
    return Invoke(plugin_, call, request, CallContext{});
  }

 private:
  Plugin& plugin_;
};

// Calls `look` until it is true, with `breathe` in between; a real system gets two minutes, a fake 1000 looks.
inline bool Until(const std::function<bool()>& look, const std::function<bool()>& breathe) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (int looks = 0; std::chrono::steady_clock::now() < end; ++looks) {
    if (look()) return true;
    if (!breathe() && looks > 1000) return false;
  }
  return false;
}

#define ASSERT_GOOD(result) ASSERT_TRUE((result).ok()) << vmferry::contracts::Text(result)
#define EXPECT_GOOD(result) EXPECT_TRUE((result).ok()) << vmferry::contracts::Text(result)
#define EXPECT_KIND(result, wanted)                                                                   \
  do {                                                                                                \
    const auto& kind_result = (result);                                                               \
    EXPECT_FALSE(kind_result.ok()) << "succeeded, wanted: " << vmferry::Name(wanted);                 \
    if (!kind_result.ok()) {                                                                          \
      EXPECT_EQ(vmferry::Name(kind_result.error().kind), vmferry::Name(wanted)) << Text(kind_result); \
      EXPECT_FALSE(kind_result.error().system.empty()) << "an error names its system";                \
    }                                                                                                 \
  } while (false)

}  // namespace vmferry::contracts
