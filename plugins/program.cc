// SPDX-License-Identifier: Apache-2.0
#include "plugins/program.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
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

#include "plugins/descriptor.h"

namespace vmferry {
namespace {

constexpr std::size_t kErrorsKept = 1000;

// A file in memory with `text`, to be read from its start; -1 on failure.
int InMemory(const std::string& text) {
  const int fd = memfd_create("vmferry-input", MFD_CLOEXEC);
  std::size_t written = 0;
  while (fd >= 0 && written < text.size()) {
    const ssize_t count = write(fd, text.data() + written, text.size() - written);
    if (count > 0) written += static_cast<std::size_t>(count);
    if (count >= 0 || errno == EINTR) continue;
    close(fd);
    return -1;
  }
  if (fd >= 0) lseek(fd, 0, SEEK_SET);
  return fd;
}

// The three standard files of the program.
struct Files {
  int input, output, errors;
};

int Spawn(std::vector<std::string> argv, std::vector<std::string> environment, const Files& files,
          const std::string& output_file, pid_t* pid) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, files.input, 0);
  if (output_file.empty())
    posix_spawn_file_actions_adddup2(&actions, files.output, 1);
  else
    posix_spawn_file_actions_addopen(&actions, 1, output_file.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  posix_spawn_file_actions_adddup2(&actions, files.errors, 2);
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
      posix_spawn(pid, argv[0].c_str(), &actions, &attributes, PointersTo(argv).data(), PointersTo(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// The reading end of a pipe and the last bytes that came.
struct Ear {
  int fd;
  std::size_t kept;
  std::string* text;
  bool more = true;
  bool cut = false;
};

void KeepTheLast(Ear& ear) {
  if (ear.text->size() > ear.kept) ear.text->erase(0, ear.text->size() - ear.kept);
}

// Appends what is there to read, and says how much that was.
std::size_t ReadSome(Ear& ear) {
  std::array<char, 4096> buffer;
  const ssize_t count = read(ear.fd, buffer.data(), buffer.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  ear.more = count > 0;
  if (count <= 0) return 0;
  const auto length = static_cast<std::size_t>(count);
  ear.text->append(buffer.data(), length);
  if (ear.text->size() <= ear.kept) return length;
  ear.cut = true;
  if (ear.text->size() / 2 >= ear.kept) KeepTheLast(ear);  // seldom: each time moves all that is kept
  return length;
}

// What is in the pipe now, and no more: what the program left behind may print for ever.
void ReadTheRest(Ear& ear) {
  int waiting = 0;
  if (!ear.more || ioctl(ear.fd, FIONREAD, &waiting) != 0 || waiting <= 0) return;
  for (auto left = static_cast<std::size_t>(waiting); ear.more && left > 0;) left -= std::min(left, ReadSome(ear));
}

int MillisecondsLeft(const ProgramLimits& limits) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(limits.deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 24 * 3600 * 1000));
}

// True if the program ended in time. Waits on the process and not on its output: something it left behind may hold
// the pipe open.
bool Await(int process, int stop, const ProgramLimits& limits, std::array<Ear, 2>& ears) {
  for (;;) {
    std::array<pollfd, 4> waits{{{process, POLLIN, 0},
                                 {stop, POLLIN, 0},
                                 {ears[0].more ? ears[0].fd : -1, POLLIN, 0},
                                 {ears[1].more ? ears[1].fd : -1, POLLIN, 0}}};
    const int left = MillisecondsLeft(limits);
    const int ready = poll(waits.data(), waits.size(), left);
    for (std::size_t i = 0; i < ears.size(); ++i)
      if (ready > 0 && waits[i + 2].revents != 0) ReadSome(ears[i]);
    if (ready > 0 && waits[0].revents != 0) break;
    if ((ready > 0 && waits[1].revents != 0) || left == 0) return false;
  }
  for (Ear& ear : ears) ReadTheRest(ear);
  return true;
}

bool MakePipe(Descriptor& from, Descriptor& to) {
  std::array<int, 2> ends{-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return false;
  fcntl(ends[1], F_SETFL, 0);  // the program's end blocks, as programs expect
  from.Take(ends[0]);
  to.Take(ends[1]);
  return true;
}

}  // namespace

std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

Error CannotStart(const std::string& program, int error) {
  return Error{ErrorKind::kInvalid, "", "program " + program,
               "cannot be started: " + std::generic_category().message(error), "check its path and permissions"};
}

std::vector<std::string> ProgramEnvironment(const std::vector<std::pair<std::string, std::string>>& given) {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSH_AUTH_SOCK"})
    if (const char* value = std::getenv(name)) environment.push_back(std::string(name) + "=" + value);
  for (const auto& [name, value] : given) environment.push_back(name + "=" + value);
  return environment;
}

Result<ProgramResult> RunProgram(const std::vector<std::string>& argv,
                                 const std::vector<std::pair<std::string, std::string>>& environment,
                                 const ProgramLimits& limits, const ProgramText& text) {
  Descriptor input(text.input.empty() ? open("/dev/null", O_RDONLY | O_CLOEXEC) : InMemory(text.input));
  Descriptor output, output_end, errors, errors_end, stop(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (input.get() < 0 || !MakePipe(output, output_end) || !MakePipe(errors, errors_end))
    return CannotStart(argv[0], errno);
  const Files files{input.get(), output_end.get(), text.errors_apart ? errors_end.get() : output_end.get()};
  pid_t pid = -1;
  if (const int error = Spawn(argv, ProgramEnvironment(environment), files, limits.output_file, &pid))
    return CannotStart(argv[0], error);
  output_end.Close();
  errors_end.Close();

  ProgramResult result;
  std::array<Ear, 2> ears{
      {{output.get(), text.output_kept, &result.output}, {errors.get(), kErrorsKept, &result.errors}}};
  Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  result.timed_out = process.get() < 0;  // a kernel without it cannot bound the wait, so the program may not run
  if (!result.timed_out) {
    std::stop_callback on_stop(limits.stop, [&stop] { eventfd_write(stop.get(), 1); });
    result.timed_out = !Await(process.get(), stop.get(), limits, ears);
  }
  if (result.timed_out) kill(-pid, SIGKILL);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  for (Ear& ear : ears) KeepTheLast(ear);
  result.cut = ears[0].cut;
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  return result;
}

}  // namespace vmferry
