// SPDX-License-Identifier: Apache-2.0
//
// LateJournal: stores at once, as the journal beneath does, and tells of it later, as a disk does. What comes between an
// append and its acknowledgement has a chance to.
//
// Threading: that of the loop. It outlives the engine.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "state/journal.h"

namespace vmferry {

class LateJournal final : public Journal {
 public:
  // `delay` is asked before each acknowledgement.
  LateJournal(boost::asio::io_context& io, Journal& beneath, std::function<std::chrono::microseconds()> delay)
      : beneath_(beneath), delay_(std::move(delay)), timer_(io) {}

  Result<std::vector<std::string>> Runs() const override { return beneath_.Runs(); }
  Result<std::vector<Event>> Read(const std::string& run, std::int64_t after, std::int64_t most) const override {
    return beneath_.Read(run, after, most);
  }
  Result<RunState> State(const std::string& run) const override { return beneath_.State(run); }
  Result<std::vector<ChainReport>> Verify(const std::string& run) const override { return beneath_.Verify(run); }
  Status AppendOnly() const override { return beneath_.AppendOnly(); }
  Result<std::vector<ChainReport>> VerifyAgainst(const std::vector<ChainReport>& anchors) const override {
    return beneath_.VerifyAgainst(anchors);
  }
  Result<std::vector<Event>> Append(std::vector<Event> events) override {
    timer_.cancel();
    while (!waiting_.empty()) Acknowledge();
    return beneath_.Append(std::move(events));
  }
  void AppendAsync(std::vector<Event> events, std::function<void(Result<std::vector<Event>>)> done) override {
    waiting_.emplace_back(beneath_.Append(std::move(events)), std::move(done));
    if (waiting_.size() == 1) Arm();
  }

 private:
  void Arm() {
    timer_.expires_after(delay_());
    timer_.async_wait([this](boost::system::error_code cancelled) {
      if (cancelled || waiting_.empty()) return;
      Acknowledge();
      if (!waiting_.empty()) Arm();
    });
  }
  void Acknowledge() {
    auto [answer, done] = std::move(waiting_.front());
    waiting_.pop_front();
    done(std::move(answer));
  }

  Journal& beneath_;
  const std::function<std::chrono::microseconds()> delay_;
  boost::asio::steady_timer timer_;
  std::deque<std::pair<Result<std::vector<Event>>, std::function<void(Result<std::vector<Event>>)>>> waiting_;
};

}  // namespace vmferry
