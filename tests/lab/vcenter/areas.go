// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"os"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	areaGrain = 64 << 10 // changes are known to this precision
	areaSpan  = 16 << 20 // one answer covers at most this much of the disk: clients must loop
	seekData  = 3
	seekHole  = 4
)

// QueryChangedDiskAreas answers "*" with the allocated areas, and a change id with what differs since.
func (s *standIn) QueryChangedDiskAreas(ctx *simulator.Context, req *types.QueryChangedDiskAreas) soap.HasFault {
	m := s.lab.machineOf(req.This)
	body := new(methods.QueryChangedDiskAreasBody)
	m.locked(ctx, func() soap.HasFault {
		info, fault := m.changedAreas(req)
		if fault != nil {
			body.Fault_ = simulator.Fault("", fault)
		} else {
			body.Res = &types.QueryChangedDiskAreasResponse{Returnval: info}
		}
		return nil
	})
	return body
}

func (m *machine) changedAreas(req *types.QueryChangedDiskAreas) (info types.DiskChangeInfo, fault types.BaseMethodFault) {
	now, fault := m.contentFor(req)
	if fault != nil {
		return info, fault
	}
	current, err := os.Open(now)
	if err != nil {
		return info, &types.FileFault{File: now}
	}
	defer current.Close()
	stat, _ := current.Stat()
	if req.StartOffset < 0 || req.StartOffset >= stat.Size() {
		return info, &types.InvalidArgument{InvalidProperty: "startOffset"}
	}
	info = types.DiskChangeInfo{StartOffset: req.StartOffset, Length: min(areaSpan, stat.Size()-req.StartOffset)}
	if req.ChangeId == "*" {
		info.ChangedArea = allocated(current, info.StartOffset, info.StartOffset+info.Length)
		return info, nil
	}
	number, known := m.changes.number(req.ChangeId)
	if !known {
		return info, &types.InvalidArgument{InvalidProperty: "changeId"}
	}
	before, err := os.Open(m.changes.file(number, req.DeviceKey))
	if err != nil {
		return info, &types.FileFault{File: req.ChangeId}
	}
	defer before.Close()
	info.ChangedArea = differing(before, current, info.StartOffset, info.StartOffset+info.Length)
	return info, nil
}

// contentFor is the file the question is about: the snapshot's, or the disk's own while the machine is off.
func (m *machine) contentFor(req *types.QueryChangedDiskAreas) (string, types.BaseMethodFault) {
	if !m.changes.tracking {
		return "", &types.FileFault{File: "change tracking is not active"}
	}
	if req.Snapshot != nil {
		if file := m.changes.snapshotFile(*req.Snapshot, req.DeviceKey); file != "" {
			return file, nil
		}
		return "", &types.InvalidArgument{InvalidProperty: "snapshot"}
	}
	if m.poweredOn() {
		return "", &types.InvalidPowerState{RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: types.VirtualMachinePowerStatePoweredOn}
	}
	for _, disk := range m.disks() {
		if disk.device.Key == req.DeviceKey {
			return disk.path, nil
		}
	}
	return "", &types.InvalidArgument{InvalidProperty: "deviceKey"}
}

func allocated(file *os.File, from, to int64) (areas []types.DiskChangeExtent) {
	for at := from; at < to; {
		start, err := file.Seek(at, seekData)
		if err != nil || start >= to {
			break
		}
		end, err := file.Seek(start, seekHole)
		if err != nil || end > to {
			end = to
		}
		areas = append(areas, types.DiskChangeExtent{Start: start, Length: end - start})
		at = end
	}
	return areas
}

func differing(before, now io.ReaderAt, from, to int64) (areas []types.DiskChangeExtent) {
	a, b := make([]byte, areaGrain), make([]byte, areaGrain)
	for at := from - from%areaGrain; at < to; at += areaGrain {
		n, _ := before.ReadAt(a, at)
		k, _ := now.ReadAt(b, at)
		if bytes.Equal(a[:n], b[:k]) {
			continue
		}
		if last := len(areas) - 1; last >= 0 && areas[last].Start+areas[last].Length == at {
			areas[last].Length += int64(k)
		} else {
			areas = append(areas, types.DiskChangeExtent{Start: at, Length: int64(k)})
		}
	}
	return areas
}
