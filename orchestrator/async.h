// SPDX-License-Identifier: Apache-2.0
//
// The one header through which vmferry uses Boost.Asio's coroutines.
//
// House rules, since g++ 12 miscompiles some forms silently (tests/tidy checks them): parameter types of coroutines
// have declared constructors, coroutines have no default arguments, and no statement with co_await contains a brace,
// a lambda or `?:`. Operands are named first.
//
// Threading: one engine thread runs Loop::Run; coroutines, signals and everything they touch belong to it.
#pragma once

#include <utility>  // Boost 1.74 needs it first

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <atomic>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "orchestrator/work_pool.h"

namespace vmferry {

template <class T>
using Task = boost::asio::awaitable<T>;

// The engine's thread, the pool for step calls, and the threads for work of our own, which always ends.
class Loop {
 public:
  explicit Loop(std::size_t pool_threads) : pool_(pool_threads) {}
  boost::asio::io_context& io() { return io_; }
  WorkPool& pool() { return pool_; }
  WorkPool& own_pool() { return own_pool_; }
  void Run() { io_.run(); }
  // Wakes the pools once the handlers that are ready now have run, and may have added more: a thread that is woken
  // takes the engine's processor. Engine thread only.
  void WakePools() {
    if (std::exchange(waking_, true)) return;
    boost::asio::post(io_, [this] {
      waking_ = false;
      pool_.Wake();
      own_pool_.Wake();
    });
  }
  // Pool calls that were given up and have not come back. A process that ends with some must not wait for the pool.
  std::atomic<int>& abandoned() { return abandoned_; }

 private:
  boost::asio::io_context io_;
  WorkPool pool_;
  WorkPool own_pool_{2};
  std::atomic<int> abandoned_{0};
  bool waking_ = false;
};

// A latch that a coroutine waits on: Notify wakes the waiter, or the next Wait at once. Engine thread only.
class Signal {
 public:
  explicit Signal(Loop& loop) : timer_(loop.io()) {}
  void Notify() {
    notified_ = true;
    timer_.cancel();
  }
  // Returns when notified or after `patience`; without any, after what waits in the loop.
  Task<void> Wait(std::chrono::milliseconds patience) {
    boost::system::error_code ignored;
    if (!notified_ && patience.count() <= 0) {
      co_await boost::asio::post(timer_.get_executor(), boost::asio::use_awaitable);
    } else if (!notified_) {
      timer_.expires_after(patience);
      auto token = boost::asio::redirect_error(boost::asio::use_awaitable, ignored);
      co_await timer_.async_wait(token);
    }
    notified_ = false;
  }

 private:
  boost::asio::steady_timer timer_;
  bool notified_ = false;
};

// Completion of root coroutines: an exception is a fault of ours and leaves Loop::Run.
inline void Escalate(std::exception_ptr fault) {
  if (fault) std::rethrow_exception(fault);
}

constexpr std::chrono::milliseconds kForEver = std::chrono::hours(24 * 365);

// A value that another thread delivers to one waiting coroutine.
template <class T>
class Delivery {
 public:
  explicit Delivery(Loop& loop) : loop_(loop), signal_(loop) {}
  // From any thread, once. `self` keeps the delivery alive until it arrived; the sender must move its own reference
  // into it, so that the last one goes on the engine's thread: a timer must not outlive the loop.
  static void Send(std::shared_ptr<Delivery> self, T value) {
    Loop& loop = self->loop_;
    boost::asio::post(loop.io(), [self = std::move(self), value = std::move(value)]() mutable {
      self->value_.emplace(std::move(value));
      if (self->given_up_) --self->loop_.abandoned();
      self->signal_.Notify();
    });
  }
  // The value, or nothing after `patience`; then a late one is dropped.
  Task<std::optional<T>> Receive(std::chrono::milliseconds patience) {
    if (!value_) co_await signal_.Wait(patience);
    if (!value_) GiveUp();
    co_return std::move(value_);
  }

 private:
  void GiveUp() {
    given_up_ = true;
    ++loop_.abandoned();
  }
  Loop& loop_;
  Signal signal_;
  std::optional<T> value_;
  bool given_up_ = false;
};

// Runs `work` on a pool of the loop's; its result is received from what is returned. Engine thread only.
template <class T>
std::shared_ptr<Delivery<T>> Begin(Loop& loop, WorkPool& pool, std::function<T()> work) {
  auto delivery = std::make_shared<Delivery<T>>(loop);
  pool.Add([delivery, work = std::move(work)]() mutable {
    T value = work();
    Delivery<T>::Send(std::move(delivery), std::move(value));
  });
  loop.WakePools();
  return delivery;
}

// Runs `work` on the pool; nothing when it did not return within `patience` (it goes on, its result is dropped).
template <class T>
Task<std::optional<T>> OnPool(Loop& loop, std::function<T()> work, std::chrono::milliseconds patience) {
  const auto delivery = Begin(loop, loop.pool(), std::move(work));
  co_return co_await delivery->Receive(patience);
}

}  // namespace vmferry
