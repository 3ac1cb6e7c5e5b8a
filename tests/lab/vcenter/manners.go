// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// recorder holds an answer back until it is known whether it may be sent.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{header: http.Header{}, status: http.StatusOK} }

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

var sessionCookie = regexp.MustCompile(`^vmware_soap_session=([^;]+)`)

// send also dresses the session cookie as vCenter does: quoted, secure, for the whole server.
func (r *recorder) send(w http.ResponseWriter) {
	for name, values := range r.header {
		w.Header()[name] = values
	}
	if cookie := sessionCookie.FindStringSubmatch(r.header.Get("Set-Cookie")); cookie != nil {
		w.Header().Set("Set-Cookie", fmt.Sprintf(`vmware_soap_session="%s"; Path=/; HttpOnly; Secure`, cookie[1]))
	}
	w.WriteHeader(r.status)
	w.Write(r.body.Bytes())
}

var faultName = regexp.MustCompile(`<detail><(\w+)Fault `)

// outcome is "ok" or the name of the fault in the answer.
func (r *recorder) outcome() string {
	if r.status == http.StatusOK {
		return "ok"
	}
	if found := faultName.FindSubmatch(r.body.Bytes()); found != nil {
		return string(found[1])
	}
	return fmt.Sprint("HTTP ", r.status)
}

const envelope = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

func faultAnswer(r rule) *recorder {
	var text bytes.Buffer
	xml.EscapeText(&text, []byte(r.Message))
	answer := newRecorder()
	answer.status = http.StatusInternalServerError
	fmt.Fprintf(&answer.body, envelope, fmt.Sprintf(`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring>`+
		`<detail><%[2]sFault xmlns="urn:vim25" xsi:type="%[2]s"/></detail></soapenv:Fault>`, text.String(), r.Fault))
	return answer
}

func taskAnswer(method string, task types.ManagedObjectReference) *recorder {
	answer := newRecorder()
	body := fmt.Sprintf(`<%[1]sResponse xmlns="urn:vim25"><returnval type="Task">%[2]s</returnval></%[1]sResponse>`, method, task.Value)
	fmt.Fprintf(&answer.body, envelope, body)
	return answer
}

// newFault makes a vim25 fault from the name of its type, or nil.
func newFault(name string) types.BaseMethodFault {
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return nil
	}
	fault, _ := reflect.New(kind).Interface().(types.BaseMethodFault)
	return fault
}

func (r *rule) fault() *types.LocalizedMethodFault {
	return &types.LocalizedMethodFault{Fault: newFault(r.Fault), LocalizedMessage: r.Message}
}

// madeTask puts a task into the inventory that has failed with the fault or, without one, runs for ever.
func (l *lab) madeTask(entity types.ManagedObjectReference, fault *types.LocalizedMethodFault) types.ManagedObjectReference {
	task := simulator.CreateTask(entity, "labTask", nil)
	l.registry.Put(task)
	task.Info.Task, task.Info.Key = task.Self, task.Self.Value
	task.Info.StartTime = types.NewTime(time.Now())
	task.Info.State = types.TaskInfoStateRunning
	if fault != nil {
		task.Info.State, task.Info.Error = types.TaskInfoStateError, fault
		task.Info.CompleteTime = types.NewTime(time.Now())
	}
	return task.Self
}

// cutter breaks the connection after a number of bytes.
type cutter struct {
	http.ResponseWriter
	left int64
}

func (c *cutter) Write(p []byte) (int, error) {
	if int64(len(p)) < c.left {
		c.left -= int64(len(p))
		return c.ResponseWriter.Write(p)
	}
	c.ResponseWriter.Write(p[:c.left])
	http.NewResponseController(c.ResponseWriter).Flush()
	panic(http.ErrAbortHandler)
}

func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// limiter keeps a download to a rate.
type limiter struct {
	http.ResponseWriter
	rate, sent int64
	since      time.Time
}

func (l *limiter) Write(p []byte) (int, error) {
	n, err := l.ResponseWriter.Write(p)
	l.sent += int64(n)
	due := l.since.Add(time.Duration(float64(l.sent) / float64(l.rate) * float64(time.Second)))
	http.NewResponseController(l.ResponseWriter).Flush()
	time.Sleep(time.Until(due))
	return n, err
}

func (l *limiter) Unwrap() http.ResponseWriter { return l.ResponseWriter }
