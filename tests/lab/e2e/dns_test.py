# SPDX-License-Identifier: Apache-2.0
"""dns_ttl_lowered and update_dns on real name servers (BIND): found, checked, lowered, waited out, moved, undone; and
what the servers, the network and other people do to that. The machines are of the plugin `fake`.
"""
import json
import os
import shutil
import socket
import struct
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
metadata: {name: dns}
spec:
  journal: journal.db
  platforms:
    vmware: {plugin: fake, world: world.json}
    kvm: {plugin: fake, world: world.json}
  services:
    names:
      plugin: rfc2136
      servers: [%(servers)s]
      zones: [%(zones)s]
      keyName: %(key)s
      keySecret: file:%(secret)s
  networks: {VM Network: user}
  storage: {datastore1: images}
  defaults:
    quiesce_application: {onRefusal: rollBack, guestShutdownDeadline: 20s}
  applications:
    shop:
      workloads: [{name: web1, vm: web1}]
      dns: names
      records: [%(record)s]
      targetAddresses: [127.0.0.2]
      maxTtl: 1s
      mode: %(mode)s
"""

RUNBOOK = """
application: shop
sourcePlatform: vmware
targetPlatform: kvm
rollbackWindowMinutes: 90
preChecks: [dns_ttl_lowered]
cutoverSteps: [quiesce_application, final_data_sync, power_on_target, update_dns]
"""

UPDATE = 5  # RFC 2136 section 1.3


class Proxy(threading.Thread):
    """Stands before a name server: `before_update` runs when an update has been sent and has not arrived; with
    `lose_answers` the first update's answer is lost. Updates that only ask whether they are allowed remove a single
    value that is not there, and pass."""

    def __init__(self, address, before_update=None, lose_answers=False):
        super().__init__(daemon=True)
        host, port = address.split(":")
        self.server, self.before_update, self.lose_answers = (host, int(port)), before_update, lose_answers
        self.updates = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.create_connection(self.server, timeout=20) as server:
                client.settimeout(20)
                request = self.message(client)
                update = (len(request) > 11 and request[4] >> 3 & 15 == UPDATE
                          and struct.unpack("!H", request[10:12])[0] > 1)
                self.updates += update
                if update and self.before_update:
                    self.before_update()
                server.sendall(request)
                answer = self.message(server)
                if not (update and self.lose_answers and self.updates == 1):
                    client.sendall(answer)

    @staticmethod
    def message(connection):
        data = b""
        while len(data) < 2 or len(data) < 2 + struct.unpack("!H", data[:2])[0]:
            more = connection.recv(65536)
            if not more:
                break
            data += more
        return data

    def close(self):
        self.listener.close()


class Dns(LabTest):
    @classmethod
    def setUpClass(cls):
        cls.root = tempfile.mkdtemp(prefix="vmferry-dns.")
        cls.addClassCleanup(shutil.rmtree, cls.root, True)
        state = os.path.join(cls.root, "lab")
        cls.addClassCleanup(subprocess.run, [LAB, "stop", "--state", state], check=False)
        subprocess.run([LAB, "start", "--state", state, "--only", "bind"], check=True)
        with open(os.path.join(state, "env"), encoding="utf-8") as lines:
            cls.env = dict(line.rstrip("\n").replace("'", "").split("=", 1) for line in lines)
        cls.secret = cls.read(cls.env["BIND_SECRET_FILE"]).strip()
        cls.printed = []

    def setUp(self):
        self.place = tempfile.mkdtemp(dir=self.root)
        for name, text in (("world.json", json.dumps(WORLD)), ("shop.yaml", RUNBOOK)):
            self.write(name, text)
        self.write_site()
        for zone in ("lab.test", "split.test"):
            self.set_record(f"app.{zone}", 4, "127.0.0.1")
        self.set_record("app.split.test", 4, "127.0.0.1", server="BIND2")

    def tearDown(self):
        for text in self.printed:
            self.assertNotIn(self.secret, text)
        journal = self.path("journal.db")
        if os.path.exists(journal):
            with open(journal, "rb") as file:
                self.assertNotIn(self.secret.encode(), file.read())

    # --- the parts ---

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def write_site(self, **changes):
        values = {"servers": f"'{self.env['BIND']}', '{self.env['BIND2']}'", "key": "vmferry.lab",
                  "secret": self.env["BIND_SECRET_FILE"], "record": "app.lab.test", "mode": "lower",
                  "zones": "lab.test, frozen.test, split.test"}
        self.write("site.yaml", SITE % (values | changes))

    def set_record(self, name, ttl, *values, server="BIND"):
        """By somebody else: nsupdate."""
        zone = name.split(".", 1)[1]
        adds = [f"update add {name} {ttl} A {value}" for value in values]
        self.nsupdate(zone, f"update delete {name} A", *adds, server=server)
        if zone == "lab.test":
            wait_until("the secondary follows", lambda: self.record(name, "BIND2") == self.record(name))

    def nsupdate(self, zone, *updates, server="BIND"):
        host, port = self.env[server].split(":")
        lines = "\n".join([f"server {host} {port}", f"zone {zone}", *updates, "send", ""])
        subprocess.run(["nsupdate", "-v", "-k", self.env["BIND_KEY_FILE"]], input=lines, text=True, check=True)

    def record(self, name="app.lab.test", server="BIND"):
        """"VALUE TTL", by dig."""
        host, port = self.env[server].split(":")
        done = subprocess.run(["dig", f"@{host}", "-p", port, "+tcp", "+noall", "+answer", name, "A"], check=True,
                              capture_output=True, text=True)
        return ", ".join(sorted(f"{row[4]} {row[1]}" for row in map(str.split, done.stdout.splitlines())))

    def run_shop(self, expect=0):
        return self.vmferry("run", "shop.yaml", "--site", "site.yaml", expect=expect)

    def kinds(self, step):
        return [e["kind"] for e in self.events(self.last_run()) if e.get("payload", {}).get("name") == step]

    def outcome_after_handle_ms(self):
        events = [e for e in self.events(self.last_run()) if e.get("step") is not None]
        ttl = [e for e in events if e["step"] == next(x for x in events
                                                      if x["payload"].get("name") == "dns_ttl_lowered")["step"]]
        began = next(e for e in ttl if e["kind"] == "handle")
        ended = next(e for e in ttl if e["kind"] == "outcome")
        return ended["at_ms"] - began["at_ms"]

    # --- what must happen ---

    def test_a_low_ttl_is_found_and_the_record_moves_and_comes_back(self):
        self.set_record("app.lab.test", 1, "127.0.0.1")
        plan = self.vmferry("plan", "shop.yaml", "--site", "site.yaml")
        self.assertIn("127.0.0.2 (TTL 1 s), now 127.0.0.1 (TTL 1 s)", plan.text)
        self.assertEqual(self.record(), "127.0.0.1 1", "a dry run changes nothing")
        self.run_shop()
        self.assertEqual(self.kinds("dns_ttl_lowered"), ["found"])
        self.assertEqual(self.record(), "127.0.0.2 1")
        self.assertEqual(self.record(server="BIND2"), "127.0.0.2 1", "done means: at all servers")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.record(), "127.0.0.1 1")
        self.assertEqual(self.record(server="BIND2"), "127.0.0.1 1")

    def test_a_long_ttl_is_lowered_waited_out_and_restored(self):
        plan = self.vmferry("plan", "shop.yaml", "--site", "site.yaml")
        self.assertIn("lower the TTL to 1s (app.lab.test A from 4s), then wait 4s", plan.text)
        self.run_shop()
        self.assertEqual(self.record(), "127.0.0.2 1")
        self.assertGreaterEqual(self.outcome_after_handle_ms(), 4000)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.record(), "127.0.0.1 4")

    def test_the_longest_ttl_of_any_server_counts(self):
        """Caches have what a secondary told as well; only the primary's TTL was waited out."""
        self.set_record("app.split.test", 8, "127.0.0.1", server="BIND2")
        self.write_site(record="app.split.test")
        plan = self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("lower the TTL to 1s (app.split.test A from 4s), then wait 8s", plan.text)
        self.assertIn(f"{self.env['BIND2']} has 127.0.0.1 (TTL 8 s)", plan.text)

    def test_mode_check_names_ttl_and_limit_and_changes_nothing(self):
        self.write_site(mode="check")
        for command, code in (("plan", 3), ("run", 10)):
            said = self.vmferry(command, "shop.yaml", "--site", "site.yaml", expect=code)
            self.assertIn("its TTL is 4s, the limit is 1s", said.text)
        self.assertEqual(self.record(), "127.0.0.1 4")

    def test_the_servers_words_for_a_wrong_key(self):
        wrong = self.path("wrong")
        with open(os.open(wrong, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write("d3Jvbmc=\n")
        self.write_site(secret=wrong)
        self.assertIn("NOTAUTH (BADSIG)", self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3).text)
        self.write_site(key="nobody.lab")
        self.assertIn("NOTAUTH (BADKEY)", self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3).text)

    def test_a_zone_that_takes_no_updates_refuses_and_nothing_is_changed(self):
        self.write_site(record="app.frozen.test")
        said = self.run_shop(expect=10)
        self.assertIn("denied: the server answered REFUSED", said.text)
        self.assertIn("allow-update", said.text)
        self.assertEqual(self.record("app.frozen.test"), "127.0.0.1 300")

    def test_names_that_cannot_be_are_refused_by_the_plan(self):
        for record, words in (("app.other.test", "in none of the zones"), ("gone.lab.test", "there is no such name"),
                              ("app.lab.test/AAAA", "the name has no records of this type")):
            self.write_site(record=record)
            self.assertIn(words, self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3).text)

    def test_a_wildcards_answer_is_named_by_the_plan_and_own_records_come_and_go(self):
        """It looked like the name's own records, and the change failed at the cutover."""
        self.set_record("*.lab.test", 1, "127.0.0.1")
        self.addCleanup(self.nsupdate, "lab.test", "update delete *.lab.test A")
        self.write_site(record="any.lab.test")
        words = "no records of its own: a wildcard of zone lab.test answers for it with 127.0.0.1 (TTL 1 s)"
        self.assertIn(words, self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3).text)
        self.write("shop.yaml", RUNBOOK.replace("dns_ttl_lowered", "vm_exists").replace("update_dns]",
                                                                                        "update_dns: {ttl: 5s}]"))
        self.run_shop()
        self.assertEqual(self.record("any.lab.test"), "127.0.0.2 5")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.record("any.lab.test"), "127.0.0.1 1")

    def test_a_zone_that_the_server_has_under_another_name_is_named_by_the_plan(self):
        self.write_site(zones="test")
        said = self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("it is in zone lab.test there, not in test", said.text)

    def test_ttls_of_parts_of_a_second_are_reported_before_anything_is_asked(self):
        """They were cut to 0, with which no cache keeps anything."""
        self.write("shop.yaml", RUNBOOK.replace("[dns_ttl_lowered]", "[dns_ttl_lowered: {maxTtl: 500ms}]"))
        said = self.vmferry("validate", "shop.yaml", "site.yaml", expect=3)
        self.assertIn("`maxTtl` is 500ms, but a TTL is a number of whole seconds", said.text)

    def test_a_server_that_is_down_is_unavailable(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        self.write_site(servers=f"'{address}'")
        said = self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("unavailable: cannot reach 127.0.0.1", said.text)

    def test_a_secondary_that_is_down_delays_the_way_there_and_not_the_way_back(self):
        """It made every look an error, so that the rollback was blocked with the source off. Now the primary is set,
        and the undo says who could not be asked."""
        self.set_record("app.lab.test", 1, "127.0.0.1")
        self.run_shop()
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
        self.write_site(servers=f"'{self.env['BIND']}', '{address}'")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.record(), "127.0.0.1 1")
        self.assertIn(f"{address} cannot be asked: cannot reach 127.0.0.1", json.dumps(self.events(self.last_run())))
        self.assertIn(f"{address} cannot be asked",
                      self.vmferry("plan", "shop.yaml", "--site", "site.yaml", expect=3).text)
        self.write("shop.yaml", RUNBOOK.replace("[dns_ttl_lowered]", "[dns_ttl_lowered: {deadline: 2s}]"))
        said = self.run_shop(expect=10)
        self.assertIn(f"waiting until all name servers tell the low TTL: app.lab.test A: {address} cannot be asked",
                      said.text)

    def test_a_change_between_reading_and_writing_is_a_conflict_and_stays(self):
        self.set_record("app.lab.test", 1, "127.0.0.1")
        proxy = Proxy(self.env["BIND"], before_update=lambda: self.set_record("app.lab.test", 1, "127.0.0.9"))
        self.addCleanup(proxy.close)
        proxy.start()
        self.write_site(servers=f"'{proxy.address}'")
        said = self.run_shop(expect=10)  # its own undo does not overwrite it either
        self.assertIn("conflict: the server answered NXRRSET", said.text)
        self.assertEqual(proxy.updates, 1)
        self.assertEqual(self.record(), "127.0.0.9 1")

    def test_a_lost_answer_is_looked_after_and_not_repeated(self):
        self.set_record("app.lab.test", 1, "127.0.0.1")
        proxy = Proxy(self.env["BIND"], lose_answers=True)
        self.addCleanup(proxy.close)
        proxy.start()
        self.write_site(servers=f"'{proxy.address}'")
        self.run_shop()
        self.assertEqual(proxy.updates, 1)
        self.assertIn("observed", [e["kind"] for e in self.events(self.last_run())])
        self.assertEqual(self.record(), "127.0.0.2 1")

    def test_a_change_by_somebody_else_after_the_move_is_left_by_the_rollback(self):
        """It blocked the rollback for ever. The name no longer leads to the target, so that somebody else decided."""
        self.set_record("app.lab.test", 1, "127.0.0.1")
        self.run_shop()
        self.set_record("app.lab.test", 1, "127.0.0.9")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        self.assertEqual(self.record(), "127.0.0.9 1")
        self.assertIn("app.lab.test A has 127.0.0.9 (TTL 1 s), which somebody else set; before this run it had "
                      "127.0.0.1 (TTL 1 s)", json.dumps(self.events(self.last_run())))

    def test_the_targets_value_among_others_blocks_the_rollback_until_the_advice_is_followed(self):
        self.set_record("app.lab.test", 1, "127.0.0.1")
        self.run_shop()
        self.set_record("app.lab.test", 1, "127.0.0.2", "127.0.0.9")
        rollback = ("rollback", self.last_run(), "--site", "site.yaml", "--reason", "test")
        said = self.vmferry(*rollback, expect=11)
        self.assertIn("it has 127.0.0.2, 127.0.0.9 (TTL 1 s), this run had set 127.0.0.2, and before it had 127.0.0.1",
                      said.text)
        self.assertIn("set what it had before, or any values without 127.0.0.2;", said.text)
        self.set_record("app.lab.test", 1, "127.0.0.9")
        self.vmferry(*rollback)
        self.assertEqual(self.record(), "127.0.0.9 1")

    def test_a_change_that_not_all_servers_have_does_not_count(self):
        """Nobody changes the other primary: the deadline comes, with the reason, and the way back is clean."""
        for server in ("BIND", "BIND2"):
            self.set_record("app.split.test", 1, "127.0.0.1", server=server)
        self.write_site(record="app.split.test")
        self.write("shop.yaml", RUNBOOK.replace("update_dns]", "update_dns: {deadline: 3s}]"))
        said = self.run_shop(expect=10)
        self.assertIn("waiting until all name servers have the change", said.text)
        self.assertIn(f"{self.env['BIND2']} has 127.0.0.1 (TTL 1 s)", said.text)
        self.assertEqual(self.record("app.split.test"), "127.0.0.1 1")


if __name__ == "__main__":
    unittest.main(verbosity=2)
