// SPDX-License-Identifier: Apache-2.0

package main

import (
	"path/filepath"
	"sync"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is what makes one VM of the inventory real. The VM's properties are guarded by the simulator's lock on the
// VM; the fields here by mu, which is never held while waiting for that lock.
type machine struct {
	lab   *lab
	vm    *simulator.VirtualMachine
	spec  vmSpec
	path  string // inventory path
	order int    // in which it was added

	mu      sync.Mutex
	running *guest // nil while off
	lease   *lease // nil unless an export is under way
	changes changeLog
}

func newMachine(l *lab, vm *simulator.VirtualMachine, spec vmSpec, path string) *machine {
	m := &machine{lab: l, vm: vm, spec: spec, path: path, order: len(l.machines)}
	m.changes.init(filepath.Join(l.state, "frozen", vm.Self.Value))
	return m
}

func (m *machine) guest() *guest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.running
}

func (m *machine) poweredOn() bool {
	return m.vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
}

// diskFile is one virtual disk and the raw extent that holds its data.
type diskFile struct {
	device *types.VirtualDisk
	path   string
}

func (m *machine) disks() []diskFile {
	var disks []diskFile
	for _, device := range m.vm.Config.Hardware.Device {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		var file object.DatastorePath
		file.FromString(disk.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo().FileName)
		disks = append(disks, diskFile{disk, filepath.Join(m.lab.storePath(), simulator.VirtualDiskBackingFileName(file.Path))})
	}
	return disks
}

// cards returns the VM's network cards.
func (m *machine) cards() []*types.VirtualEthernetCard {
	var cards []*types.VirtualEthernetCard
	for _, device := range m.vm.Config.Hardware.Device {
		if card, ok := device.(types.BaseVirtualEthernetCard); ok {
			cards = append(cards, card.GetVirtualEthernetCard())
		}
	}
	return cards
}

// locked runs f with the VM's lock held on behalf of ctx. A task that f starts keeps the lock until it ends.
func (m *machine) locked(ctx *simulator.Context, f func() soap.HasFault) (result soap.HasFault) {
	ctx.WithLock(m.vm, func() { result = f() })
	return result
}

// failed starts a task that ends with the fault, which is how vSphere reports most refusals.
func (m *machine) failed(ctx *simulator.Context, name string, fault types.BaseMethodFault) types.ManagedObjectReference {
	return simulator.CreateTask(m.vm, name, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return nil, fault
	}).Run(ctx)
}
