// SPDX-License-Identifier: Apache-2.0
//
// A run whose application is watched by a rollback criterion, for tests.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "tests/orchestrator/story.h"

namespace vmferry {

inline constexpr const char* kApi = "customer-analytics-api";

// The application's health page behind the load balancer, every second, two failures in a row; a window of a minute,
// in which time passes faster.
class Watched {
 public:
  Watched() {
    run.UseClock(clock);
    run.options.longest_wait = std::chrono::milliseconds(1);
    PlannedStep health;
    health.phase = Phase::kSoak;
    health.ordinal = 1;
    health.name = "app_health_check_failure";
    health.deadline = std::chrono::seconds(5);
    health.parameters = {{"probe", "web"},
                         {"healthUrl", "http://web1.kvm.example/healthz"},
                         {"every", 1000},
                         {"trip", {{"consecutive", 2}}},
                         {"errors", {{"consecutive", 3}, {"then", "hold"}}}};
    plan().criteria.push_back(health);
    plan().rollback_window_minutes = 1;
    run.on_event = [this](const Event& event, Engine& engine) {
      if (event.kind == EventKind::kPhase) clock.tick_ms = event.payload.value("phase", "") == "soak" ? 200 : 20;
      if (event.kind == EventKind::kSample) ++samples;
      if (then) then(event, engine);
    };
  }
  Plan& plan() { return run.submission.wave.plans[0]; }
  const ApplicationState& state() { return run.Application(kApi); }
  void Sicken(bool sick = true) {
    ASSERT_TRUE(run.world->Change([sick](WorldData& world) {
      world.guests["web1"].sick_on_target = sick;
      ++world.revision;
    }));
  }
  int Count(EventKind kind, const std::string& member = "", const std::string& value = "") {
    const std::vector<Event> events = run.Events();
    return static_cast<int>(std::count_if(events.begin(), events.end(), [&](const Event& event) {
      return event.kind == kind && (member.empty() || event.payload.value(member, "") == value);
    }));
  }
  // After so many samples.
  void After(int count, std::function<void(Engine&)> act) {
    then = [this, count, act = std::move(act)](const Event& event, Engine& engine) {
      if (event.kind == EventKind::kSample && samples == count) act(engine);
    };
  }

  TickingClock clock;
  FakeRun run{1};
  int samples = 0;
  std::function<void(const Event&, Engine&)> then;
};

}  // namespace vmferry
