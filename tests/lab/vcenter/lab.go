// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// lab is the whole server: the simulator, the machines that run for it, and the two listeners in front.
type lab struct {
	options
	model    *simulator.Model
	registry *simulator.Registry
	machines map[types.ManagedObjectReference]*machine // fixed after newLab
	standIn  *standIn
	leases   leaseBook
	rules    ruleBook
	calls    callLog
	spawn    *spawner
	cert     *certificate

	api, controls net.Listener
	settings      sync.Mutex // guards pageSize and leaseTimeout
}

func newLab(o options) (*lab, error) {
	// The simulator puts its datastores below TMPDIR: keep them with the rest of the state.
	stores := filepath.Join(o.state, "datastores")
	if err := os.MkdirAll(stores, 0o700); err != nil {
		return nil, err
	}
	os.Setenv("TMPDIR", stores)
	l := &lab{options: o, machines: map[types.ManagedObjectReference]*machine{}, spawn: newSpawner()}
	if err := l.createModel(); err != nil {
		return nil, err
	}
	for _, spec := range o.vms {
		if err := l.addVM(spec); err != nil {
			return nil, err
		}
	}
	l.standIn = &standIn{lab: l}
	l.registry.Put(l.standIn)
	l.registry.Handler = l.hook
	return l, nil
}

func (l *lab) createModel() error {
	l.model = simulator.VPX()
	if l.esx {
		l.model = simulator.ESX()
	}
	l.model.Machine, l.model.Host, l.model.Autostart = 0, 0, false
	if l.apiVersion != "" {
		l.model.ServiceContent.About.ApiVersion = l.apiVersion
		l.model.ServiceContent.About.Version = strings.Join(append(strings.Split(l.apiVersion, "."), "0", "0")[:3], ".")
	}
	if err := l.model.Create(); err != nil {
		return err
	}
	l.registry = l.model.Map()
	return nil
}

// serve opens both listeners and returns; the files which describe the server appear when it answers.
func (l *lab) serve() (err error) {
	if l.cert, err = newCertificate(l.state); err != nil {
		return err
	}
	if l.api, err = net.Listen("tcp", l.listen); err != nil {
		return err
	}
	if l.controls, err = net.Listen("tcp", l.control); err != nil {
		return err
	}
	l.prepareService()
	server := &http.Server{
		Handler:   newFront(l),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{l.cert.server}},
		// HTTP/2 is off: a cut connection must be a cut connection, as it is with the real thing.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     log.New(quiet{}, "", 0),
	}
	go server.ServeTLS(l.api, "", "")
	go http.Serve(l.controls, newControl(l))
	return l.describe()
}

// quiet drops the complaints about connections that clients in failure tests leave behind.
type quiet struct{}

func (quiet) Write(p []byte) (int, error) { return len(p), nil }

// prepareService lets the simulator register its handlers, which it does only together with a listener of its own;
// that one is closed at once, since everything is served through front.
func (l *lab) prepareService() {
	service := l.model.Service
	service.Listen = &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(l.user, l.password)}
	service.NewServer().Close()
	service.Listen = &url.URL{Scheme: "https", Host: l.api.Addr().String(), Path: "/sdk", User: url.UserPassword(l.user, l.password)}
}

func (l *lab) describe() error {
	for name, text := range map[string]string{
		"url":         "https://" + l.api.Addr().String() + "/sdk",
		"control-url": "http://" + l.controls.Addr().String(),
	} {
		path := filepath.Join(l.state, name)
		if err := os.WriteFile(path+".part", []byte(text+"\n"), 0o600); err != nil {
			return err
		}
		if err := os.Rename(path+".part", path); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) close() {
	l.api.Close()
	l.controls.Close()
	for _, m := range l.machines {
		m.halt()
	}
	l.model.Remove()
}

// context returns one for work that no request asked for; each has locks of its own.
func (l *lab) context() *simulator.Context {
	ctx := simulator.NewContext()
	ctx.Map, ctx.Session.Map = l.registry, l.registry
	return ctx
}

// machineOf returns the machine behind a VM or one of its snapshots, or nil.
func (l *lab) machineOf(ref types.ManagedObjectReference) *machine {
	if snapshot, ok := l.registry.Get(ref).(*simulator.VirtualMachineSnapshot); ok {
		ref = snapshot.Vm
	}
	return l.machines[ref]
}

// sorted returns the machines by inventory path, so that every listing has one order.
func (l *lab) sorted() []*machine {
	var all []*machine
	for _, m := range l.machines {
		all = append(all, m)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].path < all[j].path })
	return all
}

// named finds a machine by inventory path, or by name: of several with one name, the first that was added.
func (l *lab) named(name string) (found *machine) {
	for _, m := range l.machines {
		if m.path == name {
			return m
		}
		if m.spec.name == name && (found == nil || m.order < found.order) {
			found = m
		}
	}
	return found
}

func (l *lab) limits() (page int, lease time.Duration) {
	l.settings.Lock()
	defer l.settings.Unlock()
	return l.pageSize, l.leaseTimeout
}

// standIn answers, for every machine, the methods that redirected lists.
//
// The dispatcher looks the receiver up in method.This once more after the hook, so the hook redirects a call by
// rewriting method.This; the request's own This still names the VM or snapshot.
type standIn struct{ lab *lab }

func (*standIn) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "LabStandIn", Value: "labvc"}
}

// Lock and Unlock do nothing: they keep the dispatcher from serialising all machines on one lock.
func (*standIn) Lock()   {}
func (*standIn) Unlock() {}

var redirected = map[string]bool{
	"PowerOnVM_Task": true, "PowerOffVM_Task": true, "ResetVM_Task": true, "SuspendVM_Task": true,
	"ShutdownGuest": true, "RebootGuest": true, "Destroy_Task": true, "UnregisterVM": true,
	"ReconfigVM_Task": true, "QueryChangedDiskAreas": true, "ExportVm": true, "ExportSnapshot": true,
	"CreateSnapshot_Task": true, "RemoveSnapshot_Task": true, "RevertToSnapshot_Task": true,
	"RemoveAllSnapshots_Task": true,
}

// anonymous methods need no session. The simulator lets properties be read without one; a real server does not.
var anonymous = map[string]bool{
	"Login": true, "RetrieveServiceContent": true, "RetrieveInternalContent": true, "CurrentTime": true,
}

func (l *lab) hook(ctx *simulator.Context, method *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if ctx.Session == nil && !anonymous[method.Name] {
		return nil, notAuthenticated(method.This)
	}
	if request, ok := method.Body.(*types.RetrievePropertiesEx); ok {
		l.capPage(request)
	}
	if method.Name == "CancelTask" || redirected[method.Name] && l.machineOf(method.This) != nil {
		method.This = l.standIn.Reference()
	}
	return nil, nil
}

// capPage imposes the server's own page size, which a client's maxObjects can only lower.
func (l *lab) capPage(request *types.RetrievePropertiesEx) {
	page, _ := l.limits()
	asked := int(request.Options.MaxObjects)
	if page > 0 && (asked <= 0 || asked > page) {
		request.Options.MaxObjects = int32(page)
	}
}

func notAuthenticated(this types.ManagedObjectReference) types.BaseMethodFault {
	return &types.NotAuthenticated{NoPermission: types.NoPermission{Object: &this, PrivilegeId: "System.View"}}
}
