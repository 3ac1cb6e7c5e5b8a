# SPDX-License-Identifier: Apache-2.0
"""target_network_policy_validated against a real network: libvirt's system daemon with its filters, and a machine behind
a bridge port that a filter guards, all inside namespaces of the test's own. Nothing outside is seen or touched."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

INSIDE = "VMFERRY_NETWORK_POLICY_INSIDE"
URI = "qemu:///system"
SERVER = "10.99.0.2"

FILTER = """<filter name='web' chain='root'>
  <uuid>5c2e9e3e-7d0b-4a54-9a4c-3b8f7e1d6a10</uuid>
  <rule action='accept' direction='in' priority='100'>
    <tcp srcipaddr='10.0.0.0' srcipmask='255.0.0.0' dstportstart='{port}'/>
  </rule>
  <rule action='accept' direction='out' priority='200'><all/></rule>
  <rule action='drop' direction='in' priority='1000'><all/></rule>
</filter>"""

NETWORK = "<network><name>prod</name><bridge name='vmfbr0' stp='off'/></network>"

BINDING = """<filterbinding>
  <owner><name>web1</name><uuid>2e9b5b6d-0ff3-4b6c-8d7c-0d4e0d9a3f11</uuid></owner>
  <portdev name='port0'/><mac address='{mac}'/><filterref filter='web'/>
</filterbinding>"""

SITE = """apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: policy}
spec:
  journal: journal.db
  platforms:
    vmware: {plugin: fake, vms: [{name: web1, disks_mib: [4]}]}
    kvm: {plugin: libvirt, uri: "%s", domainType: qemu}
  services:
    here: {plugin: tcp}
    elsewhere: {plugin: local, command: [%s, %s]}
  networks: {VM Network: "network:prod"}
  storage: {datastore1: images}
  applications:
    shop:
      workloads: [{name: web1, vm: /DC0/vm/web1}]
"""

RUNBOOK = """application: shop
sourcePlatform: vmware
targetPlatform: kvm
rollbackWindowMinutes: 10
preChecks:
  - target_network_policy_validated:
      filters: [web]
      rules:
        - in accept tcp 8080 from 10.1.2.3/8
        - out accept all
        - in drop all
      allow: ["tcp 10.99.0.2:8080"]
      deny: ["tcp 10.99.0.2:2222"]
      flowTimeout: 1s
      {prober}
cutoverSteps: []
"""

# What a site's own program may look like: connected 0, not connected 1.
TRY = """import socket, sys
try:
    socket.create_connection((sys.argv[2], int(sys.argv[3])), 1).close()
except OSError as error:
    print(error)
    sys.exit(1)
"""

SERVE = """import socket, sys, signal
sockets = [socket.create_server(("", port)) for port in (8080, 2222)]
print("serving", flush=True)
signal.pause()
"""


def wait_until(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


def run(*argv, **options):
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(argv)}: {done.stdout}{done.stderr}")
    return done.stdout


def virsh(*arguments):
    return run("virsh", "-q", "-c", URI, *arguments)


class NetworkPolicy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="vmferry-policy.")
        cls.addClassCleanup(shutil.rmtree, cls.place, True)
        for folder in ("/run/libvirt", "/var/lib/libvirt", "/etc/libvirt", "/var/cache/libvirt"):
            os.makedirs(folder, exist_ok=True)  # where libvirtd never ran, /run/libvirt is not there
            run("mount", "-t", "tmpfs", "tmpfs", folder)
        run("ip", "link", "set", "lo", "up")
        cls.start_libvirt()
        cls.define("net-define", NETWORK)
        cls.start_network()
        cls.start_server()

    @classmethod
    def write(cls, name, text):
        path = os.path.join(cls.place, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @classmethod
    def define(cls, command, xml):
        return virsh(command, cls.write("definition.xml", xml))

    @classmethod
    def start_libvirt(cls):
        settings = cls.write("libvirtd.conf", 'auth_unix_rw = "none"\nauth_unix_ro = "none"\nunix_sock_group = "root"\n')
        with open(os.path.join(cls.place, "libvirtd.log"), "w", encoding="utf-8") as log:
            cls.daemon = subprocess.Popen(["libvirtd", "-f", settings], stdout=log, stderr=log)
        cls.addClassCleanup(cls.end, cls.daemon)
        ask = ["virsh", "-q", "-c", URI, "nwfilter-list"]
        wait_until("libvirtd answers", lambda: subprocess.run(ask, capture_output=True, check=False).returncode == 0)

    @staticmethod
    def end(process):
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @staticmethod
    def start_network():
        virsh("net-start", "prod")
        run("ip", "addr", "add", "10.99.0.1/24", "dev", "vmfbr0")
        run("ip", "link", "set", "vmfbr0", "up")

    @classmethod
    def start_server(cls):
        """A machine of its own behind the bridge's port0, as a guest behind its tap device."""
        cls.machine = subprocess.Popen(["unshare", "--net", sys.executable, "-c",
                                        "import signal; print('up', flush=True); signal.pause()"],
                                       stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.machine.stdout.close)
        cls.addClassCleanup(cls.end, cls.machine)
        assert cls.machine.stdout.readline() == "up\n"
        inside = ["nsenter", "-t", str(cls.machine.pid), "-n"]
        cls.plug(inside)
        cls.mac = run(*inside, "ip", "-o", "link", "show", "eth0").split("link/ether ")[1].split()[0]
        cls.server = subprocess.Popen([*inside, sys.executable, "-c", SERVE], stdout=subprocess.PIPE, text=True)
        cls.addClassCleanup(cls.server.stdout.close)
        cls.addClassCleanup(cls.end, cls.server)
        assert cls.server.stdout.readline() == "serving\n"

    @classmethod
    def plug(cls, inside):
        run("ip", "link", "add", "port0", "type", "veth", "peer", "name", "eth0", "netns", str(cls.machine.pid))
        run("ip", "link", "set", "port0", "master", "vmfbr0", "up")
        run(*inside, "ip", "addr", "add", SERVER + "/24", "dev", "eth0")
        run(*inside, "ip", "link", "set", "eth0", "up")

    def setUp(self):
        """The network as declared; each test spoils one thing."""
        self.define("nwfilter-define", FILTER.format(port=8080))
        self.define("nwfilter-binding-create", BINDING.format(mac=self.mac))
        self.addCleanup(self.leave)
        program = self.write("try.py", TRY)
        self.write("site.yaml", SITE % (URI, sys.executable, program))
        self.write("runbook.yaml", RUNBOOK.replace("{prober}", "flowProbe: here"))

    def leave(self):
        if "port0" in virsh("nwfilter-binding-list"):
            virsh("nwfilter-binding-delete", "port0")
        if "web" in virsh("nwfilter-list"):
            virsh("nwfilter-undefine", "web")
        if "prod" not in virsh("net-list", "--name"):
            self.start_network()

    def plan(self, expect):
        done = subprocess.run([os.environ["VMFERRY"], "plan", "runbook.yaml", "--site", "site.yaml"], cwd=self.place,
                              capture_output=True, text=True, timeout=120, check=False)
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, expect, text)
        return " ".join(text.split())

    def test_all_is_as_declared(self):
        self.assertIn("no problems found", self.plan(0))

    def test_a_program_of_the_site_tries_the_flows(self):
        self.write("runbook.yaml", RUNBOOK.replace("{prober}", "flowCommand: elsewhere"))
        self.assertIn("no problems found", self.plan(0))
        virsh("nwfilter-binding-delete", "port0")
        self.assertIn("flow tcp 10.99.0.2:2222", self.plan(3))

    def test_a_denied_flow_is_open(self):
        virsh("nwfilter-binding-delete", "port0")
        text = self.plan(3)
        self.assertIn("flow tcp 10.99.0.2:2222", text)
        self.assertIn("it is declared denied, and the connection comes about", text)
        self.assertNotIn("8080", text)

    def test_an_allowed_flow_is_closed(self):
        self.define("nwfilter-define", FILTER.format(port=8081))
        self.write("runbook.yaml", RUNBOOK.replace("{prober}", "flowProbe: here").replace("tcp 8080 from",
                                                                                           "tcp 8081 from"))
        text = self.plan(3)
        self.assertIn("flow tcp 10.99.0.2:8080", text)
        self.assertIn("does not come about", text)

    def test_a_rule_was_changed(self):
        self.define("nwfilter-define", FILTER.format(port=8081))
        text = self.plan(3)
        self.assertIn("filter web", text)
        self.assertIn("rule `in accept tcp 8080 from 10.0.0.0/8` is missing", text)
        self.assertIn("rule `in accept tcp 8081 from 10.0.0.0/8` is not declared", text)

    def test_the_filter_is_missing(self):
        virsh("nwfilter-binding-delete", "port0")
        virsh("nwfilter-undefine", "web")
        self.assertIn("the target has no such network filter", self.plan(3))

    def test_the_network_is_down(self):
        virsh("net-destroy", "prod")
        text = self.plan(3)
        self.assertIn("network:prod", text)
        self.assertIn("it is not active", text)
        # The bridge is gone with the network; the port comes back to it for the other tests.
        self.start_network()
        run("ip", "link", "set", "port0", "master", "vmfbr0", "up")


if __name__ == "__main__":
    if INSIDE not in os.environ:
        os.environ[INSIDE] = "1"
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        os.execvp("unshare", ["unshare", *user, "--mount", "--net", sys.executable, os.path.abspath(__file__)])
    unittest.main(verbosity=2)
