// SPDX-License-Identifier: Apache-2.0
#include "plugins/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <stop_token>
#include <system_error>

namespace vmferry {
namespace {

constexpr std::size_t kOutputKept = 1000;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { Close(); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

Error CannotStart(const std::string& program, int error) {
  return Error{ErrorKind::kInvalid, "", "program " + program,
               "cannot be started: " + std::generic_category().message(error), "check its path and permissions"};
}

std::vector<std::string> Environment(const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSH_AUTH_SOCK"})
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  for (const auto& [name, value] : given) environment.push_back(name + "=" + value);
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>* texts) {
  std::vector<char*> pointers;
  for (std::string& text : *texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

int Spawn(std::vector<std::string> argv, std::vector<std::string> environment, int output, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  posix_spawn_file_actions_addclosefrom_np(&actions, 3);  // sockets of libraries that do not close on exec
  // A group of its own, so that what it started ends with it; our blocked and ignored signals are not passed on.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD}) sigaddset(&usual, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  const int error =
      posix_spawn(pid, argv[0].c_str(), &actions, &attributes, Pointers(&argv).data(), Pointers(&environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Appends what is there to read; false at the end.
bool ReadSome(int fd, std::string* output) {
  std::array<char, 4096> buffer;
  const ssize_t count = read(fd, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  output->append(buffer.data(), static_cast<std::size_t>(count));
  if (output->size() > kOutputKept) output->erase(0, output->size() - kOutputKept);
  return count > 0;
}

int MillisecondsLeft(const ProgramLimits& limits) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limits.deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 24 * 3600 * 1000));
}

// True if the program ended in time. Waits on the process and not on its output: something it left behind may hold
// the pipe open.
bool Await(int process, int output, int stop, const ProgramLimits& limits, std::string* text) {
  bool more = true;
  for (;;) {
    std::array<pollfd, 3> waits{{{process, POLLIN, 0}, {stop, POLLIN, 0}, {more ? output : -1, POLLIN, 0}}};
    const int left = MillisecondsLeft(limits);
    const int ready = poll(waits.data(), waits.size(), left);
    if (ready > 0 && waits[2].revents != 0) more = ReadSome(output, text);
    if (ready > 0 && waits[0].revents != 0) break;
    if ((ready > 0 && waits[1].revents != 0) || left == 0) return false;
  }
  // What it had printed, at most a pipe full: what it left behind may print for ever.
  for (int piece = 0; more && piece < 16; ++piece) {
    pollfd rest{output, POLLIN, 0};
    if (poll(&rest, 1, 0) <= 0) break;
    more = ReadSome(output, text);
  }
  return true;
}

}  // namespace

Result<ProgramResult> RunProgram(const std::vector<std::string>& argv,
                                 const std::vector<std::pair<std::string, std::string>>& environment,
                                 const ProgramLimits& limits) {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return CannotStart(argv[0], errno);
  Descriptor output(ends[0]), input(ends[1]), stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  fcntl(input.get(), F_SETFL, 0);  // the program's end blocks, as programs expect
  pid_t pid = -1;
  if (const int error = Spawn(argv, Environment(environment), input.get(), &pid)) return CannotStart(argv[0], error);
  input.Close();

  ProgramResult result;
  Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  result.timed_out = process.get() < 0;  // a kernel without it cannot bound the wait, so the program may not run
  if (!result.timed_out) {
    std::stop_callback on_stop(limits.stop, [&stop] { eventfd_write(stop.get(), 1); });
    result.timed_out = !Await(process.get(), output.get(), stop.get(), limits, &result.output);
  }
  if (result.timed_out) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace vmferry
