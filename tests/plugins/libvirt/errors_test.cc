// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/errors.h"

#include <gtest/gtest.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cerrno>

namespace vmferry::libvirt {
namespace {

ErrorKind Read(Failure failure) {
  return KindOfCall(failure, Access::kRead, false);
}
ErrorKind Write(Failure failure) {
  return KindOfCall(failure, Access::kWrite, false);
}

TEST(LibvirtErrors, AnAnswerOfTheDaemonIsCertainEvenForAWrite) {
  EXPECT_EQ(Write({VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU, 0, "Domain not found"}), ErrorKind::kNotFound);
  EXPECT_EQ(Write({VIR_ERR_NO_STORAGE_POOL, VIR_FROM_STORAGE, 0, "no pool"}), ErrorKind::kNotFound);
  EXPECT_EQ(Write({VIR_ERR_AUTH_FAILED, VIR_FROM_QEMU, 0, "x"}), ErrorKind::kDenied);
  EXPECT_EQ(Write({VIR_ERR_ACCESS_DENIED, VIR_FROM_ACCESS, 0, "access denied"}), ErrorKind::kDenied);
  EXPECT_EQ(Write({VIR_ERR_OPERATION_DENIED, VIR_FROM_QEMU, 0, "read only access"}), ErrorKind::kDenied);
  EXPECT_EQ(Write({VIR_ERR_STORAGE_VOL_EXIST, VIR_FROM_STORAGE, 0, "x"}), ErrorKind::kConflict);
  EXPECT_EQ(Write({VIR_ERR_OPERATION_FAILED, VIR_FROM_QEMU, 0, "domain 'a' already exists with uuid b"}),
            ErrorKind::kConflict);
  EXPECT_EQ(Write({VIR_ERR_OPERATION_INVALID, VIR_FROM_QEMU, 0, "domain is not running"}), ErrorKind::kConflict);
  EXPECT_EQ(Write({VIR_ERR_XML_ERROR, VIR_FROM_DOMAIN, 0, "x"}), ErrorKind::kInvalid);
  EXPECT_EQ(Write({VIR_ERR_INTERNAL_ERROR, VIR_FROM_QEMU, 0, "process exited while connecting to monitor"}),
            ErrorKind::kInvalid);
}

TEST(LibvirtErrors, WhatPassesByItselfMayBeTriedAgain) {
  EXPECT_EQ(Write({VIR_ERR_OPERATION_TIMEOUT, VIR_FROM_QEMU, 0, "cannot acquire state change lock"}),
            ErrorKind::kUnavailable);
  EXPECT_EQ(Write({VIR_ERR_RESOURCE_BUSY, VIR_FROM_QEMU, 0, "x"}), ErrorKind::kUnavailable);
  EXPECT_EQ(Write({VIR_ERR_INTERNAL_ERROR, VIR_FROM_STORAGE, 0, "pool 'p' has asynchronous jobs running."}),
            ErrorKind::kUnavailable);
  EXPECT_EQ(Write({VIR_ERR_OPERATION_INVALID, VIR_FROM_STORAGE, 0, "volume 'v' is still being allocated."}),
            ErrorKind::kUnavailable);
}

TEST(LibvirtErrors, ALostConnectionLeavesAWriteUnknownAndAReadUnavailable) {
  const Failure cut{VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, 0, "client socket is closed"};
  EXPECT_EQ(Write(cut), ErrorKind::kUnknownOutcome);
  EXPECT_EQ(Read(cut), ErrorKind::kUnavailable);
  const Failure pipe{VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, EPIPE, "Cannot write data: Broken pipe"};
  EXPECT_EQ(Write(pipe), ErrorKind::kUnknownOutcome);
  const Failure other{VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU, 0, "x"};
  EXPECT_EQ(KindOfCall(other, Access::kWrite, true), ErrorKind::kUnknownOutcome);
}

TEST(LibvirtErrors, AFullDiskIsRecognisedByErrnoAndByText) {
  const Failure by_errno{VIR_ERR_SYSTEM_ERROR, VIR_FROM_STREAMS, ENOSPC, "Unable to write /pool/a"};
  EXPECT_TRUE(IsNoSpace(by_errno));
  EXPECT_EQ(Write(by_errno), ErrorKind::kInvalid);
  EXPECT_TRUE(IsNoSpace({VIR_ERR_INTERNAL_ERROR, VIR_FROM_NONE, 0, "qemu-img: error: No space left on device"}));
  EXPECT_FALSE(IsNoSpace({VIR_ERR_SYSTEM_ERROR, VIR_FROM_STREAMS, EIO, "Unable to write /pool/a"}));
}

TEST(LibvirtErrors, SystemErrorsKeepTheirMeaning) {
  EXPECT_EQ(Read({VIR_ERR_SYSTEM_ERROR, VIR_FROM_STORAGE, EACCES, "x"}), ErrorKind::kDenied);
  EXPECT_EQ(Read({VIR_ERR_SYSTEM_ERROR, VIR_FROM_STORAGE, ENOENT, "x"}), ErrorKind::kNotFound);
  EXPECT_EQ(Read({VIR_ERR_SYSTEM_ERROR, VIR_FROM_STORAGE, EBUSY, "x"}), ErrorKind::kUnavailable);
  EXPECT_EQ(Read({VIR_ERR_SYSTEM_ERROR, VIR_FROM_STORAGE, EINVAL, "x"}), ErrorKind::kInvalid);
}

TEST(LibvirtErrors, AConnectionThatCannotBeOpenedIsNeverUnknown) {
  EXPECT_EQ(KindOfConnect({VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, ECONNREFUSED, "Failed to connect socket"}),
            ErrorKind::kUnavailable);
  EXPECT_EQ(KindOfConnect({VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, EACCES, "Failed to connect socket"}),
            ErrorKind::kDenied);
  EXPECT_EQ(KindOfConnect({VIR_ERR_AUTH_FAILED, VIR_FROM_RPC, 0, "authentication failed"}), ErrorKind::kDenied);
  EXPECT_EQ(KindOfConnect({VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, EIO,
                           "Cannot recv data: u@h: Permission denied (publickey).: Input/output error"}),
            ErrorKind::kDenied);
  EXPECT_EQ(KindOfConnect({VIR_ERR_SYSTEM_ERROR, VIR_FROM_RPC, EIO, "Host key verification failed."}),
            ErrorKind::kDenied);
  EXPECT_EQ(KindOfConnect({VIR_ERR_NO_CONNECT, VIR_FROM_NONE, 0, "no connection driver available"}),
            ErrorKind::kInvalid);
}

TEST(LibvirtErrors, TheLastFailureIsTakenAwayWithItsWords) {
  SilenceStderr();
  ::testing::internal::CaptureStderr();
  EXPECT_EQ(virConnectOpen("qemu+bogus://host/system"), nullptr);
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  const Failure failure = LastFailure();
  EXPECT_EQ(failure.code, VIR_ERR_INVALID_ARG);
  EXPECT_NE(failure.message.find("transport in URL not recognised"), std::string::npos);
  EXPECT_EQ(virGetLastError(), nullptr);
  EXPECT_EQ(LastFailure().message, "libvirt gave no reason");
}

}  // namespace
}  // namespace vmferry::libvirt
