// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const datastore = "LocalDS_0"

// addVM creates the VM in the inventory and copies its disks onto the datastore.
func (l *lab) addVM(spec vmSpec) error {
	ctx := context.Background()
	client, err := vim25.NewClient(ctx, l.model.Service)
	if err != nil {
		return err
	}
	finder := find.NewFinder(client, false)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return err
	}
	finder.SetDatacenter(dc)
	folder, err := vmFolder(ctx, finder, dc, spec.folder)
	if err != nil {
		return err
	}
	pools, err := finder.ResourcePoolList(ctx, "*/Resources")
	if err != nil {
		return err
	}
	dir := l.freeDirectory(spec.name)
	config, err := l.vmConfig(spec, dir)
	if err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, config, pools[0], nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return fmt.Errorf("creating %s: %w", spec.name, err)
	}
	ref := info.Result.(types.ManagedObjectReference)
	m := newMachine(l, l.registry.Get(ref).(*simulator.VirtualMachine), spec, path.Join(folder.InventoryPath, spec.name))
	l.machines[ref] = m
	return m.fillDisks()
}

func vmFolder(ctx context.Context, finder *find.Finder, dc *object.Datacenter, name string) (*object.Folder, error) {
	folders, err := dc.Folders(ctx)
	if err != nil || name == "" {
		return folders.VmFolder, err
	}
	inventoryPath := path.Join(folders.VmFolder.InventoryPath, name)
	if folder, err := finder.Folder(ctx, inventoryPath); err == nil {
		return folder, nil
	}
	folder, err := folders.VmFolder.CreateFolder(ctx, name)
	if err == nil {
		folder.InventoryPath = inventoryPath
	}
	return folder, err
}

// freeDirectory is the VM's name or, as vSphere does for a second VM of one name, the name with a number.
func (l *lab) freeDirectory(name string) string {
	dir := name
	for n := 1; ; n++ {
		if _, err := os.Stat(filepath.Join(l.storePath(), dir)); err != nil {
			return dir
		}
		dir = fmt.Sprintf("%s_%d", name, n)
	}
}

// storePath is where the datastore's files really are.
func (l *lab) storePath() string {
	for _, entity := range l.registry.All("Datastore") {
		if store := l.registry.Get(entity.Reference()).(*simulator.Datastore); store.Name == datastore {
			return store.Info.GetDatastoreInfo().Url
		}
	}
	return ""
}

func (l *lab) vmConfig(spec vmSpec, dir string) (types.VirtualMachineConfigSpec, error) {
	config := types.VirtualMachineConfigSpec{
		Name: spec.name, GuestId: string(types.VirtualMachineGuestOsIdentifierOther5xLinux64Guest),
		NumCPUs: 1, MemoryMB: spec.memory, ChangeTrackingEnabled: types.NewBool(spec.cbt),
		Files: &types.VirtualMachineFileInfo{VmPathName: fmt.Sprintf("[%s] %s/%s.vmx", datastore, dir, spec.name)},
	}
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return config, err
	}
	scsi.GetVirtualDevice().Key = 1000
	devices = append(devices, scsi)
	for i, source := range spec.disks {
		disk, err := newDisk(devices, scsi, source, fmt.Sprintf("[%s] %s/%s", datastore, dir, diskName(spec.name, i)))
		if err != nil {
			return config, err
		}
		disk.Key = int32(2000 + i)
		devices = append(devices, disk)
	}
	card, err := devices.CreateEthernetCard("vmxnet3", &types.VirtualEthernetCardNetworkBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
	})
	if err != nil {
		return config, err
	}
	card.GetVirtualDevice().Key = 4000
	// The addresses the simulator makes up are not unique.
	address := card.(types.BaseVirtualEthernetCard).GetVirtualEthernetCard()
	address.AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
	address.MacAddress = fmt.Sprintf("00:50:56:9a:10:%02x", len(l.machines)+1)
	devices = append(devices, card)
	config.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd)
	return config, err
}

func diskName(vm string, i int) string {
	if i == 0 {
		return vm + ".vmdk"
	}
	return fmt.Sprintf("%s_%d.vmdk", vm, i)
}

func newDisk(devices object.VirtualDeviceList, scsi types.BaseVirtualDevice, source, file string) (*types.VirtualDisk, error) {
	stat, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{}, file)
	disk.CapacityInKB = stat.Size() / 1024
	return disk, nil
}

// fillDisks puts the images where the simulator made empty extents.
func (m *machine) fillDisks() error {
	for i, disk := range m.disks() {
		if err := copySparse(m.spec.disks[i], disk.path); err != nil {
			return err
		}
	}
	return nil
}

func copySparse(from, to string) error {
	if out, err := exec.Command("cp", "--sparse=always", "--reflink=auto", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %s", from, out)
	}
	return nil
}
