// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// rule is one piece of bad manners, as the control endpoint takes it in JSON.
type rule struct {
	ID     int    `json:"id"`
	Method string `json:"method,omitempty"` // SOAP method, "*" for any, or "GET /folder" or "GET /nfc"
	VM     string `json:"vm,omitempty"`     // name or inventory path; any when empty
	Action string `json:"action"`
	Skip   int    `json:"skip,omitempty"`  // let so many calls pass first
	Count  *int   `json:"count,omitempty"` // how often it applies: 1 unless told, 0 for ever

	Fault   string `json:"fault,omitempty"`   // type of the vim25 fault, such as InvalidState
	Message string `json:"message,omitempty"` // its text
	DelayMS int    `json:"delay_ms,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`       // cut: after so many bytes
	Rate    int64  `json:"bytes_per_s,omitempty"` // rate
	Status  int    `json:"status,omitempty"`      // status: the HTTP status to answer
	Hits    int    `json:"hits"`                  // how often it has applied
	skipped int
}

// What a rule can do to a SOAP call, and what to a download.
var (
	callActions     = []string{"delay", "delay-after", "fault", "task-fault", "drop-before", "drop-after", "expire", "hang", "hang-after"}
	downloadActions = []string{"delay", "cut", "rate", "status", "drop-before"}
)

func (r *rule) check() error {
	allowed := callActions
	if strings.HasPrefix(r.Method, "GET ") {
		allowed = downloadActions
	}
	if r.Method == "" || !slices.Contains(allowed, r.Action) {
		return fmt.Errorf("a rule needs a method and an action of %v (for \"GET /folder\" and \"GET /nfc\": %v)", callActions, downloadActions)
	}
	if strings.HasSuffix(r.Action, "fault") && newFault(r.Fault) == nil {
		return fmt.Errorf("no vim25 fault of type %q", r.Fault)
	}
	return nil
}

func (r *rule) limit() int {
	switch {
	case r.Count != nil:
		return *r.Count
	case r.Action == "rate":
		return 0
	}
	return 1
}

type ruleBook struct {
	mu    sync.Mutex
	last  int
	rules []*rule
}

func (b *ruleBook) add(r rule) rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	r.ID = b.last
	b.rules = append(b.rules, &r)
	return r
}

func (b *ruleBook) list() []rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := []rule{}
	for _, r := range b.rules {
		all = append(all, *r)
	}
	return all
}

// remove drops one rule, or all for id 0.
func (b *ruleBook) remove(id int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = slices.DeleteFunc(b.rules, func(r *rule) bool { return id == 0 || r.ID == id })
}

// match returns copies of the rules that apply to this call, oldest first, and counts them as used.
func (b *ruleBook) match(method string, m *machine) []rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	var applying []rule
	for _, r := range b.rules {
		if r.Method != "*" && r.Method != method || r.VM != "" && (m == nil || r.VM != m.spec.name && r.VM != m.path) {
			continue
		}
		if r.limit() > 0 && r.Hits >= r.limit() {
			continue
		}
		if r.skipped < r.Skip {
			r.skipped++
			continue
		}
		r.Hits++
		applying = append(applying, *r)
	}
	return applying
}
