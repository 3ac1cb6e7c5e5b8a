// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"
)

// monitorDeadline bounds one exchange with QEMU's monitor.
const monitorDeadline = 20 * time.Second

// awaitMonitor returns when QEMU listens, or with an error when it ended before.
func (g *guest) awaitMonitor() error {
	for g.alive() {
		if _, err := os.Stat(g.qmp); err == nil {
			if err := g.command("query-status", nil); err == nil {
				return nil
			}
		}
		time.Sleep(poll / 5)
	}
	return fmt.Errorf("qemu ended at start:")
}

func (g *guest) command(name string, arguments map[string]any) error {
	_, err := g.exchange(name, arguments)
	return err
}

// human runs a command of the human monitor: port forwardings have no other interface.
func (g *guest) human(line string) (string, error) {
	answer, err := g.exchange("human-monitor-command", map[string]any{"command-line": line})
	text, _ := answer.(string)
	return text, err
}

func (g *guest) exchange(name string, arguments map[string]any) (any, error) {
	connection, err := net.Dial("unix", g.qmp)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(monitorDeadline))
	in, out := json.NewDecoder(connection), json.NewEncoder(connection)
	var greeting map[string]any
	if err := in.Decode(&greeting); err != nil {
		return nil, err
	}
	if _, err := ask(in, out, "qmp_capabilities", nil); err != nil {
		return nil, err
	}
	return ask(in, out, name, arguments)
}

// ask sends one command and reads on past events to its answer.
func ask(in *json.Decoder, out *json.Encoder, name string, arguments map[string]any) (any, error) {
	request := map[string]any{"execute": name}
	if arguments != nil {
		request["arguments"] = arguments
	}
	if err := out.Encode(request); err != nil {
		return nil, err
	}
	for {
		var answer map[string]any
		if err := in.Decode(&answer); err != nil {
			return nil, err
		}
		if problem, ok := answer["error"]; ok {
			return nil, fmt.Errorf("%s: %v", name, problem)
		}
		if result, ok := answer["return"]; ok {
			return result, nil
		}
	}
}
