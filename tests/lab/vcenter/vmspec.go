// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
)

// vmSpec is what a -vm flag asks for.
type vmSpec struct {
	name   string
	folder string   // below the datacenter's vm folder; empty is that folder itself
	disks  []string // raw images to copy onto the datastore
	port   int      // loopback port forwarded to port 80 of the first connected card
	ip     string   // what the guest tools report
	cbt    bool
	memory int64
}

func parseVM(text string) (vmSpec, error) {
	spec := vmSpec{ip: "10.0.2.15", memory: 256}
	for _, field := range strings.Split(text, ",") {
		key, value, _ := strings.Cut(field, "=")
		if err := spec.set(key, value); err != nil {
			return spec, fmt.Errorf("%s: %w", field, err)
		}
	}
	if spec.name == "" || len(spec.disks) == 0 {
		return spec, fmt.Errorf("%q needs name= and guest=", text)
	}
	return spec, nil
}

func (s *vmSpec) set(key, value string) (err error) {
	switch key {
	case "name":
		s.name = value
	case "folder":
		s.folder = value
	case "guest", "disk2", "disk3":
		s.disks = append(s.disks, value)
	case "port":
		s.port, err = strconv.Atoi(value)
	case "ip":
		s.ip = value
	case "cbt":
		s.cbt = value == "on"
	case "memory":
		s.memory, err = strconv.ParseInt(value, 10, 64)
	case "firmware":
		if value != "bios" {
			return fmt.Errorf("the lab's guests boot from BIOS only")
		}
	default:
		return fmt.Errorf("unknown key")
	}
	return err
}
