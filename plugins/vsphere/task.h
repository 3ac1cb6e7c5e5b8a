// SPDX-License-Identifier: Apache-2.0
//
// The server's tasks: looking at one, waiting for one within a call's deadline, cancelling one.
// Any thread. Looking may be repeated; waiting polls with growing pauses and ends early when a stop is asked for.
// The server forgets finished tasks after some minutes and at a restart: then `gone` is set and the caller judges by
// the object's state. Source: vSphere Web Services API, Task.
#pragma once

#include <optional>
#include <string>

#include "plugins/vsphere/session.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

struct TaskView {
  std::string id;
  bool finished = false;
  bool gone = false;  // the server does not know it any more
  bool cancelable = false;
  int progress = 0;                // percent, 0 when unknown
  std::optional<SoapFault> fault;  // finished with an error
  Moref result;                    // when the result is a reference
};

Result<TaskView> LookAtTask(Session& session, const std::string& id, Deadline& deadline);

// Until the task is finished or the deadline is near; then finished is false. Only when nothing could be read of the
// task at all it is an Error: kUnknownOutcome naming the task.
Result<TaskView> WaitForTask(Session& session, const std::string& id, Deadline& deadline);

// Starts `call` (a method ending in _Task) and waits. A task that does not end in time is cancelled; when the server
// confirms the cancelling nothing was done and it is kUnavailable, else kUnknownOutcome naming the task. A task that
// ended with a fault is an Error by that fault.
Result<TaskView> RunTask(Session& session, const SoapCall& call, Deadline& deadline);

// The reference of the task that `call` started.
Result<std::string> StartTask(Session& session, const SoapCall& call, Deadline& deadline);

// Asks the server to cancel; that it cannot is an Error.
Status CancelTask(Session& session, const std::string& id, Deadline& deadline);

}  // namespace vmferry::vsphere
