// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// guest is one run of a machine: a QEMU process.
type guest struct {
	process *exec.Cmd
	qmp     string // socket
	serial  string // log
	exited  chan struct{}
	stderr  bytes.Buffer
	forward map[int32]forwarding // by the key of the card

	mu    sync.Mutex
	links map[int32]bool // by the key of the card: whether it is plugged in
}

// forwarding is the loopback port that leads to port 80 of the guest while the card is plugged in.
type forwarding struct{ netdev, listen string }

const poll = 50 * time.Millisecond

// start boots the VM with its own disks and cards and returns when the processor runs.
func (m *machine) start() (*guest, error) {
	short := filepath.Join(m.lab.run, m.vm.Self.Value)
	g := &guest{qmp: short + ".qmp", serial: filepath.Join(m.lab.state, m.vm.Self.Value+".serial"),
		exited: make(chan struct{}), forward: map[int32]forwarding{}, links: map[int32]bool{}}
	os.Remove(g.qmp)
	os.Remove(g.serial)
	g.process = exec.Command("qemu-system-x86_64", m.arguments(g)...)
	g.process.Stderr = &g.stderr
	g.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := m.lab.spawn.start(g.process); err != nil {
		return nil, err
	}
	go func() {
		g.process.Wait()
		os.Remove(g.qmp)
		close(g.exited)
	}()
	if err := m.release(g); err != nil {
		g.kill()
		return nil, fmt.Errorf("%v %s", err, strings.TrimSpace(g.stderr.String()))
	}
	return g, nil
}

func (m *machine) arguments(g *guest) []string {
	args := []string{"-name", m.vm.Self.Value, "-machine", "pc", "-accel", "tcg", "-m", fmt.Sprint(m.vm.Config.Hardware.MemoryMB),
		"-uuid", m.vm.Config.Uuid, "-smbios", "type=1,manufacturer=VMware,product=VMware Virtual Platform",
		"-display", "none", "-nodefaults", "-no-user-config", "-S",
		"-serial", "file:" + escape(g.serial), "-qmp", "unix:" + escape(g.qmp) + ",server=on,wait=off",
		"-device", "pvscsi,id=scsi0"}
	for i, disk := range m.disks() {
		args = append(args, "-drive", fmt.Sprintf("if=none,id=disk%d,format=raw,file=%s", i, escape(disk.path)),
			"-device", fmt.Sprintf("scsi-hd,bus=scsi0.0,scsi-id=%d,drive=disk%d,bootindex=%d", i, i, i+1))
	}
	for i, card := range m.cards() {
		netdev := fmt.Sprintf("net%d", i)
		args = append(args, "-netdev", "user,id="+netdev,
			"-device", fmt.Sprintf("vmxnet3,id=card%d,netdev=%s,mac=%s", card.Key, netdev, card.MacAddress))
		if i == 0 && m.spec.port != 0 {
			g.forward[card.Key] = forwarding{netdev, fmt.Sprintf("tcp:127.0.0.1:%d", m.spec.port)}
		}
	}
	return args
}

func escape(path string) string { return strings.ReplaceAll(path, ",", ",,") }

// release plugs in the cards that are to start connected and lets the processor run.
func (m *machine) release(g *guest) error {
	if err := g.awaitMonitor(); err != nil {
		return err
	}
	for _, card := range m.cards() {
		if err := g.plug(card.Key, card.Connectable != nil && card.Connectable.StartConnected); err != nil {
			return err
		}
	}
	return g.command("cont", nil)
}

// plug connects or disconnects a card. A disconnected one has no link, and its forwarded port refuses connections.
func (g *guest) plug(card int32, connected bool) error {
	if err := g.command("set_link", map[string]any{"name": fmt.Sprintf("card%d", card), "up": connected}); err != nil {
		return err
	}
	g.mu.Lock()
	was := g.links[card]
	g.links[card] = connected
	g.mu.Unlock()
	if forward, known := g.forward[card]; known && was != connected {
		return g.listen(forward, connected)
	}
	return nil
}

func (g *guest) listen(f forwarding, on bool) error {
	if !on {
		_, err := g.human("hostfwd_remove " + f.netdev + " " + f.listen)
		return err
	}
	answer, err := g.human("hostfwd_add " + f.netdev + " " + f.listen + "-:80")
	if err == nil && strings.TrimSpace(answer) != "" {
		err = fmt.Errorf("port forwarding: %s", strings.TrimSpace(answer))
	}
	return err
}

func (g *guest) linkIs(card int32) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links[card]
}

func (g *guest) alive() bool {
	select {
	case <-g.exited:
		return false
	default:
		return true
	}
}

// ready tells whether the guest has said so on its console.
func (g *guest) ready() bool {
	text, _ := os.ReadFile(g.serial)
	return bytes.Contains(text, []byte("GUEST-READY"))
}

func (g *guest) awaitReady() bool {
	for g.alive() {
		if g.ready() {
			return true
		}
		time.Sleep(poll)
	}
	return false
}

func (g *guest) kill() {
	g.process.Process.Kill()
	<-g.exited
}

// spawner starts every child from one thread that lives as long as this process: the kernel sends a child its death
// signal when the *thread* that made it ends.
type spawner struct{ work chan func() }

func newSpawner() *spawner {
	s := &spawner{make(chan func())}
	go func() {
		runtime.LockOSThread()
		for f := range s.work {
			f()
		}
	}()
	return s
}

func (s *spawner) start(command *exec.Cmd) error {
	result := make(chan error)
	s.work <- func() { result <- command.Start() }
	return <-result
}
