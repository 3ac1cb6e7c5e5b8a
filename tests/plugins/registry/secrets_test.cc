// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "plugins/registry.h"

namespace vmferry {
namespace {

constexpr char kSecret[] = "hunter2 is the secret";

class SecretsTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "vmferry-secret-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    file_ = directory_ + "/password";
    unsetenv("VMFERRY_TEST_SECRET");
    unsetenv("CREDENTIALS_DIRECTORY");
  }
  void TearDown() override {
    unsetenv("VMFERRY_TEST_SECRET");
    unsetenv("CREDENTIALS_DIRECTORY");
    std::filesystem::remove_all(directory_);
  }
  void Write(const std::string& text, mode_t mode) {
    std::ofstream(file_) << text;
    ASSERT_EQ(chmod(file_.c_str(), mode), 0);
  }
  // The error's text; it must never hold the secret.
  static std::string Refusal(const std::string& reference) {
    const auto secret = ResolveSecret(reference);
    if (secret) return "accepted";
    const std::string text = Describe(secret.error());
    EXPECT_EQ(text.find("hunter2"), std::string::npos) << text;
    return text;
  }
  std::string directory_;
  std::string file_;
};

TEST_F(SecretsTest, EnvironmentVariables) {
  setenv("VMFERRY_TEST_SECRET", kSecret, 1);
  EXPECT_EQ(*ResolveSecret("env:VMFERRY_TEST_SECRET"), kSecret);
  unsetenv("VMFERRY_TEST_SECRET");
  EXPECT_EQ(Refusal("env:VMFERRY_TEST_SECRET"),
            "credential env:VMFERRY_TEST_SECRET: not found: the variable is not set; export VMFERRY_TEST_SECRET before "
            "starting vmferry");
  setenv("VMFERRY_TEST_SECRET", "", 1);
  EXPECT_NE(Refusal("env:VMFERRY_TEST_SECRET").find("is empty"), std::string::npos);
}

TEST_F(SecretsTest, TheFirstLineOfAPrivateFile) {
  Write(std::string(kSecret) + "\r\nsecond line\n", 0600);
  EXPECT_EQ(*ResolveSecret("file:" + file_), kSecret);
  Write(kSecret, 0400);
  EXPECT_EQ(*ResolveSecret("file:" + file_), kSecret);
}

TEST_F(SecretsTest, AFileOthersCanReadIsRefusedWithWhatToDo) {
  for (const mode_t mode : {0640, 0604, 0620, 0601}) {
    Write(kSecret, mode);
    EXPECT_EQ(
        Refusal("file:" + file_),
        "credential file:" + file_ + ": denied: can be read or changed by others than its owner; chmod 600 " + file_);
  }
}

TEST_F(SecretsTest, MissingEmptyAndOddFilesAreRefused) {
  EXPECT_NE(Refusal("file:" + file_).find("not found: cannot be opened: No such file"), std::string::npos);
  Write("\nhunter2 is on the second line\n", 0600);
  EXPECT_NE(Refusal("file:" + file_).find("its first line is empty"), std::string::npos);
  EXPECT_NE(Refusal("file:" + directory_).find("is not a regular file"), std::string::npos);
}

TEST_F(SecretsTest, SystemdCredentials) {
  Write(kSecret, 0440);
  EXPECT_NE(Refusal("credential:password").find("$CREDENTIALS_DIRECTORY is not set"), std::string::npos);
  setenv("CREDENTIALS_DIRECTORY", directory_.c_str(), 1);
  EXPECT_EQ(*ResolveSecret("credential:password"), kSecret);
  EXPECT_NE(Refusal("credential:other"), "accepted");
  EXPECT_NE(Refusal("credential:../password").find("cannot be a credential's name"), std::string::npos);
}

TEST_F(SecretsTest, ASecretWrittenInPlaceOfAReferenceIsRefusedAndNotRepeated) {
  for (const std::string text : {"hunter2", "hunter2:with a colon", "pass:hunter2", "hunter2:", ""}) {
    const std::string refusal = Refusal(text);
    EXPECT_NE(refusal.find("write env:NAME, file:PATH or credential:NAME"), std::string::npos) << refusal;
  }
}

}  // namespace
}  // namespace vmferry
