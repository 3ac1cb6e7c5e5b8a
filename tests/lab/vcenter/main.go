// SPDX-License-Identifier: Apache-2.0

// labvc is a vCenter (or ESXi host) for the lab: govmomi's simulator, with virtual machines that really run in QEMU,
// real exports, and bad manners on request. It serves on loopback only. See ../README.md.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

type options struct {
	listen, control string
	user, password  string
	state, run      string
	apiVersion      string
	esx             bool
	nfcHost         string
	pageSize        int
	leaseTimeout    time.Duration
	vms             []vmSpec
}

func parseFlags() (options, error) {
	var o options
	var passwordFile string
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the API")
	flag.StringVar(&o.control, "control", "127.0.0.1:0", "address of the control endpoint")
	flag.StringVar(&o.user, "user", "lab", "the only user")
	flag.StringVar(&passwordFile, "password-file", "", "file with the user's password")
	flag.StringVar(&o.state, "state", "", "directory for certificates, datastores and the files that describe this server")
	flag.StringVar(&o.run, "run", "", "short-named directory for sockets (default: the state directory)")
	flag.StringVar(&o.apiVersion, "api-version", "8.0.0.1", "API version to report, such as 6.5, 7.0, 8.0.0.1 or 9.0")
	flag.BoolVar(&o.esx, "esx", false, "be a single ESXi host: no vCenter, no custom attributes")
	flag.StringVar(&o.nfcHost, "nfc-host", "", "host name in lease URLs; '*' as ESXi does (default: the listening address)")
	flag.IntVar(&o.pageSize, "page-size", 0, "most objects in one RetrievePropertiesEx answer; 0 is no limit")
	flag.DurationVar(&o.leaseTimeout, "lease-timeout", 300*time.Second, "time after which a lease without progress ends")
	flag.Func("vm", "name=N,guest=F.raw,port=P[,disk2=F.raw][,folder=F][,ip=A][,cbt=on][,memory=MIB] (repeat)", func(text string) error {
		spec, err := parseVM(text)
		o.vms = append(o.vms, spec)
		return err
	})
	flag.Parse()
	if o.state == "" || passwordFile == "" {
		return o, fmt.Errorf("-state and -password-file are required")
	}
	if o.run == "" {
		o.run = o.state
	}
	secret, err := os.ReadFile(passwordFile)
	o.password = strings.TrimSpace(string(secret))
	return o, err
}

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	o, err := parseFlags()
	if err != nil {
		log.Fatal(err)
	}
	lab, err := newLab(o)
	if err != nil {
		log.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	if err := lab.serve(); err != nil {
		log.Print(err)
		lab.close()
		os.Exit(1)
	}
	<-stop
	lab.close()
}
