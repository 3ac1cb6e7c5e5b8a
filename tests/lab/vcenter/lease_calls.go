// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (l *lease) HttpNfcLeaseComplete(ctx *simulator.Context, req *types.HttpNfcLeaseComplete) soap.HasFault {
	if l.State != types.HttpNfcLeaseStateReady {
		return &methods.HttpNfcLeaseCompleteBody{Fault_: simulator.Fault("", new(types.InvalidState))}
	}
	l.end(ctx, types.HttpNfcLeaseStateDone, nil)
	return &methods.HttpNfcLeaseCompleteBody{Res: new(types.HttpNfcLeaseCompleteResponse)}
}

func (l *lease) HttpNfcLeaseAbort(ctx *simulator.Context, req *types.HttpNfcLeaseAbort) soap.HasFault {
	if !l.open() {
		return &methods.HttpNfcLeaseAbortBody{Fault_: simulator.Fault("", new(types.InvalidState))}
	}
	l.end(ctx, types.HttpNfcLeaseStateError, new(types.RequestCanceled))
	return &methods.HttpNfcLeaseAbortBody{Res: new(types.HttpNfcLeaseAbortResponse)}
}

func (l *lease) HttpNfcLeaseProgress(ctx *simulator.Context, req *types.HttpNfcLeaseProgress) soap.HasFault {
	if !l.open() {
		return &methods.HttpNfcLeaseProgressBody{Fault_: simulator.Fault("", new(types.InvalidState))}
	}
	_, timeout := l.lab.limits()
	l.timer.Reset(timeout)
	ctx.Update(l, []types.PropertyChange{{Name: "transferProgress", Val: req.Percent}})
	return &methods.HttpNfcLeaseProgressBody{Res: new(types.HttpNfcLeaseProgressResponse)}
}

// CancelTask on the task of an export aborts the lease: that is how a session other than the lease's own ends it.
func (s *standIn) CancelTask(ctx *simulator.Context, req *types.CancelTask) soap.HasFault {
	if open, ok := s.lab.leases.byTask.Load(req.This); ok {
		open.(*lease).end(ctx, types.HttpNfcLeaseStateError, new(types.RequestCanceled))
		return &methods.CancelTaskBody{Res: new(types.CancelTaskResponse)}
	}
	task, ok := s.lab.registry.Get(req.This).(*simulator.Task)
	if !ok {
		return &methods.CancelTaskBody{Fault_: simulator.Fault("", &types.ManagedObjectNotFound{Obj: req.This})}
	}
	var answer soap.HasFault
	ctx.WithLock(task, func() { answer = task.CancelTask(ctx, req) })
	return answer
}
