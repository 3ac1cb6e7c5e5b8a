// SPDX-License-Identifier: Apache-2.0
#include "plugins/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

namespace {
// Called with what was read; of the thread that sets it.
thread_local std::function<void(int fd, const void* bytes, std::size_t count)> after_read;
}  // namespace
// The program's definition comes before the C library's, so that a test can stand between a pipe and its reader.
extern "C" ssize_t read(int fd, void* bytes, std::size_t most) {
  const ssize_t count = syscall(SYS_read, fd, bytes, most);
  if (after_read && count > 0) after_read(fd, bytes, static_cast<std::size_t>(count));
  return count;
}

namespace vmferry {
namespace {

Result<ProgramResult> Ended(const std::string& script, const ProgramText& text) {
  return RunProgram({"/bin/sh", "-c", script}, {}, {std::chrono::steady_clock::now() + std::chrono::minutes(2), {}},
                    text);
}

// Every 4 KiB that came moved all 8 MiB that were kept, which took minutes for a long listing. They are moved seldom
// now, and what is kept is still exactly the end.
TEST(Program, TheEndOfALongOutputIsKept) {
  constexpr std::size_t kKept = 8 << 20;
  const auto ended = Ended("head -c 200000000 /dev/zero; printf end", {"", kKept, true});
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->exit_code, 0);
  EXPECT_TRUE(ended->cut);
  EXPECT_EQ(ended->output.size(), kKept);
  EXPECT_TRUE(ended->output.ends_with("end"));
}

TEST(Program, AnOutputAsLongAsIsKeptIsNotCut) {
  const auto ended = Ended("printf 12345; printf more >&2", {"", 5, true});
  ASSERT_TRUE(ended);
  EXPECT_FALSE(ended->cut);
  EXPECT_EQ(ended->output, "12345");
  EXPECT_EQ(ended->errors, "more");
  const auto longer = Ended("printf 123456789abcdef", {"", 5, true});
  ASSERT_TRUE(longer);
  EXPECT_TRUE(longer->cut);
  EXPECT_EQ(longer->output, "bcdef");
}

// Waits for the end of a program that printed its process id; the descriptor of its pipe's other end.
int PipeOfTheEnded(const std::string& pid, int fd) {
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(std::stoi(pid)), &ended, WEXITED | WNOWAIT);
  return open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_WRONLY);
}

// What a program leaves behind may print faster than it is read, for ever: here whatever is read is there again, from the
// program's end on.
TEST(Program, WhatItLeavesBehindAndPrintsForEverDoesNotKeepIt) {
  constexpr std::size_t kEnough = 1 << 20;
  std::size_t put_back = 0;
  std::string pid;
  after_read = [&](int fd, const void* bytes, std::size_t count) {
    if (pid.empty()) pid.assign(static_cast<const char*>(bytes), count);
    if (put_back >= kEnough) return;
    const int pipe = PipeOfTheEnded(pid, fd);
    ASSERT_GE(pipe, 0);
    put_back += static_cast<std::size_t>(write(pipe, bytes, count));
    close(pipe);
  };
  const auto ended = Ended("printf $$", {"", kEnough, false});
  after_read = nullptr;
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->exit_code, 0);
  EXPECT_GT(put_back, 0u);
  EXPECT_LT(put_back, kEnough);
  EXPECT_TRUE(ended->output.starts_with(pid));
}

// A program may make its pipe larger than the usual 64 KiB: all that is in it was printed.
TEST(Program, AllThatItPrintedIsThere) {
  std::string pid;
  after_read = [&](int fd, const void* bytes, std::size_t count) {
    if (!pid.empty()) return;
    pid.assign(static_cast<const char*>(bytes), count);
    const int pipe = PipeOfTheEnded(pid, fd);
    ASSERT_GE(fcntl(pipe, F_SETPIPE_SZ, 1 << 20), 1 << 20);
    const std::string much(1 << 20, '.');
    EXPECT_EQ(write(pipe, much.data(), much.size()), static_cast<ssize_t>(much.size()));
    close(pipe);
  };
  const auto ended = Ended("printf $$", {"", 4 << 20, false});
  after_read = nullptr;
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->output.size(), pid.size() + (1 << 20));
}

}  // namespace
}  // namespace vmferry
