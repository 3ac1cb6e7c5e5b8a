// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// lease is one export. It belongs to the session that asked for it; it ends by completion, by abort, by its task being
// cancelled (which is how another session ends it), or when its time passes without a progress call. Until then the
// VM cannot be powered on. Logging out does not end it.
type lease struct {
	mo.HttpNfcLease

	lab     *lab
	machine *machine
	session *simulator.Session
	task    *simulator.Task
	ended   chan struct{}
	timer   *time.Timer
	files   map[string]string // name in the URL -> raw disk; fixed once made
}

// leaseBook finds open leases by id for downloads, and by task for cancelling.
type leaseBook struct{ byID, byTask sync.Map }

// source is a disk to export.
type source struct {
	device *types.VirtualDisk
	path   string
}

func (s *standIn) ExportVm(ctx *simulator.Context, req *types.ExportVm) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if m.poweredOn() {
			return &methods.ExportVmBody{Fault_: simulator.Fault("", &types.InvalidPowerState{
				RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: types.VirtualMachinePowerStatePoweredOn})}
		}
		var sources []source
		for _, disk := range m.disks() {
			sources = append(sources, source(disk))
		}
		ref, fault := m.export(ctx, "exportVm", sources)
		if fault != nil {
			return &methods.ExportVmBody{Fault_: simulator.Fault("", fault)}
		}
		return &methods.ExportVmBody{Res: &types.ExportVmResponse{Returnval: ref}}
	})
}

func (s *standIn) ExportSnapshot(ctx *simulator.Context, req *types.ExportSnapshot) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		var sources []source
		for _, disk := range m.disks() {
			if file := m.changes.snapshotFile(req.This, disk.device.Key); file != "" {
				sources = append(sources, source{disk.device, file})
			}
		}
		ref, fault := m.export(ctx, "exportSnapshot", sources)
		if fault != nil {
			return &methods.ExportSnapshotBody{Fault_: simulator.Fault("", fault)}
		}
		return &methods.ExportSnapshotBody{Res: &types.ExportSnapshotResponse{Returnval: ref}}
	})
}

// exporting returns the fault for an operation that an open lease forbids.
func (m *machine) exporting() types.BaseMethodFault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.lease == nil {
		return nil
	}
	return &types.TaskInProgress{Task: m.lease.task.Self}
}

func (m *machine) export(ctx *simulator.Context, kind string, sources []source) (types.ManagedObjectReference, types.BaseMethodFault) {
	if fault := m.exporting(); fault != nil {
		return types.ManagedObjectReference{}, fault
	}
	l := &lease{lab: m.lab, machine: m, ended: make(chan struct{}), files: map[string]string{}}
	for i, disk := range sources {
		l.files[exportName(i)] = disk.path
	}
	l.State = types.HttpNfcLeaseStateInitializing
	l.Self.Type = "HttpNfcLease"
	l.session = ctx.Session
	ctx.Session.Put(l)
	l.startTask(kind)
	m.mu.Lock()
	m.lease = l
	m.mu.Unlock()
	m.lab.leases.byID.Store(l.Self.Value, l)
	m.lab.leases.byTask.Store(l.task.Self, l)
	_, timeout := m.lab.limits()
	l.timer = time.AfterFunc(timeout, func() { l.end(l.context(), types.HttpNfcLeaseStateError, new(types.Timedout)) })
	go l.prepare(sources, timeout)
	return l.Self, nil
}

// context is for work that no request holds the lease's lock for.
func (l *lease) context() *simulator.Context {
	ctx := l.lab.context()
	ctx.Session = l.session
	return ctx
}

// startTask shows the export in the VM's recent tasks for as long as it is open.
func (l *lease) startTask(kind string) {
	l.task = simulator.CreateTask(l.machine.vm, kind, nil)
	l.lab.registry.Put(l.task)
	l.task.Info.Task, l.task.Info.Key = l.task.Self, l.task.Self.Value
	l.task.Info.Cancelable = true
	l.task.Info.State = types.TaskInfoStateRunning
	l.task.Info.StartTime = types.NewTime(time.Now())
}

// prepare makes the lease ready. It runs beside the call, as clients must wait for that.
func (l *lease) prepare(sources []source, timeout time.Duration) {
	info := &types.HttpNfcLeaseInfo{Lease: l.Self, Entity: l.machine.vm.Self, LeaseTimeout: int32(timeout / time.Second)}
	for i, disk := range sources {
		info.DeviceUrl = append(info.DeviceUrl, l.deviceURL(i))
		info.TotalDiskCapacityInKB += disk.device.CapacityInKB
	}
	ctx := l.context()
	ctx.WithLock(l, func() {
		if l.State == types.HttpNfcLeaseStateInitializing {
			ctx.Update(l, []types.PropertyChange{
				{Name: "info", Val: info}, {Name: "initializeProgress", Val: int32(100)},
				{Name: "state", Val: types.HttpNfcLeaseStateReady}})
		}
	})
}

func exportName(i int) string { return fmt.Sprintf("disk-%d.vmdk", i) }

func (l *lease) deviceURL(i int) types.HttpNfcLeaseDeviceUrl {
	name := exportName(i)
	return types.HttpNfcLeaseDeviceUrl{
		Key: fmt.Sprintf("/%s/VirtualLsiLogicController0:%d", l.machine.vm.Self.Value, i), ImportKey: fmt.Sprintf("/%s/disk:%d", l.machine.spec.name, i),
		Url:           "https://" + l.lab.nfcAuthority() + "/nfc/" + l.Self.Value + "/" + name,
		SslThumbprint: l.lab.cert.sha1Thumbprint(), Disk: types.NewBool(true), TargetId: name,
	}
}

// end closes the lease once: later reasons are ignored.
func (l *lease) end(ctx *simulator.Context, state types.HttpNfcLeaseState, fault types.BaseMethodFault) {
	first := false
	ctx.WithLock(l, func() {
		if first = l.State == types.HttpNfcLeaseStateInitializing || l.State == types.HttpNfcLeaseStateReady; first {
			changes := []types.PropertyChange{{Name: "state", Val: state}}
			if fault != nil {
				changes = append(changes, types.PropertyChange{Name: "error", Val: localized(fault)})
			}
			ctx.Update(l, changes)
		}
	})
	if !first {
		return
	}
	l.timer.Stop()
	close(l.ended) // cuts the downloads
	l.machine.mu.Lock()
	l.machine.lease = nil
	l.machine.mu.Unlock()
	l.lab.leases.byID.Delete(l.Self.Value)
	l.lab.leases.byTask.Delete(l.task.Self)
	l.endTask(ctx, fault)
}

func localized(fault types.BaseMethodFault) *types.LocalizedMethodFault {
	return &types.LocalizedMethodFault{Fault: fault, LocalizedMessage: fmt.Sprintf("%T", fault)}
}

func (l *lease) endTask(ctx *simulator.Context, fault types.BaseMethodFault) {
	changes := []types.PropertyChange{{Name: "info.completeTime", Val: time.Now()}, {Name: "info.state", Val: types.TaskInfoStateSuccess}}
	if fault != nil {
		changes[1].Val = types.TaskInfoStateError
		changes = append(changes, types.PropertyChange{Name: "info.error", Val: *localized(fault)})
	}
	l.lab.registry.AtomicUpdate(ctx, l.task, changes)
}

func (l *lease) open() bool {
	return l.State == types.HttpNfcLeaseStateReady || l.State == types.HttpNfcLeaseStateInitializing
}
