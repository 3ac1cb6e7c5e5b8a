// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CreateSnapshotTask keeps the content of the disks at this moment. A running guest is stopped for the time of the
// copy, as vSphere stuns it.
func (s *standIn) CreateSnapshotTask(ctx *simulator.Context, req *types.CreateSnapshot_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	task := simulator.CreateTask(m.vm, "createSnapshot", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return m.createSnapshot(ctx, req)
	})
	return m.locked(ctx, func() soap.HasFault {
		return &methods.CreateSnapshot_TaskBody{Res: &types.CreateSnapshot_TaskResponse{Returnval: task.Run(ctx)}}
	})
}

func (m *machine) createSnapshot(ctx *simulator.Context, req *types.CreateSnapshot_Task) (types.AnyType, types.BaseMethodFault) {
	frozen, err := m.freeze()
	if err != nil {
		return nil, &types.GenericVmConfigFault{Reason: err.Error()}
	}
	body := m.vm.CreateSnapshotTask(ctx, req).(*methods.CreateSnapshot_TaskBody)
	inner := m.lab.registry.Get(body.Res.Returnval).(*simulator.Task)
	inner.Wait()
	if inner.Info.Error != nil {
		return nil, inner.Info.Error.Fault
	}
	ref := inner.Info.Result.(types.ManagedObjectReference)
	m.changes.keep(ref, frozen, m.vm, m.lab.registry.Get(ref).(*simulator.VirtualMachineSnapshot))
	return ref, nil
}

// freeze copies the disks while the guest, if there is one, stands still.
func (m *machine) freeze() (int, error) {
	if g := m.guest(); g != nil {
		if err := g.command("stop", nil); err != nil {
			return 0, err
		}
		defer g.command("cont", nil)
	}
	return m.changes.freeze(m.disks())
}

func (s *standIn) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	snapshot := s.lab.registry.Get(req.This).(*simulator.VirtualMachineSnapshot)
	return m.locked(ctx, func() soap.HasFault {
		if fault := m.exporting(); fault != nil {
			return &methods.RemoveSnapshot_TaskBody{Res: &types.RemoveSnapshot_TaskResponse{Returnval: m.failed(ctx, "removeSnapshot", fault)}}
		}
		m.changes.drop(req.This)
		return snapshot.RemoveSnapshotTask(ctx, req)
	})
}

func (s *standIn) RemoveAllSnapshotsTask(ctx *simulator.Context, req *types.RemoveAllSnapshots_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		m.changes.dropAll()
		return m.vm.RemoveAllSnapshotsTask(ctx, req)
	})
}

// RevertToSnapshotTask restores the disks and leaves the machine off.
func (s *standIn) RevertToSnapshotTask(ctx *simulator.Context, req *types.RevertToSnapshot_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	snapshot := s.lab.registry.Get(req.This).(*simulator.VirtualMachineSnapshot)
	return m.locked(ctx, func() soap.HasFault {
		if m.poweredOn() {
			m.halt()
			m.vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: m.vm.Self})
		}
		for _, disk := range m.disks() {
			if file := m.changes.snapshotFile(req.This, disk.device.Key); file != "" {
				copySparse(file, disk.path)
			}
		}
		return snapshot.RevertToSnapshotTask(ctx, req)
	})
}
