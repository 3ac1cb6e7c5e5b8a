// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// front receives every request: it logs it, applies the rules of bad manners, and passes it on.
type front struct {
	lab *lab
	mux *http.ServeMux
}

func newFront(l *lab) http.Handler {
	f := &front{lab: l, mux: http.NewServeMux()}
	f.mux.Handle("/", l.model.Service.ServeMux)
	f.mux.HandleFunc("POST /sdk", f.serveSDK)
	f.mux.HandleFunc("/folder/", func(w http.ResponseWriter, r *http.Request) { f.serveDownload(w, r, "/folder", l.serveFolder) })
	f.mux.HandleFunc("/nfc/", func(w http.ResponseWriter, r *http.Request) { f.serveDownload(w, r, "/nfc", l.serveNFC) })
	return f.mux
}

func (f *front) serveSDK(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	pass := func(w http.ResponseWriter) {
		r.Body = io.NopCloser(bytes.NewReader(body))
		f.lab.model.Service.ServeSDK(w, r)
	}
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		pass(w)
		return
	}
	m := f.lab.machineOf(method.This)
	entry := f.lab.calls.begin(method.Name, method.This.Value, m)
	defer f.lab.calls.end(entry)
	answer := f.withManners(r, method, entry, f.lab.rules.match(method.Name, m), pass)
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	answer.send(w)
}

// withManners applies the rules before and after the call and returns what to answer.
func (f *front) withManners(r *http.Request, method *simulator.Method, entry *call, rules []rule, pass func(http.ResponseWriter)) *recorder {
	for _, rule := range rules {
		if answer := f.before(r, method, entry, rule); answer != nil {
			return answer
		}
	}
	answer := newRecorder()
	pass(answer)
	entry.Outcome = answer.outcome()
	for _, rule := range rules {
		answer = f.after(method, entry, rule, answer)
	}
	return answer
}

// before returns an answer when the call is not to be made at all.
func (f *front) before(r *http.Request, method *simulator.Method, entry *call, rule rule) *recorder {
	entry.Outcome = rule.Action
	switch rule.Action {
	case "delay":
		pause(r, rule.DelayMS)
	case "drop-before":
		panic(http.ErrAbortHandler)
	case "expire":
		if cookie, err := r.Cookie("vmware_soap_session"); err == nil {
			f.lab.expire(strings.Trim(cookie.Value, `"`))
		}
	case "fault":
		return faultAnswer(rule)
	case "task-fault":
		return taskAnswer(method.Name, f.lab.madeTask(method.This, rule.fault()))
	case "hang":
		return taskAnswer(method.Name, f.lab.madeTask(method.This, nil))
	}
	return nil
}

// after acts when the effect has happened.
func (f *front) after(method *simulator.Method, entry *call, rule rule, answer *recorder) *recorder {
	switch rule.Action {
	case "delay-after":
		time.Sleep(time.Duration(rule.DelayMS) * time.Millisecond)
	case "drop-after":
		entry.Outcome += " (dropped)"
		panic(http.ErrAbortHandler)
	case "hang-after":
		entry.Outcome += " (hanging)"
		return taskAnswer(method.Name, f.lab.madeTask(method.This, nil))
	}
	return answer
}

// pause sleeps, but no longer than the client waits.
func pause(r *http.Request, ms int) {
	select {
	case <-time.After(time.Duration(ms) * time.Millisecond):
	case <-r.Context().Done():
	}
}

func (f *front) serveDownload(w http.ResponseWriter, r *http.Request, kind string, serve http.HandlerFunc) {
	entry := f.lab.calls.begin(r.Method+" "+kind, r.URL.Path, nil)
	defer f.lab.calls.end(entry)
	for _, rule := range f.lab.rules.match("GET "+kind, f.lab.downloaded(r.URL.Path)) {
		entry.Outcome = rule.Action
		switch rule.Action {
		case "delay":
			pause(r, rule.DelayMS)
		case "drop-before":
			panic(http.ErrAbortHandler)
		case "status":
			http.Error(w, rule.Message, rule.Status)
			return
		case "cut":
			w = &cutter{w, rule.Bytes}
		case "rate":
			w = &limiter{ResponseWriter: w, rate: rule.Rate, since: time.Now()}
		}
	}
	serve(w, r)
}

// downloaded is the machine whose disk a path leads to, or nil.
func (l *lab) downloaded(path string) *machine {
	for _, m := range l.sorted() {
		for _, disk := range m.disks() {
			if strings.HasSuffix(disk.path, strings.TrimPrefix(path, "/folder")) {
				return m
			}
		}
		if lease := m.openLease(); lease != nil && strings.Contains(path, lease.Self.Value) {
			return m
		}
	}
	return nil
}
