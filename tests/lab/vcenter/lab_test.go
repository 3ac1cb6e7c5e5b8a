// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/vmware/govmomi/vim25/types"
)

func TestVMFlagNamesDisksAndFolder(t *testing.T) {
	spec, err := parseVM("name=web1,guest=a.raw,disk2=b.raw,port=18081,folder=Team-A,cbt=on,firmware=bios")
	if err != nil {
		t.Fatal(err)
	}
	if spec.name != "web1" || spec.port != 18081 || spec.folder != "Team-A" || !spec.cbt || !reflect.DeepEqual(spec.disks, []string{"a.raw", "b.raw"}) {
		t.Errorf("%+v", spec)
	}
	for _, wrong := range []string{"name=web1", "guest=a.raw", "name=a,guest=b,colour=red", "name=a,guest=b,port=x", "name=a,guest=b,firmware=efi"} {
		if _, err := parseVM(wrong); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
}

func TestRuleAppliesAfterSkipAndOnlyCountTimes(t *testing.T) {
	var book ruleBook
	twice := 2
	book.add(rule{Method: "PowerOnVM_Task", Action: "delay", Skip: 1, Count: &twice})
	var applied []int
	for range 5 {
		applied = append(applied, len(book.match("PowerOnVM_Task", nil)))
	}
	if !reflect.DeepEqual(applied, []int{0, 1, 1, 0, 0}) {
		t.Error(applied)
	}
	if len(book.match("PowerOffVM_Task", nil)) != 0 {
		t.Error("another method matched")
	}
}

func TestRuleForOneVMLeavesOthersAlone(t *testing.T) {
	var book ruleBook
	book.add(rule{Method: "*", VM: "web1", Action: "delay"})
	if book.match("Login", nil) != nil || book.match("Login", &machine{spec: vmSpec{name: "web2"}}) != nil {
		t.Error("matched without its VM")
	}
	if book.match("Login", &machine{spec: vmSpec{name: "web1"}}) == nil {
		t.Error("did not match its VM")
	}
}

func TestUnknownMethodsCountAsWrites(t *testing.T) {
	for method, want := range map[string]bool{
		"RetrievePropertiesEx": false, "FindByInventoryPath": false, "Login": false, "GET /folder": false,
		"PowerOnVM_Task": true, "ReconfigVM_Task": true, "ExportVm": true, "SomethingNew": true,
	} {
		if writes(method) != want {
			t.Errorf("%s: %v", method, !want)
		}
	}
}

func TestFaultsAreMadeByName(t *testing.T) {
	if _, ok := newFault("InvalidPowerState").(*types.InvalidPowerState); !ok {
		t.Error("no InvalidPowerState")
	}
	if newFault("VirtualMachine") != nil || newFault("Nonsense") != nil {
		t.Error("made a fault of something else")
	}
}

func TestAreasAreTheAllocatedAndTheChangedOnes(t *testing.T) {
	const mib = 1 << 20
	before, now := sparse(t, map[int64]string{mib: "old"}), sparse(t, map[int64]string{mib: "old", 3*mib + 5: "new"})
	if areas := differing(before, now, 0, 4*mib); len(areas) != 1 || areas[0].Start != 3*mib || areas[0].Length != areaGrain {
		t.Error(areas)
	}
	covered := false
	for _, area := range allocated(now, 2*mib, 4*mib) {
		covered = covered || area.Start <= 3*mib+5 && area.Start+area.Length >= 3*mib+8
	}
	if !covered {
		t.Error("written data is not reported as allocated")
	}
}

// sparse makes a file of 4 MiB with text at the given offsets.
func sparse(t *testing.T, content map[int64]string) *os.File {
	file, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	file.Truncate(4 << 20)
	for at, text := range content {
		file.WriteAt([]byte(text), at)
	}
	return file
}
