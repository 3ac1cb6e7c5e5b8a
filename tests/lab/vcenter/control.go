// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// newControl serves the lab's own endpoint: what the tests do and see behind the client's back. See ../README.md.
func newControl(l *lab) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /vms", func(w http.ResponseWriter, r *http.Request) { reply(w, l.describeVMs()) })
	mux.HandleFunc("POST /vms/{name}/{action}", l.actOnVM)
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, r *http.Request) { reply(w, l.calls.report()) })
	mux.HandleFunc("DELETE /calls", func(w http.ResponseWriter, r *http.Request) { l.calls.clear() })
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, r *http.Request) { reply(w, l.rules.list()) })
	mux.HandleFunc("POST /faults", l.addRule)
	mux.HandleFunc("DELETE /faults", func(w http.ResponseWriter, r *http.Request) { l.rules.remove(0) })
	mux.HandleFunc("DELETE /faults/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, err := strconv.Atoi(r.PathValue("id")); err == nil && id > 0 {
			l.rules.remove(id)
		}
	})
	mux.HandleFunc("GET /sessions", func(w http.ResponseWriter, r *http.Request) { reply(w, map[string]int{"count": len(l.sessions())}) })
	mux.HandleFunc("DELETE /sessions", func(w http.ResponseWriter, r *http.Request) { l.expire("") })
	mux.HandleFunc("GET /leases", func(w http.ResponseWriter, r *http.Request) { reply(w, l.describeLeases()) })
	mux.HandleFunc("PUT /settings", l.changeSettings)
	return mux
}

func reply(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.Encode(value)
}

func (l *lab) addRule(w http.ResponseWriter, r *http.Request) {
	var asked rule
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&asked)
	if err == nil {
		err = asked.check()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	reply(w, l.rules.add(asked))
}

// changeSettings takes {"lease_timeout_s": 5, "page_size": 2}; both apply to what begins later.
func (l *lab) changeSettings(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		LeaseTimeout *float64 `json:"lease_timeout_s"`
		PageSize     *int     `json:"page_size"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.settings.Lock()
	defer l.settings.Unlock()
	if asked.LeaseTimeout != nil {
		l.leaseTimeout = time.Duration(*asked.LeaseTimeout * float64(time.Second))
	}
	if asked.PageSize != nil {
		l.pageSize = *asked.PageSize
	}
}

// actOnVM does what another administrator, or bad luck, might do.
func (l *lab) actOnVM(w http.ResponseWriter, r *http.Request) {
	m := l.named(r.PathValue("name"))
	if m == nil {
		http.NotFound(w, r)
		return
	}
	ctx := l.context()
	switch r.PathValue("action") {
	case "power-on":
		l.standIn.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: m.vm.Self})
	case "power-off":
		l.standIn.PowerOffVMTask(ctx, &types.PowerOffVM_Task{This: m.vm.Self})
	case "crash": // the inventory finds out by itself
		if g := m.guest(); g != nil {
			g.kill()
		}
	case "press":
		l.standIn.ShutdownGuest(ctx, &types.ShutdownGuest{This: m.vm.Self})
	case "touch": // a reconfiguration by somebody else: config.changeVersion moves on
		l.standIn.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: m.vm.Self})
	case "reset-changes":
		m.changes.reset()
	default:
		http.NotFound(w, r)
	}
}
