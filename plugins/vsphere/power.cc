// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/power.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "plugins/vsphere/faults.h"
#include "plugins/vsphere/property_collector.h"
#include "plugins/vsphere/task.h"
#include "plugins/vsphere/vm_facts.h"

namespace vmferry::vsphere {
namespace {

struct Goal {
  const char* power;   // "on" or "off"
  const char* method;  // the task that leads there
};
constexpr Goal kOn{"on", "PowerOnVM_Task"};
constexpr Goal kOff{"off", "PowerOffVM_Task"};

// The VM asks something ("Did you move or copy this VM?") and stands still until it is answered.
Status CheckQuestion(Session& session, const Moref& vm, Deadline& deadline) {
  auto read = Read(session, vm, {"runtime.question"}, deadline);
  if (!read || !read->Find("runtime.question")) return Ok();
  return session.Failed(Error{ErrorKind::kInvalid, "", "VM " + vm.value,
                              "it waits for an answer: " + TextAt(read->Find("runtime.question"), "text"),
                              "answer the question on the platform"});
}

// What to answer now that the task, if any, has been waited for.
Result<PowerReply> Judge(Session& session, const Moref& vm, const Goal& goal, const TaskView& task,
                         Deadline& deadline) {
  // A stop or a spent deadline must not keep us from telling what is known.
  Deadline brief(std::max(deadline.Left(), std::chrono::milliseconds(1000)), std::stop_token());
  auto power = ReadPower(session, vm, brief);
  const bool there = power && *power == goal.power;
  if (there) return PowerReply{true, *power, ""};
  if (task.fault) return session.Failed(FaultError(*task.fault, goal.method));
  if (!power)
    return Error{ErrorKind::kUnknownOutcome, power.error().system, "VM " + vm.value + ", task " + task.id,
                 "its power state cannot be read: " + power.error().message, ""};
  if (task.finished || task.gone)
    return session.Failed(Error{ErrorKind::kUnavailable, "", "VM " + vm.value,
                                std::string(goal.method) + " ended but the VM is " + *power,
                                "somebody else may have changed its power state"});
  if (Status asked = CheckQuestion(session, vm, brief); !asked) return asked.error();
  return PowerReply{false, *power, task.id};
}

Result<PowerReply> Ensure(Session& session, const Moref& vm, const Goal& goal, const PowerRequest& request,
                          Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (Status claimed = CheckClaim(session, *config, request.claim); !claimed) return claimed.error();
  if (config->power == goal.power) return PowerReply{true, config->power, ""};
  if (!request.task.empty()) {
    auto task = WaitForTask(session, request.task, deadline);
    if (!task) return task.error();
    // Of a forgotten task nothing is known but that it works no more: start afresh.
    if (!task->gone) return Judge(session, vm, goal, *task, deadline);
  }
  const auto started = StartTask(session, SoapCall(goal.method, vm), deadline);
  if (!started) return started.error();
  auto task = WaitForTask(session, *started, deadline);
  if (!task) return task.error();
  return Judge(session, vm, goal, *task, deadline);
}

}  // namespace

Result<PowerReply> EnsurePoweredOff(Session& session, const Moref& vm, const PowerRequest& request,
                                    Deadline& deadline) {
  return Ensure(session, vm, kOff, request, deadline);
}

Result<PowerReply> EnsurePoweredOn(Session& session, const Moref& vm, const PowerRequest& request, Deadline& deadline) {
  return Ensure(session, vm, kOn, request, deadline);
}

Result<PowerReply> RequestShutdown(Session& session, const Moref& vm, const PowerRequest& request, Deadline& deadline) {
  auto config = ReadConfig(session, vm, deadline);
  if (!config) return config.error();
  if (Status claimed = CheckClaim(session, *config, request.claim); !claimed) return claimed.error();
  if (config->power == "off") return PowerReply{true, "off", ""};
  const SoapCall call("ShutdownGuest", vm);
  auto answer = session.Try(call, Access::kWrite, deadline);
  if (!answer) return answer.error();
  auto power = ReadPower(session, vm, deadline);
  // It may have gone off by itself in between; that is what was wanted.
  if (power && *power == "off") return PowerReply{true, "off", ""};
  if (answer->fault) {
    Error error = session.Failed(FaultError(*answer->fault, call.method()));
    error.object = "VM " + vm.value;
    return error;
  }
  // The request was taken; that the state could not be read does not undo that.
  return PowerReply{false, power ? *power : config->power, ""};
}

}  // namespace vmferry::vsphere
