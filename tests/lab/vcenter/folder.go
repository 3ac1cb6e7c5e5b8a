// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// serveFolder reads files of a datastore: /folder/PATH?dcPath=DC0&dsName=LocalDS_0, with ranges.
func (l *lab) serveFolder(w http.ResponseWriter, r *http.Request) {
	if !l.authenticated(r) {
		w.Header().Set("WWW-Authenticate", `Basic realm="VMware HTTP server"`)
		http.Error(w, "authentication required", http.StatusUnauthorized)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "the lab's datastores are read only over HTTP", http.StatusMethodNotAllowed)
		return
	}
	root := l.storeFor(r.URL.Query().Get("dcPath"), r.URL.Query().Get("dsName"))
	name := path.Clean("/" + strings.TrimPrefix(r.URL.Path, "/folder/"))
	file, status := l.readable(filepath.Join(root, name))
	if root == "" || status != http.StatusOK {
		http.Error(w, http.StatusText(status), status)
		return
	}
	l.sendFile(w, r, file)
}

func (l *lab) sendFile(w http.ResponseWriter, r *http.Request, name string) {
	file, err := os.Open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil || stat.IsDir() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", stat.ModTime(), file)
}

// readable maps a file to the one to read. The disk of a running machine is locked, unless a snapshot has turned its
// writes elsewhere: then the base file is what it was at the oldest snapshot.
func (l *lab) readable(file string) (string, int) {
	for _, m := range l.machines {
		for _, disk := range m.disks() {
			if disk.path != file {
				continue
			}
			if base := m.changes.base(disk.device.Key); base != "" {
				return base, http.StatusOK
			}
			if m.guest() != nil {
				return "", http.StatusLocked
			}
		}
	}
	if _, err := os.Stat(file); err != nil {
		return "", http.StatusNotFound
	}
	return file, http.StatusOK
}

// storeFor is the directory behind a datastore of a datacenter, or empty.
func (l *lab) storeFor(dc, store string) string {
	for _, entity := range l.registry.All("Datacenter") {
		center := l.registry.Get(entity.Reference()).(*simulator.Datacenter)
		if center.Name != path.Base(dc) {
			continue
		}
		for _, ref := range center.Datastore {
			if found := l.registry.Get(ref).(*simulator.Datastore); found.Name == store {
				return found.Info.GetDatastoreInfo().Url
			}
		}
	}
	return ""
}

// authenticated accepts the cookie of a live session, or the user's name and password.
func (l *lab) authenticated(r *http.Request) bool {
	if user, password, ok := r.BasicAuth(); ok {
		return user == l.user && password == l.password
	}
	cookie, err := r.Cookie("vmware_soap_session")
	return err == nil && l.sessions()[strings.Trim(cookie.Value, `"`)]
}

// sessions returns the keys of the live sessions.
func (l *lab) sessions() map[string]bool {
	ctx := l.context()
	manager := ctx.Session.Get(l.registry.SessionManager().Self).(*simulator.SessionManager)
	keys := map[string]bool{}
	for _, session := range manager.SessionList {
		keys[session.Key] = true
	}
	return keys
}

// expire ends sessions as the server does when they have been idle for too long; an empty key means all of them.
func (l *lab) expire(key string) {
	for session := range l.sessions() {
		if key == "" || key == session {
			l.registry.SessionManager().TerminateSession(l.context(), &types.TerminateSession{SessionId: []string{session}})
		}
	}
}
