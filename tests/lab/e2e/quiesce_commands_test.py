# SPDX-License-Identifier: Apache-2.0
"""quiesce_application by drain, a command over ssh and guest shutdown, and the way back; the sshd is a real one, run as
the test's user with keys of its own on a free port of loopback."""
import os
import pwd
import signal
import socket
import subprocess
import unittest

from labtest import LabTest, kill_hard, wait_until

ROLLED_BACK = 10

SERVICES = """    {name}:
      plugin: ssh
      host: 127.0.0.1
      port: {port}
      user: {user}
      identityFile: {place}/id
      knownHostsFile: {place}/known
      workDirectory: {place}/runs
      command: [{place}/application, "{word}", "it's $HOME"]
"""

# What stands for the application on its host: it notes what it was told, with the words as they arrived.
APPLICATION = """#!/bin/sh
echo "$1 [$2]" >> {place}/told
while [ -e {place}/slow ]; do sleep 0.05; done
if [ "$1" = "$(cat {place}/fails 2>/dev/null)" ]; then echo "cannot $1: orders are open"; exit 7; fi
echo "$1 done"
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class QuiesceCommands(LabTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.port = free_port()
        for key in ("id", "host"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(cls.place, key)], check=True)
        cls.write("known", f"[127.0.0.1]:{cls.port} " + cls.read(os.path.join(cls.place, "host.pub")))
        cls.write("application", APPLICATION.format(place=cls.place))
        os.chmod(os.path.join(cls.place, "application"), 0o755)
        cls.write("sshd_config", f"ListenAddress 127.0.0.1:{cls.port}\nHostKey {cls.place}/host\nPidFile none\nUsePAM no\n"
                                 f"AuthorizedKeysFile {cls.place}/id.pub\nStrictModes no\nPasswordAuthentication no\n")
        cls.start_sshd()
        services = "".join(SERVICES.format(name=f"{word}-app", word=word, port=cls.port, user=pwd.getpwuid(os.geteuid()).pw_name,
                                           place=cls.place) for word in ("stop", "start"))
        site = cls.read(os.path.join(cls.place, "site.yaml"))
        site = site.replace("    web:\n", services + "    web:\n")
        site = site.replace("probe: web}\n", "probe: web, stopCommand: stop-app, startCommand: start-app}\n", 1)
        cls.write("site.yaml", site)

    @classmethod
    def start_sshd(cls):
        command = ["/usr/sbin/sshd", "-D", "-E", os.path.join(cls.place, "sshd.log"), "-f",
                   os.path.join(cls.place, "sshd_config")]
        if os.geteuid() == 0:  # root's sshd wants /run/sshd: it gets a /run of its own
            command = ["unshare", "-m", "sh", "-c", 'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec "$@"',
                       "sh", *command]
        cls.sshd = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        cls.addClassCleanup(cls.stop_sshd)

        def accepts():
            with socket.create_connection(("127.0.0.1", cls.port), timeout=2):
                return True
        wait_until("sshd answers", accepts)

    @classmethod
    def stop_sshd(cls):
        cls.sshd.kill()
        cls.sshd.wait()

    @classmethod
    def write(cls, name, text):
        with open(os.path.join(cls.place, name), "w", encoding="utf-8") as file:
            file.write(text)

    def setUp(self):
        for name in ("told", "slow", "fails"):
            if os.path.exists(self.path(name)):
                os.remove(self.path(name))

    def told(self):
        return self.read(self.path("told")).splitlines() if os.path.exists(self.path("told")) else []

    def runbook(self, **parameters):
        lines = "".join(f"      {name}: {value}\n" for name, value in parameters.items())
        text = self.read(self.path("app1.yaml"))
        if lines:
            text = text.replace("  - quiesce_application\n", f"  - quiesce_application:\n{lines}")
        self.write("quiesce.yaml", text)
        return "quiesce.yaml"

    def runs_left(self):
        return os.listdir(self.path("runs")) if os.path.isdir(self.path("runs")) else []

    def test_1_the_dry_run_tells_it_and_runs_nothing(self):
        planned = self.vmferry("plan", self.runbook(), "--site", "site.yaml")
        for word in ("drain server", "run stop-app (ssh", "shut down VM", "run start-app (ssh"):
            self.assertIn(word, planned.text)
        self.assertEqual(self.told(), [])

    def test_2_drain_command_and_shutdown_and_back(self):
        self.vmferry("run", self.runbook(), "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.assertEqual(self.told(), ["stop [it's $HOME]"])
        self.assertEqual(self.vm()["power_state"], "poweredOff")
        self.assertIn("stop done", self.vmferry("--json", "audit", "show", self.last_run(), "--site", "site.yaml").text)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        self.assertEqual(self.told(), ["stop [it's $HOME]", "start [it's $HOME]"])
        self.assertEqual(self.runs_left(), [])

    def test_3_powered_off_without_asking_the_guest(self):
        self.vmferry("run", self.runbook(guestShutdown="no"), "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        self.assertEqual([line.split()[0] for line in self.told()], ["stop", "start"])

    def test_4_a_command_that_fails_rolls_back(self):
        self.write("fails", "stop")
        ran = self.vmferry("run", self.runbook(), "--site", "site.yaml", expect=ROLLED_BACK)
        self.assertIn("exit code 7: cannot stop: orders are open", ran.text)
        self.served_by(1, "VMware")
        self.assertEqual([line.split()[0] for line in self.told()], ["stop", "start"])
        self.assertEqual(self.runs_left(), [])

    def test_5_killed_while_the_command_runs(self):
        """The command goes on without vmferry, and the resume finds it: it is run once."""
        self.write("slow", "")
        process = self.start("run", self.runbook(), "--site", "site.yaml")
        wait_until("the command began", lambda: self.told() or process.poll() is not None)
        kill_hard(process)
        self.assertEqual(process.returncode, -signal.SIGKILL)
        os.remove(self.path("slow"))
        self.vmferry("resume", self.last_run(), "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.assertEqual([line.split()[0] for line in self.told()], ["stop"])
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")

    def test_6_guest_shutdown_no_needs_the_command(self):
        site = self.site("plain.yaml", replace=[("stopCommand: stop-app, startCommand: start-app", "maxX: 1")])
        text = self.read(site).replace(", maxX: 1", "")
        self.write("plain.yaml", text)
        wrong = self.vmferry("validate", self.runbook(guestShutdown="no"), "plain.yaml", expect=3)
        self.assertIn("would cut the power of a working application", wrong.text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
