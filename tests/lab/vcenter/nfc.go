// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"net"
	"net/http"
	"os"
	"path"
)

// nfcAuthority is the host and port in the URLs of a lease. "*" stands for the host the client already talks to.
func (l *lab) nfcAuthority() string {
	if l.nfcHost == "" {
		return l.api.Addr().String()
	}
	_, port, _ := net.SplitHostPort(l.api.Addr().String())
	return l.nfcHost + ":" + port
}

// serveNFC sends an exported disk. The lease's id in the path is the ticket; no session is needed, no range is
// served and no length announced, as with the real thing.
func (l *lab) serveNFC(w http.ResponseWriter, r *http.Request) {
	found, ok := l.leases.byID.Load(path.Base(path.Dir(r.URL.Path)))
	if !ok || r.Method != http.MethodGet {
		http.NotFound(w, r)
		return
	}
	export := found.(*lease)
	file, err := os.Open(export.files[path.Base(r.URL.Path)])
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer file.Close()
	w.Header().Set("Content-Type", "application/x-vnd.vmware-streamVmdk")
	if err := writeVMDK(untilEnded{w, export.ended}, file); err != nil {
		panic(http.ErrAbortHandler) // the client must not take a part for the whole
	}
}

// untilEnded refuses to write once the lease has ended.
type untilEnded struct {
	io.Writer
	ended chan struct{}
}

func (u untilEnded) Write(p []byte) (int, error) {
	select {
	case <-u.ended:
		return 0, io.ErrClosedPipe
	default:
		return u.Writer.Write(p)
	}
}
