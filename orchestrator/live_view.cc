// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/live_view.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "orchestrator/event_text.h"
#include "state/clock.h"

namespace vmferry {
namespace {

std::int64_t MonotonicNow() {
  return SystemClock().Now().monotonic_ms;
}

std::string Percent(const Meter& meter) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "%3d%%",
                static_cast<int>(100.0 * static_cast<double>(meter.done) / static_cast<double>(meter.total)));
  return text.data();
}

std::string Amount(std::uint64_t amount, const std::string& unit) {
  return unit == "bytes" ? HumanBytes(amount) : std::to_string(amount) + (unit.empty() ? "" : " " + unit);
}

// "3.0 MiB of 48.0 MiB", "0 of 2 disks".
std::string Share(const Meter& meter) {
  const bool bytes = meter.unit == "bytes";
  return Amount(meter.done, bytes ? meter.unit : "") + " of " + Amount(meter.total, meter.unit);
}

// JSON lines; the first is the version line.
class JsonView final : public Watcher {
 public:
  JsonView(std::string run, std::FILE* out) : run_(std::move(run)), out_(out) {}
  void OnEvent(const Event& event, const RunState&) override {
    if (run_.empty()) run_ = event.run;
    if (event.run == run_) Write(EventToJson(event));
  }
  void OnMeter(const std::string& run, const std::string& application, int step, const Meter& meter) override {
    if (run != run_) return;
    Write({{"meter", {{"done", meter.done}, {"total", meter.total}, {"unit", meter.unit}, {"text", meter.text}}},
           {"application", application},
           {"step", step}});
  }
  void OnNotice(const std::string& text) override { std::fprintf(stderr, "%s\n", text.c_str()); }

 private:
  void Write(const Json& line) {
    std::fputs((line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n").c_str(), out_);
    std::fflush(out_);
  }
  std::string run_;
  std::FILE* out_;
};

// What is known of the step an application is at.
struct Bar {
  int step = -1;
  std::string title;
  Meter meter;
  RateMeter rate;
  std::int64_t shown_ms = -1;  // plain output: when it was last printed
};

class TextView final : public Watcher {
 public:
  TextView(std::string run, const Output& output, std::FILE* out) : run_(std::move(run)), output_(output), out_(out) {}
  ~TextView() override {
    Erase();
    std::fflush(out_);
  }

  void OnEvent(const Event& event, const RunState& state) override {
    if (run_.empty()) run_ = event.run;
    if (event.run != run_) return;
    Follow(event, state);
    const std::string line = event.application.empty() ? "" : EventLine(event, state, output_.style, false);
    Erase();
    if (!line.empty()) Print(event, state, line);
    Draw();
  }

  void OnMeter(const std::string& run, const std::string& application, int step, const Meter& meter) override {
    const auto found = bars_.find(application);
    if (run != run_ || found == bars_.end() || found->second.step != step) return;
    Bar& bar = found->second;
    const std::int64_t now = MonotonicNow();
    bar.meter = meter;
    bar.rate.See(meter, now);
    if (output_.terminal) {
      Erase();
      Draw();
    } else if (meter.total > 0 && (bar.shown_ms < 0 || now - bar.shown_ms >= kPlainEveryMs)) {
      bar.shown_ms = now;
      std::fprintf(out_, "%s  %s  %s %s\n", ClockTime(SystemClock().Now().wall_ms).c_str(),
                   Padded(application, width_).c_str(), Padded(bar.title, kTitleWidth).c_str(),
                   MeterLine(meter, bar.rate, 0).c_str());
      std::fflush(out_);
    }
  }

  void OnNotice(const std::string& text) override {
    Erase();
    std::fflush(out_);
    std::fprintf(stderr, "\n%s\n", text.c_str());
    Draw();
  }

 private:
  static constexpr std::int64_t kPlainEveryMs = 5000;

  void Follow(const Event& event, const RunState& state) {
    width_ = std::max(width_, event.application.size());
    if (event.kind == EventKind::kIntent || event.kind == EventKind::kUndoIntent) {
      Bar bar;
      bar.step = event.step;
      bar.title = StepTitle(state.applications.at(event.application), event.step);
      bars_[event.application] = bar;
    } else if (event.kind == EventKind::kOutcome || event.kind == EventKind::kUndoOutcome ||
               event.kind == EventKind::kHold) {
      bars_.erase(event.application);
    }
  }

  void Print(const Event& event, const RunState&, const std::string& line) {
    std::fprintf(out_, "%s  %s  %s\n", output_.style.Dim(ClockTime(event.at.wall_ms)).c_str(),
                 Padded(event.application, width_).c_str(), line.c_str());
    std::fflush(out_);
  }

  void Erase() {
    for (; drawn_ > 0; --drawn_) std::fputs("\033[1A\033[2K", out_);
  }

  void Draw() {
    if (!output_.terminal) return;
    winsize size{};
    const bool known = ioctl(fileno(out_), TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
    const std::size_t columns = known ? size.ws_col : 80;
    const int rows = known && size.ws_row > 4 ? size.ws_row - 2 : 20;  // what scrolled away cannot be erased
    for (const auto& [application, bar] : bars_) {
      if (drawn_ == rows) break;
      std::fprintf(out_, "%s\n", BarLine(application, bar, columns - 1).c_str());
      ++drawn_;
    }
    std::fflush(out_);
  }

  // What it says goes before how it looks: a narrow screen has a short bar or none, and no columns.
  std::string BarLine(const std::string& application, const Bar& bar, std::size_t columns) const {
    const std::string says = MeterLine(bar.meter, bar.rate, 0);
    std::string line = "          " + Padded(application, width_) + "  " + Padded(bar.title, kTitleWidth) + " ";
    if (line.size() + says.size() > columns) line = application + "  " + bar.title + "  ";
    if (line.size() + says.size() > columns) line = bar.title + "  ";
    const std::size_t room = columns > line.size() + says.size() ? columns - line.size() - says.size() : 0;
    const std::size_t width = room > kFrame + 4 ? std::min<std::size_t>(room - kFrame, 24) : 0;
    line += MeterLine(bar.meter, bar.rate, static_cast<int>(width));
    if (line.size() > columns) line.resize(columns);
    return line;
  }

  static constexpr std::size_t kFrame = 3;  // of a bar: brackets, and a space behind
  std::string run_;
  const Output output_;
  std::FILE* out_;
  std::map<std::string, Bar> bars_;
  std::size_t width_ = 0;
  int drawn_ = 0;  // lines of bars on the screen
};

}  // namespace

Output Output::ForStdout(bool json) {
  Output output;
  output.json = json;
  const bool colour = !json && ColoursOn(STDOUT_FILENO);
  const char* term = std::getenv("TERM");
  output.terminal = !json && isatty(STDOUT_FILENO) == 1 && term && std::string_view(term) != "dumb";
  output.style.colour = colour;
  return output;
}

void RateMeter::See(const Meter& meter, std::int64_t now_ms) {
  if (first_ms_ < 0 || meter.done < done_) {
    first_ms_ = now_ms;
    first_done_ = meter.done;
  }
  done_ = meter.done;
  total_ = meter.total;
  const double seconds = static_cast<double>(now_ms - first_ms_) / 1000;
  per_second_ = seconds > 0.05 ? static_cast<double>(done_ - first_done_) / seconds : 0;
}

std::chrono::milliseconds RateMeter::remaining() const {
  if (per_second_ <= 0 || total_ <= done_) return std::chrono::milliseconds(0);
  return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(total_ - done_) / per_second_ * 1000));
}

std::string MeterLine(const Meter& meter, const RateMeter& rate, int bar_width) {
  if (meter.total == 0) return meter.text;
  std::string line;
  if (bar_width > 0) {
    const auto width = static_cast<std::uint64_t>(bar_width);
    const std::uint64_t filled = std::min(width, width * meter.done / meter.total);
    line = "[" + std::string(filled, '#') + std::string(width - filled, '-') + "] ";
  }
  line += Percent(meter) + "  " + Share(meter);
  if (rate.per_second() > 0) {
    line += "  " + Amount(static_cast<std::uint64_t>(rate.per_second()), meter.unit) + "/s";
    if (rate.remaining().count() > 0) line += "  " + HumanDuration(rate.remaining()) + " left";
  }
  return line;
}

std::unique_ptr<Watcher> MakeLiveView(std::string run, const Output& output, std::FILE* out) {
  if (output.json) return std::make_unique<JsonView>(std::move(run), out);
  return std::make_unique<TextView>(std::move(run), output, out);
}

}  // namespace vmferry
