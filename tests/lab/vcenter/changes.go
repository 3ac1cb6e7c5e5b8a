// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// changeLog holds the disks of one machine as they were at each snapshot, and answers from them what a snapshot
// contains and what has changed since a change id. The copies outlive their snapshots: a client may ask for changes
// since one that it has removed.
type changeLog struct {
	mu        sync.Mutex
	dir       string
	last      int                                  // number of the newest frozen state
	epoch     int                                  // part of every change id; a reset makes old ids invalid
	tracking  bool                                 // takes effect at a power-on or snapshot after it was enabled
	snapshots map[types.ManagedObjectReference]int // which frozen state a snapshot shows
}

func (c *changeLog) init(dir string) {
	c.dir, c.epoch, c.snapshots = dir, 1, map[types.ManagedObjectReference]int{}
}

func (c *changeLog) file(number int, disk int32) string {
	return filepath.Join(c.dir, fmt.Sprintf("%d-%d.raw", number, disk))
}

// freeze copies the disks and returns the number of the new frozen state.
func (c *changeLog) freeze(disks []diskFile) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return 0, err
	}
	c.last++
	for _, disk := range disks {
		if err := copySparse(disk.path, c.file(c.last, disk.device.Key)); err != nil {
			return 0, err
		}
	}
	return c.last, nil
}

// keep ties the frozen state to its snapshot and gives the disks of both snapshot and VM their change ids.
func (c *changeLog) keep(ref types.ManagedObjectReference, number int, vm *simulator.VirtualMachine, snapshot *simulator.VirtualMachineSnapshot) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.snapshots[ref] = number
	c.tracking = enabled(vm)
	snapshot.Config.Hardware.Device = c.stamped(vm.Config.Hardware.Device, number)
}

// stamped copies the devices, so that later changes of the VM leave the snapshot's configuration alone.
func (c *changeLog) stamped(devices []types.BaseVirtualDevice, number int) []types.BaseVirtualDevice {
	var copies []types.BaseVirtualDevice
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok && c.tracking {
			twin := *disk
			backing := *disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo)
			backing.ChangeId = c.id(number)
			twin.Backing = &backing
			device = &twin
		}
		copies = append(copies, device)
	}
	return copies
}

func (c *changeLog) id(number int) string { return fmt.Sprintf("52 1a b0 %02x/%d", c.epoch, number) }

// number is the frozen state a change id stands for, or false when the id means nothing (any more).
func (c *changeLog) number(id string) (int, bool) {
	epoch, text, _ := strings.Cut(id, "/")
	number, err := strconv.Atoi(text)
	return number, err == nil && epoch == strings.TrimSuffix(c.id(0), "/0") && number > 0 && number <= c.last
}

func enabled(vm *simulator.VirtualMachine) bool {
	return vm.Config.ChangeTrackingEnabled != nil && *vm.Config.ChangeTrackingEnabled
}

func (c *changeLog) powerOn(vm *simulator.VirtualMachine) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tracking = enabled(vm)
}

// reset makes every change id invalid, as storage migration or an unclean shutdown may.
func (c *changeLog) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.epoch++
}

// snapshotFile is the content of a disk at the snapshot, or empty when unknown.
func (c *changeLog) snapshotFile(ref types.ManagedObjectReference, disk int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if number, ok := c.snapshots[ref]; ok {
		return c.file(number, disk)
	}
	return ""
}

// base is what the base file of a disk holds while a snapshot exists: writes go elsewhere.
func (c *changeLog) base(disk int32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := 0
	for _, number := range c.snapshots {
		if oldest == 0 || number < oldest {
			oldest = number
		}
	}
	if oldest == 0 {
		return ""
	}
	return c.file(oldest, disk)
}

func (c *changeLog) drop(ref types.ManagedObjectReference) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.snapshots, ref)
}

func (c *changeLog) dropAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.snapshots)
}
