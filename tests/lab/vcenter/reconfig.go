// SPDX-License-Identifier: Apache-2.0

package main

import (
	"log"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ReconfigVMTask adds what the simulator leaves out: the changeVersion check, removal of keys that are not there, and
// edits of a network card that name only what changes.
func (s *standIn) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	m := s.lab.machineOf(req.This)
	return m.locked(ctx, func() soap.HasFault {
		if version := req.Spec.ChangeVersion; version != "" && version != m.vm.Config.ChangeVersion {
			return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{
				Returnval: m.failed(ctx, "reconfigVm", new(types.ConcurrentAccess))}}
		}
		m.dropUselessRemovals(&req.Spec)
		m.completeCardEdits(&req.Spec)
		answer := m.vm.ReconfigVMTask(ctx, req)
		go m.syncLinks() // waits for the VM's lock, and so for the task
		return answer
	})
}

// dropUselessRemovals: an empty value removes a key; for a key that is not there the simulator would add it.
func (m *machine) dropUselessRemovals(spec *types.VirtualMachineConfigSpec) {
	var kept []types.BaseOptionValue
	present := object.OptionValueList(m.vm.Config.ExtraConfig)
	for _, option := range spec.ExtraConfig {
		value := option.GetOptionValue()
		if text, ok := value.Value.(string); ok && text == "" {
			if _, found := present.Get(value.Key); !found {
				continue
			}
		}
		kept = append(kept, option)
	}
	spec.ExtraConfig = kept
}

// completeCardEdits: the simulator replaces an edited device; vSphere keeps what the edit does not name.
func (m *machine) completeCardEdits(spec *types.VirtualMachineConfigSpec) {
	devices := object.VirtualDeviceList(m.vm.Config.Hardware.Device)
	for _, change := range spec.DeviceChange {
		edit := change.GetVirtualDeviceConfigSpec()
		card, ok := edit.Device.(types.BaseVirtualEthernetCard)
		if !ok || edit.Operation != types.VirtualDeviceConfigSpecOperationEdit {
			continue
		}
		if old, ok := devices.FindByKey(edit.Device.GetVirtualDevice().Key).(types.BaseVirtualEthernetCard); ok {
			completeCard(card.GetVirtualEthernetCard(), old.GetVirtualEthernetCard())
		}
	}
}

func completeCard(card, old *types.VirtualEthernetCard) {
	if card.MacAddress == "" {
		card.MacAddress = old.MacAddress
	}
	if card.AddressType == "" {
		card.AddressType = old.AddressType
	}
	if card.Backing == nil {
		card.Backing = old.Backing
	}
	if card.Connectable == nil {
		card.Connectable = old.Connectable
	}
	if card.ControllerKey == 0 {
		card.ControllerKey = old.ControllerKey
	}
	if card.UnitNumber == nil {
		card.UnitNumber = old.UnitNumber
	}
	if card.DeviceInfo == nil {
		card.DeviceInfo = old.DeviceInfo
	}
}

// syncLinks gives the cards of a running guest the connection state of the inventory.
func (m *machine) syncLinks() {
	ctx := m.lab.context()
	ctx.WithLock(m.vm, func() {
		g := m.guest()
		if g == nil {
			return
		}
		for _, card := range m.cards() {
			connected := card.Connectable != nil && card.Connectable.Connected
			if g.linkIs(card.Key) == connected {
				continue
			}
			if err := g.plug(card.Key, connected); err != nil {
				log.Printf("%s: card %d: %v", m.path, card.Key, err)
			}
		}
	})
}
