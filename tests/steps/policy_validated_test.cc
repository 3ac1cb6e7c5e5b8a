// SPDX-License-Identifier: Apache-2.0
//
// policy_validated: which devices of its host a VM may use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "stage.h"

namespace vmferry {
namespace {

using testing::HasSubstr;

struct GpuCase {
  std::string title;
  std::vector<std::string> modes;  // of the VM's devices
  std::vector<std::string> allowed;
  bool overridden = false;
  std::string refused;  // part of the message; empty: passes
};

const std::vector<GpuCase>& Cases() {
  static const std::vector<GpuCase> cases{
      {"NoDeviceWhereNoneIsAllowed", {}, {}, false, ""},
      {"Allowed", {"vgpu", "mig"}, {"mig", "vgpu"}, false, ""},
      {"OneOfTwoIsNot", {"vgpu", "passthrough"}, {"vgpu"}, false, "PCI device 1 (card) has mode passthrough"},
      {"NoneAllowed", {"sriov"}, {}, false, "PCI device 0 (card) has mode sriov"},
      {"AModeThatCannotBeTold",
       {"unknown"},
       {"passthrough", "sriov", "vgpu", "mig"},
       false,
       "has mode unknown, which policy regulated, gpuScheduling.allowModes, does not allow"},
      {"Overridden", {"passthrough"}, {"vgpu"}, true, ""},
  };
  return cases;
}

class PolicyValidated : public testing::TestWithParam<GpuCase> {
 protected:
  PolicyValidated() {
    stage_.Change([](WorldData& world) {
      FakeVm& vm = *FindVmByPath(world, "/DC0/vm/web1");
      for (const std::string& mode : GetParam().modes) {
        const std::string number = std::to_string(vm.facts.gpus.size());
        vm.facts.gpus.push_back({"1300" + number, "PCI device " + number, mode, "card"});
      }
    });
    life_ = stage_.LifeOf(*FindStep("policy_validated"), "web1");
    life_.parameters["allowModes"] = GetParam().allowed;
    life_.parameters["overridden"] = GetParam().overridden;
  }
  Stage stage_;
  Life life_;
};

TEST_P(PolicyValidated, LetsThroughWhatIsAllowed) {
  const Result<Progress> end = stage_.Finish(*FindStep("policy_validated"), life_);
  const Result<Forecast> forecast = stage_.Predict(*FindStep("policy_validated"), life_);
  ASSERT_TRUE(forecast);
  EXPECT_EQ(forecast->problems.empty(), GetParam().refused.empty()) << "a dry run says the same";
  if (!GetParam().refused.empty()) {
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(end.error().message, HasSubstr(GetParam().refused));
    EXPECT_THAT(end.error().advice, HasSubstr("--override-policy gpuScheduling.allowModes"));
    EXPECT_THAT(end.error().object, HasSubstr("web1"));
    return;
  }
  ASSERT_TRUE(end) << Describe(end.error());
  EXPECT_EQ(end->facts["devices"].size(), GetParam().modes.size());
  EXPECT_EQ(end->facts["violations"].size(), GetParam().overridden ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Table, PolicyValidated, testing::ValuesIn(Cases()),
                         [](const testing::TestParamInfo<GpuCase>& one) { return one.param.title; });

}  // namespace
}  // namespace vmferry
