// SPDX-License-Identifier: Apache-2.0
#include "plugins/detached.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <system_error>

#include "plugins/program.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::streamoff kTail = 64 * 1024;
constexpr std::chrono::seconds kPatience{5};  // for an interrupted program to put its affairs in order

// Everything the supervisor and the program need, made before the fork: behind it only system calls are allowed.
struct Launch {
  std::vector<char*> argv, environment;
  int lock = -1, exit_code = -1, output = -1, errors = -1, nothing = -1;
  int report = -1;  // closed when the program is executed; else it says why not

  std::array<int*, 6> files() { return {&lock, &exit_code, &output, &errors, &nothing, &report}; }
};

[[noreturn]] void ReportAndExit(int report, int error) {
  if (write(report, &error, sizeof error) < 0) _exit(126);
  _exit(127);
}

struct flock WholeFile(short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return lock;
}

[[noreturn]] void BecomeProgram(const Launch& launch) {
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGQUIT}) sigaction(signal, &usual, nullptr);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (dup2(launch.output, 1) < 0 || dup2(launch.errors, 2) < 0) ReportAndExit(launch.report, errno);
  execve(launch.argv[0], launch.argv.data(), launch.environment.data());
  ReportAndExit(launch.report, errno);
}

// Closes all files but those of `launch`: this process may live for hours, and what it holds open (the journal's lock,
// connections) must not live with it.
void CloseTheRest(Launch& launch) {
  std::array<unsigned, 6> keep{};
  std::size_t count = 0;
  for (const int* file : launch.files()) keep[count++] = static_cast<unsigned>(*file);
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (const unsigned kept : keep) {
    if (kept > from) syscall(SYS_close_range, from, kept - 1, 0U);
    from = std::max(from, kept + 1);
  }
  syscall(SYS_close_range, from, ~0U, 0U);
}

// The whole life of the supervisor. All signals are blocked, so that only SIGKILL ends it before its program ends.
[[noreturn]] void Supervise(Launch& launch) {
  setsid();
  for (const int standard : {0, 1, 2}) dup2(launch.nothing, standard);
  CloseTheRest(launch);
  struct flock lock = WholeFile(F_WRLCK);
  if (fcntl(launch.lock, F_SETLK, &lock) != 0) ReportAndExit(launch.report, errno);
  struct sigaction usual {};
  usual.sa_handler = SIG_DFL;
  sigaction(SIGCHLD, &usual, nullptr);
  const pid_t pid = fork();
  if (pid < 0) ReportAndExit(launch.report, errno);
  if (pid == 0) BecomeProgram(launch);
  for (const int file : {launch.report, launch.output, launch.errors}) close(file);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  // A program that was killed leaves no exit code: it is "lost", however it came to that.
  if (!WIFEXITED(status)) _exit(0);
  const auto code = static_cast<unsigned char>(WEXITSTATUS(status));
  _exit(write(launch.exit_code, &code, 1) == 1 ? 0 : 1);
}

// Twice forked, so that nobody of ours has to wait for the supervisor. 0, or the errno of what went wrong.
int ForkSupervisor(Launch& launch, int report_end) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  const int fork_error = errno;
  if (pid == 0) {
    const pid_t supervisor = fork();
    if (supervisor < 0) ReportAndExit(launch.report, errno);
    if (supervisor > 0) _exit(0);
    Supervise(launch);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fork_error;
  close(std::exchange(launch.report, -1));
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  int error = 0;
  ssize_t count = 0;
  while ((count = read(report_end, &error, sizeof error)) < 0 && errno == EINTR) {
  }
  return count == sizeof error ? error : 0;
}

// The process that holds the folder's lock; 0: none.
pid_t Supervisor(const fs::path& folder) {
  const int fd = open((folder / "lock").c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return 0;
  struct flock lock = WholeFile(F_WRLCK);
  const bool known = fcntl(fd, F_GETLK, &lock) == 0;
  close(fd);
  return known && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

std::string Tail(const fs::path& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) return "";
  const std::streamoff size = in.tellg();
  const std::streamoff length = std::clamp<std::streamoff>(size, 0, kTail);
  in.seekg(size - length);
  std::string text(static_cast<std::size_t>(length), '\0');
  in.read(text.data(), length);
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(0, in.gcount())));
  return text;
}

// True once the process is gone.
bool AwaitEnd(int process, steady_clock::time_point deadline) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    pollfd wait{process, POLLIN, 0};
    const int ready = poll(&wait, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, 60000)));
    if (ready > 0) return true;
    if (left <= 0) return false;
  }
}

Error RunsAlready(const std::string& program) {
  return Error{ErrorKind::kConflict, "", "program " + program, "one of this key runs already", "wait for its end"};
}

}  // namespace

DetachedView LookAtDetached(const fs::path& folder) {
  DetachedView view;
  std::error_code error;
  if (!fs::exists(folder / "lock", error)) return view;
  // Asked first: the exit code is written before the lock goes.
  const bool running = Supervisor(folder) > 0;
  const std::string code = Tail(folder / "exit");
  view.output = Tail(folder / "output");
  view.errors = Tail(folder / "errors");
  view.state = running        ? DetachedView::State::kRunning
               : code.empty() ? DetachedView::State::kLost
                              : DetachedView::State::kEnded;
  if (!code.empty()) view.exit_code = static_cast<unsigned char>(code[0]);
  return view;
}

Status StartDetached(const fs::path& folder, const std::vector<std::string>& argv,
                     const std::vector<std::string>& environment, bool keep_output) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return Error{ErrorKind::kInvalid, "", "folder " + folder.string(), "cannot be made: " + error.message(),
                 "check the setting `workDirectory`"};
  if (Supervisor(folder) > 0) return RunsAlready(argv[0]);
  chmod(folder.c_str(), 0700);
  std::vector<std::string> words = argv, variables = environment;
  Launch launch;
  launch.argv = PointersTo(words);
  launch.environment = PointersTo(variables);
  const auto make = [&](const char* name, int flags) {
    return open((folder / name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | flags, 0600);
  };
  launch.nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  launch.exit_code = make("exit", O_TRUNC);
  launch.output = keep_output ? make("output", O_TRUNC | O_APPEND) : open("/dev/null", O_RDWR | O_CLOEXEC);
  launch.errors = make("errors", O_TRUNC | O_APPEND);
  launch.lock = make("lock", 0);
  std::array<int, 2> ends{-1, -1};
  int failure = pipe2(ends.data(), O_CLOEXEC) == 0 ? 0 : errno;
  launch.report = ends[1];
  for (const int* file : launch.files())
    if (*file < 3 && failure == 0) failure = *file < 0 ? errno : EBADF;
  if (failure == 0) failure = ForkSupervisor(launch, ends[0]);
  for (const int* file : launch.files())
    if (*file >= 0) close(*file);
  if (ends[0] >= 0) close(ends[0]);
  if (failure == 0) return Ok();
  if (failure == EAGAIN) return RunsAlready(argv[0]);  // by another start in between: the folder is that one's
  RemoveFolder(folder, steady_clock::now() + kPatience);
  return CannotStart(argv[0], failure);
}

bool StopDetached(const fs::path& folder, steady_clock::time_point deadline) {
  if (const pid_t pid = Supervisor(folder); pid > 0) {
    const int process = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
    kill(-pid, SIGINT);
    bool gone = process < 0 || AwaitEnd(process, std::min(deadline, steady_clock::now() + kPatience));
    if (!gone) kill(-pid, SIGKILL);
    if (!gone) gone = AwaitEnd(process, std::min(deadline, steady_clock::now() + kPatience));
    if (process >= 0) close(process);
    if (!gone || Supervisor(folder) > 0) return false;
  }
  return RemoveFolder(folder, deadline);
}

bool RemoveFolder(const fs::path& folder, steady_clock::time_point deadline) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(folder, error);
  if (!fs::exists(status)) return true;
  if (fs::is_directory(status)) {
    chmod(folder.c_str(), 0700);  // a restored folder may forbid its owner to change it
    std::vector<fs::path> entries;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
      entries.push_back(at->path());
    for (const fs::path& entry : entries)
      if (steady_clock::now() >= deadline || !RemoveFolder(entry, deadline)) return false;
  }
  return fs::remove(folder, error) && !error;
}

}  // namespace vmferry
