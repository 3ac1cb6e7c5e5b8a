# SPDX-License-Identifier: Apache-2.0
"""The way back proved before the cutover, on a real load balancer (HAProxy) and real name servers (BIND): `plan` says of
every undo what proves it, and a run whose way back is not proved touches nothing. The machines are of the plugin `fake`.
"""
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import unittest

from labtest import LAB, LabTest, wait_until

WORLD = {"version": 1,
         "vms": [{"name": "web1", "disks_mib": [2], "records": ["order 1"]}],
         "pools": [{"name": "images", "capacity_bytes": 1 << 30}]}

SITE = """
apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: proof}
spec:
  journal: journal.db
  platforms:
    vmware: {plugin: fake, world: world.json}
    kvm: {plugin: fake, world: world.json}
  services:
    edge:
      plugin: haproxy
      instances: ['unix:%(socket)s']
      persist: %(persist)s
    names:
      plugin: rfc2136
      servers: ['%(server)s']
      zones: [lab.test, frozen.test, ruled.test]
      keyName: vmferry.lab
      keySecret: file:%(secret)s
  networks: {VM Network: user}
  storage: {datastore1: images}
  defaults:
    quiesce_application: {onRefusal: rollBack, guestShutdownDeadline: 20s, drainDeadline: 1s}
  applications:
    shop:
      workloads: [{name: web1, vm: web1}]
      loadBalancer: edge
      pool: app1
      sourceServer: vmware
      targetServer: kvm
      dns: names
      records: [%(record)s]
      targetAddresses: [127.0.0.2]
"""

RUNBOOK = """
application: shop
sourcePlatform: vmware
targetPlatform: kvm
rollbackWindowMinutes: 90
preChecks: [vm_exists]
cutoverSteps: [quiesce_application, final_data_sync, power_on_target, update_load_balancer, update_dns]
"""

EFFECTS = ["claim_source", "quiesce_application", "final_data_sync", "power_on_target", "update_load_balancer",
           "update_dns"]


class Well(http.server.BaseHTTPRequestHandler):
    """The application on either side, as far as the load balancer's check looks."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class UndoProof(LabTest):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="vmferry-proof.")
        cls.addClassCleanup(shutil.rmtree, cls.root, True)
        cls.state = os.path.join(cls.root, "lab")
        cls.addClassCleanup(subprocess.run, [LAB, "stop", "--state", cls.state], check=False)
        subprocess.run([LAB, "start", "--state", cls.state, "--only", "bind,haproxy"], check=True)
        with open(os.path.join(cls.state, "env"), encoding="utf-8") as lines:
            cls.env = dict(line.rstrip("\n").replace("'", "").split("=", 1) for line in lines)
        for side in ("VMWARE", "KVM"):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", int(cls.env[f"APP1_{side}_PORT"])), Well)
            cls.addClassCleanup(server.server_close)
            cls.addClassCleanup(server.shutdown)
            threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.balancing = cls.read(cls.env["HAPROXY_CONFIG"])
        cls.printed = []

    def setUp(self):
        self.place = tempfile.mkdtemp(dir=self.root)
        self.write("world.json", json.dumps(WORLD))
        self.write("shop.yaml", RUNBOOK)
        self.write_site()
        self.before = self.outside()

    # --- the parts ---

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_site(self, **changes):
        values = {"socket": self.env["HAPROXY_SOCKET"], "persist": "{stateFile: %s}" % self.env["HAPROXY_STATE_FILE"],
                  "server": self.env["BIND"], "secret": self.env["BIND_SECRET_FILE"], "record": "app.lab.test"}
        self.write("site.yaml", SITE % (values | changes))

    def balance(self, *changes):
        """Gives the load balancer another configuration, and itself back afterwards."""
        text = self.balancing
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(self.env["HAPROXY_CONFIG"], "w", encoding="utf-8") as file:
            file.write(text)
        subprocess.run([LAB, "reload-haproxy", "--state", self.state], check=True)
        if changes:
            self.addCleanup(self.balance)
        else:
            wait_until("both servers are known again", lambda: len(self.lb()) == 2)

    def serial(self, zone):
        host, port = self.env["BIND"].split(":")
        done = subprocess.run(["dig", f"@{host}", "-p", port, "+tcp", "+short", zone, "SOA"], check=True,
                              capture_output=True, text=True)
        return int(done.stdout.split()[2])

    def outside(self):
        """Everything there is to change."""
        return {"world": json.loads(self.read(self.path("world.json"))),
                "serials": [self.serial(zone) for zone in ("lab.test", "frozen.test", "ruled.test")],
                "servers": {name: status.startswith("MAINT") for name, status in self.lb().items()}}

    def plan(self, *options, expect=0):
        return self.vmferry("plan", "shop.yaml", "--site", "site.yaml", *options, expect=expect)

    def run_shop(self, *options, expect=0):
        return self.vmferry("run", "shop.yaml", "--site", "site.yaml", *options, expect=expect)

    def proof_facts(self):
        events = self.events(self.last_run())
        step = next(e["step"] for e in events if e.get("payload", {}).get("name") == "undo_proven")
        return next(e["payload"]["facts"] for e in events if e.get("step") == step and e["kind"] == "outcome")

    def refused_with_nothing_touched(self, *words):
        """The plan says it, and the run says it before it touches anything."""
        planned, ran = self.plan(expect=3), self.run_shop(expect=3)
        flat = " ".join(ran.text.split())
        for word in words:
            self.assertIn(word, " ".join(planned.text.split()))
            self.assertIn(word, flat)
        self.assertIn("nothing touched", flat)
        self.assertIn("--override undo_proven --reason", flat)
        self.assertEqual(self.outside(), self.before)
        self.assertFalse([e for e in self.events(self.last_run()) if e["kind"] == "intent" and e["payload"].get("effect")])

    # --- what must happen ---

    def test_a_clean_plan_says_what_proves_every_undo_and_how_long_the_way_back_takes(self):
        said = self.plan().text
        self.assertEqual(said.count("proven: "), len(EFFECTS), said)
        self.assertIn("server app1/vmware is ready and can be set on every instance", " ".join(said.split()))
        self.assertIn("app.lab.test A has 127.0.0.1 (TTL 300 s), and the key may change it", " ".join(said.split()))
        self.assertIn("to roll back: up to 4m 30s, of a window of 1h 30m", said)
        plan = self.vmferry("--json", "plan", "shop.yaml", "--site", "site.yaml").of("plan")[0]
        proofs = {s["name"]: s["undoProof"] for s in plan["steps"] if "undoProof" in s}
        self.assertEqual(list(proofs), EFFECTS)
        for proof in proofs.values():
            self.assertTrue(proof["proves"])
            self.assertEqual(proof["problems"], [])
        self.assertEqual(plan["rollback"]["takesMs"], sum(proof["takesMs"] for proof in proofs.values()))
        self.assertTrue(plan["rollback"]["withinWindow"])
        self.assertEqual(self.outside(), self.before, "a dry run changes nothing")

    def test_a_proved_run_goes_on_and_comes_back(self):
        self.run_shop()
        facts = self.proof_facts()
        self.assertEqual([undo["step"] for undo in facts["undos"]], EFFECTS)
        self.assertEqual(facts["notProven"], 0)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.outside()["servers"], self.before["servers"])

    def test_a_load_balancer_that_forgot_the_old_server_keeps_the_run_from_its_cutover(self):
        self.balance((f"  server vmware 127.0.0.1:{self.env['APP1_VMWARE_PORT']}\n", ""))
        wait_until("the old server is gone", lambda: "vmware" not in self.lb())
        self.before = self.outside()
        self.refused_with_nothing_touched("the pool has no such server, only kvm", "server app1/vmware",
                                          "correct the server's name in the site file")

    def test_a_socket_that_lets_nothing_be_changed_is_found_before_anything_is(self):
        socket = os.path.join(os.path.dirname(self.env["HAPROXY_SOCKET"]), "look.sock")
        timeout = "  stats timeout 1h\n"
        self.balance((timeout, f"{timeout}  stats socket {socket} mode 600 level operator\n"))
        wait_until("the other socket", lambda: os.path.exists(socket))
        self.write_site(socket=socket)
        self.refused_with_nothing_touched("Permission denied: the socket has level operator", "level admin")

    def test_states_that_could_not_be_kept_are_found_before_anything_is_changed(self):
        self.write_site(persist="{stateFile: /nowhere/at/all/state}")
        self.refused_with_nothing_touched("its directory cannot be written to", "state file /nowhere/at/all/state")

    def test_a_key_that_is_wrong(self):
        wrong = self.path("wrong")
        with open(os.open(wrong, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("d3Jvbmc=\n")
        self.write_site(secret=wrong)
        self.refused_with_nothing_touched("NOTAUTH (BADSIG)", "does not accept key vmferry.lab")

    def test_a_key_that_may_ask_but_not_change(self):
        for record in ("app.frozen.test", "ns1.ruled.test"):
            self.write_site(record=record)
            self.refused_with_nothing_touched("denied: the server answered REFUSED", "allow-update or update-policy",
                                              f"record {record} A")

    def test_a_key_that_may_change_just_this_record(self):
        self.write_site(record="app.ruled.test")
        self.assertIn("app.ruled.test A has 127.0.0.1 (TTL 300 s), and the key may change it",
                      " ".join(self.plan().text.split()))
        self.assertEqual(self.outside(), self.before)

    def test_a_window_that_is_too_short_is_passed_over_with_a_reason_only(self):
        self.write("shop.yaml", RUNBOOK.replace("Minutes: 90", "Minutes: 4"))
        self.refused_with_nothing_touched("it may take 4m 30s, longer than rollbackWindowMinutes (4m)")
        self.run_shop("--override", "undo_proven", expect=2)
        self.run_shop("--override", "vm_exists", "--reason", "no", expect=2)
        planned = self.plan("--override", "undo_proven").text
        self.assertIn("override: undo_proven: undos that are not proved are let through", planned)
        self.run_shop("--override", "undo_proven", "--reason", "change 4711")
        facts = self.proof_facts()
        self.assertTrue(facts["overridden"])
        self.assertIn("longer than rollbackWindowMinutes", facts["window"]["message"])
        trail = self.vmferry("audit", "show", self.last_run(), "--site", "site.yaml").text
        self.assertIn("decision: override undo_proven (undos that are not proved are let through) by ", trail)
        self.assertIn(": change 4711", trail)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")


if __name__ == "__main__":
    unittest.main(verbosity=2)
