// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/task.h"

#include <algorithm>
#include <chrono>

#include "plugins/vsphere/faults.h"
#include "plugins/vsphere/property_collector.h"

namespace vmferry::vsphere {
namespace {

using std::chrono::milliseconds;

// Kept back from a wait, so that the answer can still be given (and a task cancelled) in time.
constexpr milliseconds kReserve{1500};
constexpr milliseconds kShortestPause{30};
constexpr milliseconds kLongestPause{500};

Error StillRunning(const Session& session, const std::string& id) {
  return session.Failed(Error{ErrorKind::kUnknownOutcome, "", "task " + id, "the platform's task has not ended in time",
                              "look at the task on the platform; what it was to do may still happen"});
}

void Pause(milliseconds* pause, Deadline& deadline) {
  // Waits on nothing but the stop request.
  const Deadline nap(std::min(*pause, deadline.Left()), deadline.stop());
  (void)nap.For(-1, 0);
  *pause = std::min(*pause * 2, kLongestPause);
}

bool Cancelled(const TaskView& task) {
  return task.finished && task.fault && task.fault->type == "RequestCanceled";
}

}  // namespace

Result<TaskView> LookAtTask(Session& session, const std::string& id, Deadline& deadline) {
  const Moref task{"Task", id};
  auto read =
      Read(session, task, {"info.state", "info.error", "info.result", "info.cancelable", "info.progress"}, deadline);
  TaskView view;
  view.id = id;
  if (!read && read.error().kind == ErrorKind::kNotFound) {
    view.gone = true;
    return view;
  }
  if (!read) return read.error();
  const std::string state = read->Text("info.state");
  view.finished = state == "success" || state == "error";
  view.cancelable = read->Text("info.cancelable") == "true";
  view.progress = std::max(0, read->Find("info.progress").text().as_int());
  if (state == "error") view.fault = ReadLocalizedFault(read->Find("info.error"));
  if (state == "success") view.result = RefIn(read->Find("info.result"));
  return view;
}

Result<TaskView> WaitForTask(Session& session, const std::string& id, Deadline& deadline) {
  // A short call keeps back less, so that it still waits for most of its time.
  const milliseconds reserve = std::min(kReserve, deadline.Left() / 4);
  milliseconds pause = kShortestPause;
  std::optional<TaskView> last;
  for (;;) {
    auto view = LookAtTask(session, id, deadline);
    // The task was accepted, so a failure to look at it says nothing about it: look again while there is time.
    if (!view && !SafeToRetry(view.error())) return view.error();
    if (view) last = *view;
    if (view && (view->finished || view->gone)) return view;
    if (deadline.Left() < reserve + pause || deadline.stopped()) break;
    Pause(&pause, deadline);
  }
  if (!last) return StillRunning(session, id);
  return *last;
}

Result<std::string> StartTask(Session& session, const SoapCall& call, Deadline& deadline) {
  auto answer = session.Call(call, Access::kWrite, deadline);
  if (!answer) return answer.error();
  const Moref task = RefIn(answer->returnval());
  if (task) return task.value;
  return session.Failed(Error{ErrorKind::kUnknownOutcome, "", "", call.method() + " was accepted but named no task",
                              "look whether the change was made"});
}

Status CancelTask(Session& session, const std::string& id, Deadline& deadline) {
  auto answer = session.Call(SoapCall("CancelTask", Moref{"Task", id}), Access::kWrite, deadline);
  if (!answer) return answer.error();
  return Ok();
}

Result<TaskView> RunTask(Session& session, const SoapCall& call, Deadline& deadline) {
  const auto id = StartTask(session, call, deadline);
  if (!id) return id.error();
  auto view = WaitForTask(session, *id, deadline);
  if (view && !view->finished && !view->gone) {
    // A fresh, short time: what is left of the caller's may be nothing after a stop.
    Deadline brief(kReserve, std::stop_token());
    milliseconds pause = kShortestPause;
    if (CancelTask(session, *id, brief)) {
      while (view && !view->finished && !view->gone && brief.Left() > pause) {
        Pause(&pause, brief);
        view = LookAtTask(session, *id, brief);
      }
    }
    if (view && Cancelled(*view))
      return session.Failed(Error{ErrorKind::kUnavailable, "", "task " + *id,
                                  call.method() + " had not ended in time and was cancelled", ""});
  }
  if (!view && view.error().kind == ErrorKind::kUnknownOutcome) return view.error();
  if (!view || view->gone || !view->finished) return StillRunning(session, *id);
  if (view->fault) return session.Failed(FaultError(*view->fault, call.method()));
  return view;
}

}  // namespace vmferry::vsphere
