// SPDX-License-Identifier: Apache-2.0
//
// JournalLock: makes one process the engine of a journal. It is flock(2) on "<journal>.lock", so the kernel releases it
// with the process, however that ends; the file's text (JSON: pid, host, since, socket) only tells others whom to talk
// to. The file is never removed: a lock on a removed file would exclude nobody.
//
// Owned by whoever opens the journal for writing; released by the destructor. Threading: any thread. What failure
// looks like: an Error when the file cannot be used; a lock that is held is no error but a LockHolder.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>

#include "state/result.h"

namespace vmferry {

struct LockHolder {
  std::int64_t pid = 0;  // 0: not known (it is just starting)
  std::string host;
  std::string since;   // "2026-03-01T02:00:00.000Z"
  std::string socket;  // where it answers; empty: it named none, or nobody answers there
};

// "held by pid 4711 since 2026-03-01T02:00:00.000Z", as an error for those who need the journal themselves.
Error HeldError(const std::string& journal_path, const LockHolder& holder);

class JournalLock {
 public:
  using Attempt = std::variant<std::unique_ptr<JournalLock>, LockHolder>;
  // Never waits. Creates the journal's directories (0700) and the lock file (0600).
  static Result<Attempt> Acquire(const std::string& journal_path);
  // Somebody has it, or may have: it cannot be told. Creates nothing. Who tries to acquire it in this very moment finds
  // it held, and tries again.
  static bool IsHeld(const std::string& journal_path);

  ~JournalLock();
  JournalLock(const JournalLock&) = delete;
  JournalLock& operator=(const JournalLock&) = delete;

  const std::string& journal_path() const { return journal_path_; }
  // Tells others the Unix socket on which this process answers.
  Status Announce(const std::string& socket_path);

 private:
  JournalLock(std::string journal_path, int fd);
  std::string journal_path_;
  std::string since_;
  int fd_;
};

}  // namespace vmferry
