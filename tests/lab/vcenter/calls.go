// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"sync"
	"time"
)

// call is one request as the log keeps it.
type call struct {
	Seq     int    `json:"seq"`
	Method  string `json:"method"`
	VM      string `json:"vm,omitempty"` // inventory path
	Object  string `json:"object,omitempty"`
	Write   bool   `json:"write"` // it may change something
	Outcome string `json:"outcome"`
	AtMS    int64  `json:"at_ms"`
}

// callLog counts requests by method and keeps the latest ones.
type callLog struct {
	mu     sync.Mutex
	seq    int
	counts map[string]int
	writes map[string]int
	latest []call
}

const keptCalls = 5000

func (c *callLog) begin(method, object string, m *machine) *call {
	entry := &call{Method: method, Object: object, Write: writes(method), AtMS: time.Now().UnixMilli()}
	if m != nil {
		entry.VM = m.path
	}
	return entry
}

func (c *callLog) end(entry *call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts, c.writes = map[string]int{}, map[string]int{}
	}
	c.seq++
	entry.Seq = c.seq
	c.counts[entry.Method]++
	if entry.Write {
		c.writes[entry.Method]++
	}
	c.latest = append(c.latest, *entry)
	if len(c.latest) > keptCalls {
		c.latest = c.latest[1:]
	}
}

func (c *callLog) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts, c.writes, c.latest = nil, nil, nil
}

// report is what GET /calls answers.
func (c *callLog) report() map[string]any {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts, writes := map[string]int{}, map[string]int{}
	for method, n := range c.counts {
		counts[method] = n
	}
	for method, n := range c.writes {
		writes[method] = n
	}
	return map[string]any{"counts": counts, "writes": writes, "calls": append([]call{}, c.latest...)}
}

var (
	readPrefixes = []string{"GET ", "HEAD ", "Retrieve", "ContinueRetrieve", "CancelRetrieve", "Find", "Query", "Fetch", "Read", "Has",
		"Validate", "WaitFor", "CheckForUpdates", "CancelWaitForUpdates", "List", "Search"}
	readMethods = map[string]bool{
		"Login": true, "Logout": true, "SessionIsActive": true, "CurrentTime": true,
		"CreateFilter": true, "DestroyPropertyFilter": true, "CreatePropertyCollector": true, "DestroyPropertyCollector": true,
		"CreateContainerView": true, "CreateListView": true, "DestroyView": true,
		"CreateCollectorForEvents": true, "CreateCollectorForTasks": true, "DestroyCollector": true,
		"HttpNfcLeaseGetManifest": true,
	}
)

// writes tells whether a method may change anything but the caller's own session. What is not known to read, writes.
func writes(method string) bool {
	for _, prefix := range readPrefixes {
		if strings.HasPrefix(method, prefix) {
			return false
		}
	}
	return !readMethods[method]
}
