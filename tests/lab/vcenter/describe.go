// SPDX-License-Identifier: Apache-2.0

package main

import "github.com/vmware/govmomi/vim25/types"

// vmView is one VM as GET /vms shows it.
type vmView struct {
	Name          string         `json:"name"`
	Path          string         `json:"path"`
	Ref           string         `json:"ref"`
	PowerState    string         `json:"power_state"`
	Pid           int            `json:"pid,omitempty"` // of QEMU
	Tools         string         `json:"tools"`
	ChangeVersion string         `json:"change_version"`
	ExtraConfig   map[string]any `json:"extra_config"`
	Snapshots     []snapshotView `json:"snapshots"`
	Cards         []cardView     `json:"cards"`
	Disks         []diskView     `json:"disks"`
	Exporting     bool           `json:"exporting"`
}

type snapshotView struct {
	Ref         string `json:"ref"`
	Name        string `json:"name"`
	Description string `json:"description"`
}

type cardView struct {
	Key            int32  `json:"key"`
	MAC            string `json:"mac"`
	StartConnected bool   `json:"start_connected"`
	Connected      bool   `json:"connected"`
}

type diskView struct {
	Key   int32  `json:"key"`
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
	Path  string `json:"path"` // of the raw extent
}

func (l *lab) describeVMs() []vmView {
	views := []vmView{}
	for _, m := range l.sorted() {
		ctx := l.context()
		ctx.WithLock(m.vm, func() { views = append(views, m.describe()) })
	}
	return views
}

func (m *machine) describe() vmView {
	view := vmView{Name: m.vm.Name, Path: m.path, Ref: m.vm.Self.Value, PowerState: string(m.vm.Runtime.PowerState),
		Tools: m.vm.Guest.ToolsRunningStatus, ChangeVersion: m.vm.Config.ChangeVersion, ExtraConfig: map[string]any{},
		Snapshots: []snapshotView{}, Exporting: m.exporting() != nil}
	if g := m.guest(); g != nil {
		view.Pid = g.process.Process.Pid
	}
	for _, option := range m.vm.Config.ExtraConfig {
		view.ExtraConfig[option.GetOptionValue().Key] = option.GetOptionValue().Value
	}
	if m.vm.Snapshot != nil {
		view.addSnapshots(m.vm.Snapshot.RootSnapshotList)
	}
	for _, card := range m.cards() {
		view.Cards = append(view.Cards, cardView{card.Key, card.MacAddress, card.Connectable.StartConnected, card.Connectable.Connected})
	}
	for _, disk := range m.disks() {
		file := disk.device.Backing.(types.BaseVirtualDeviceFileBackingInfo).GetVirtualDeviceFileBackingInfo().FileName
		view.Disks = append(view.Disks, diskView{disk.device.Key, file, disk.device.CapacityInBytes, disk.path})
	}
	return view
}

func (v *vmView) addSnapshots(tree []types.VirtualMachineSnapshotTree) {
	for _, node := range tree {
		v.Snapshots = append(v.Snapshots, snapshotView{node.Snapshot.Value, node.Name, node.Description})
		v.addSnapshots(node.ChildSnapshotList)
	}
}

type leaseView struct {
	Ref   string `json:"ref"`
	VM    string `json:"vm"`
	State string `json:"state"`
	Task  string `json:"task"`
}

func (l *lab) describeLeases() []leaseView {
	views := []leaseView{}
	for _, m := range l.sorted() {
		if open := m.openLease(); open != nil {
			views = append(views, leaseView{open.Self.Value, m.path, string(open.State), open.task.Self.Value})
		}
	}
	return views
}

func (m *machine) openLease() *lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lease
}
