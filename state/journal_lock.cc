// SPDX-License-Identifier: Apache-2.0
#include "state/journal_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "state/clock.h"
#include "state/journal_files.h"

namespace vmferry {
namespace {

Error LockError(const std::string& path, const std::string& doing) {
  const int number = errno;
  const bool denied = number == EACCES || number == EPERM || number == EROFS;
  return Error{.kind = denied ? ErrorKind::kDenied : ErrorKind::kUnavailable,
               .system = "journal",
               .object = path,
               .message = doing + ": " + std::strerror(number),
               .advice = "check the permissions of the file and its directory"};
}

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// A socket file outlives its process; only a connection shows that somebody answers.
bool Answers(const std::string& socket_path) {
  sockaddr_un address{};
  if (socket_path.empty() || socket_path.size() >= sizeof(address.sun_path)) return false;
  address.sun_family = AF_UNIX;
  socket_path.copy(address.sun_path, socket_path.size());
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return false;
  const bool answers = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  close(fd);
  return answers;
}

LockHolder ReadHolder(int fd) {
  std::array<char, 4096> text{};
  const ssize_t size = pread(fd, text.data(), text.size(), 0);
  const auto json = nlohmann::json::parse(text.data(), text.data() + std::max<ssize_t>(size, 0), nullptr, false);
  LockHolder holder;
  try {
    holder.pid = json.at("pid").get<std::int64_t>();
    holder.host = json.at("host").get<std::string>();
    holder.since = json.at("since").get<std::string>();
    holder.socket = json.at("socket").get<std::string>();
  } catch (const nlohmann::json::exception&) {
    return LockHolder{};  // the holder has locked the file and not yet written into it
  }
  // A text whose process is dead is its predecessor's.
  if (holder.host == HostName() && kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) return LockHolder{};
  if (!Answers(holder.socket)) holder.socket.clear();
  return holder;
}

}  // namespace

Error HeldError(const std::string& journal_path, const LockHolder& holder) {
  const std::string who =
      holder.pid == 0 ? "another vmferry that is just starting" : "pid " + std::to_string(holder.pid);
  std::string message = "held by " + who;
  if (!holder.host.empty() && holder.host != HostName()) message += " on " + holder.host;
  if (!holder.since.empty()) message += " since " + holder.since;
  return Error{.kind = ErrorKind::kConflict,
               .system = "journal",
               .object = journal_path,
               .message = message,
               .advice = holder.socket.empty() ? "it does not answer on a control socket; wait for it, or end it"
                                               : "talk to it over " + holder.socket};
}

JournalLock::JournalLock(std::string journal_path, int fd)
    : journal_path_(std::move(journal_path)), since_(FormatWallTime(SystemClock().Now().wall_ms)), fd_(fd) {}

JournalLock::~JournalLock() {
  close(fd_);
}

Result<JournalLock::Attempt> JournalLock::Acquire(const std::string& journal_path) {
  if (Status directories = CreateDirectoriesFor(journal_path); !directories) return directories.error();
  if (Status local = CheckLocal(journal_path); !local) return local.error();
  const std::string path = journal_path + ".lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return LockError(path, "cannot open the lock file");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      const Error error = LockError(path, "cannot lock");
      close(fd);
      return error;
    }
    LockHolder holder = ReadHolder(fd);
    close(fd);
    return Attempt(std::move(holder));
  }
  std::unique_ptr<JournalLock> lock(new JournalLock(journal_path, fd));
  if (Status written = lock->Announce(""); !written) return written.error();
  return Attempt(std::move(lock));
}

bool JournalLock::IsHeld(const std::string& journal_path) {
  const int fd = open((journal_path + ".lock").c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return errno != ENOENT;
  const bool held = flock(fd, LOCK_SH | LOCK_NB) != 0;
  close(fd);
  return held;
}

Status JournalLock::Announce(const std::string& socket_path) {
  const nlohmann::json json{{"pid", getpid()}, {"host", HostName()}, {"since", since_}, {"socket", socket_path}};
  const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  if (ftruncate(fd_, 0) != 0 || pwrite(fd_, text.data(), text.size(), 0) != static_cast<ssize_t>(text.size()))
    return LockError(journal_path_ + ".lock", "cannot write the lock file");
  return Ok();
}

}  // namespace vmferry
