// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

func (s *standIn) PowerOnVMTask(ctx *simulator.Context, req *types.PowerOnVM_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if fault := m.boot(); fault != nil {
			return &methods.PowerOnVM_TaskBody{Res: &types.PowerOnVM_TaskResponse{Returnval: m.failed(ctx, "powerOn", fault)}}
		}
		return m.vm.PowerOnVMTask(ctx, req) // refuses a VM that is on already
	})
}

// boot starts the guest unless it is on.
func (m *machine) boot() types.BaseMethodFault {
	if m.poweredOn() {
		return nil
	}
	if fault := m.exporting(); fault != nil {
		return fault
	}
	guest, err := m.start()
	if err != nil {
		log.Printf("%s: %v", m.path, err)
		return &types.GenericVmConfigFault{Reason: err.Error()}
	}
	m.mu.Lock()
	m.running = guest
	m.mu.Unlock()
	m.changes.powerOn(m.vm)
	go m.attend(guest)
	return nil
}

// attend reports the tools as running once the guest is up, and powers the VM off when the guest ends by itself.
func (m *machine) attend(g *guest) {
	if g.awaitReady() {
		m.withVM(g, func(ctx *simulator.Context) { m.reportTools(ctx, true) })
	}
	<-g.exited
	m.withVM(g, func(ctx *simulator.Context) {
		m.forget(g)
		m.reportTools(ctx, false)
		m.vm.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: m.vm.Self})
	})
}

// withVM runs f with the VM locked, unless somebody else has ended this guest in the meantime.
func (m *machine) withVM(g *guest, f func(*simulator.Context)) {
	ctx := m.lab.context()
	ctx.WithLock(m.vm, func() {
		if m.guest() == g {
			f(ctx)
		}
	})
}

func (m *machine) forget(g *guest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running == g {
		m.running = nil
	}
}

// halt ends the guest at once, as pulling the plug does.
func (m *machine) halt() {
	if g := m.guest(); g != nil {
		m.forget(g)
		g.kill()
	}
}

func (m *machine) reportTools(ctx *simulator.Context, running bool) {
	status, tools, state, ip := "guestToolsNotRunning", "toolsNotRunning", "notRunning", ""
	if running {
		status, tools, state, ip = "guestToolsRunning", "toolsOk", "running", m.spec.ip
	}
	changes := []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: status}, {Name: "guest.toolsStatus", Val: types.VirtualMachineToolsStatus(tools)},
		{Name: "guest.guestState", Val: state}, {Name: "guest.ipAddress", Val: ip}, {Name: "guest.hostName", Val: m.spec.name},
		{Name: "guest.toolsVersionStatus2", Val: "guestToolsUnmanaged"},
		{Name: "summary.guest.toolsRunningStatus", Val: status}, {Name: "summary.guest.ipAddress", Val: ip},
	}
	ctx.Update(m.vm, changes)
}

func (s *standIn) PowerOffVMTask(ctx *simulator.Context, req *types.PowerOffVM_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if m.poweredOn() {
			m.halt()
			m.reportTools(ctx, false)
		}
		return m.vm.PowerOffVMTask(ctx, req)
	})
}

func (s *standIn) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	m := s.lab.machineOf(req.This)
	if fault := m.guestCall("system_powerdown"); fault != nil {
		return &methods.ShutdownGuestBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
}

func (s *standIn) RebootGuest(ctx *simulator.Context, req *types.RebootGuest) soap.HasFault {
	m := s.lab.machineOf(req.This)
	if fault := m.guestCall("system_reset"); fault != nil {
		return &methods.RebootGuestBody{Fault_: simulator.Fault("", fault)}
	}
	return &methods.RebootGuestBody{Res: new(types.RebootGuestResponse)}
}

// guestCall does what the guest tools would do; they must be running.
func (m *machine) guestCall(command string) types.BaseMethodFault {
	off := &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOn, ExistingState: types.VirtualMachinePowerStatePoweredOff}
	g := m.guest()
	if g == nil {
		return off
	}
	if !g.ready() {
		return new(types.ToolsUnavailable)
	}
	err := g.command(command, nil)
	if err == nil {
		return nil
	}
	// Asked while the machine was going off by itself: its monitor ends a moment before its process.
	select {
	case <-g.exited:
		return off
	case <-time.After(monitorDeadline):
		return &types.SystemError{Reason: err.Error()}
	}
}

func (s *standIn) ResetVMTask(ctx *simulator.Context, req *types.ResetVM_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	fault := m.guestCall("system_reset")
	return &methods.ResetVM_TaskBody{Res: &types.ResetVM_TaskResponse{Returnval: m.failed(ctx, "reset", fault)}}
}

func (s *standIn) SuspendVMTask(ctx *simulator.Context, req *types.SuspendVM_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return &methods.SuspendVM_TaskBody{Res: &types.SuspendVM_TaskResponse{Returnval: m.failed(ctx, "suspend", new(types.NotSupported))}}
}

// DestroyTask and UnregisterVM refuse a VM that runs or is exported, as vSphere does.
func (s *standIn) DestroyTask(ctx *simulator.Context, req *types.Destroy_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if fault := m.exporting(); fault != nil {
			return &methods.Destroy_TaskBody{Res: &types.Destroy_TaskResponse{Returnval: m.failed(ctx, "destroy", fault)}}
		}
		return m.vm.DestroyTask(ctx, req)
	})
}

func (s *standIn) UnregisterVM(ctx *simulator.Context, req *types.UnregisterVM) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if fault := m.exporting(); fault != nil {
			return &methods.UnregisterVMBody{Fault_: simulator.Fault("", fault)}
		}
		return m.vm.UnregisterVM(ctx, req)
	})
}
