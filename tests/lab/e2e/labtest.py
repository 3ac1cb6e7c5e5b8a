# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: a lab of their own, the vmferry under test, and eyes on both.

VMFERRY names the binary. Every lab lies in a temporary folder and is stopped with the test, whatever happens.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import unittest

LAB = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "lab")
WRITE_SITE = os.path.join(os.path.dirname(LAB), "write-site.sh")
VMFERRY = os.path.abspath(os.environ["VMFERRY"])


def wait_until(what, condition, seconds=180):
    """Waits for a condition; fails by name when it does not come. What cannot be asked, does not hold yet."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        refusal = ""
        try:
            value = condition()
        except (OSError, urllib.error.URLError) as error:
            value, refusal = None, f": {error}"
        except subprocess.CalledProcessError as error:
            value, refusal = None, f": {error}: {error.stderr}"
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s in vain: {what}{refusal}")


def http(url, data=None, method=None, timeout=10):
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode()


class Outcome:
    """What a vmferry command printed and returned."""

    def __init__(self, code, text):
        self.code, self.text = code, text
        self.lines = []
        for line in text.splitlines():
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def of(self, key):
        """The values of the JSON lines that have the key."""
        return [line[key] for line in self.lines if key in line]


class LabTest(unittest.TestCase):
    apps = 1
    options = []  # more options of `lab start`
    documents = WRITE_SITE  # what writes the site and the runbooks
    renamed = []  # APP=NAME for write-site.sh

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.mkdtemp(prefix="vmferry-e2e.")
        cls.addClassCleanup(shutil.rmtree, cls.place, True)
        state = os.path.join(cls.place, "lab")
        cls.addClassCleanup(subprocess.run, [LAB, "stop", "--state", state], check=False)
        subprocess.run([LAB, "start", "--state", state, "--apps", str(cls.apps), *cls.options], check=True)
        subprocess.run([cls.documents, state, cls.place, *cls.renamed], check=True)
        cls.env = {}
        with open(os.path.join(state, "env"), encoding="utf-8") as lines:
            for line in lines:
                name, value = line.rstrip("\n").split("=", 1)
                cls.env[name] = value.strip("'")
        for app in range(1, cls.apps + 1):
            path = urllib.parse.quote(cls.env[f"APP{app}_VM_PATH"], safe="")
            http(f"{cls.env['VC_CONTROL']}/vms/{path}/power-on", method="POST")
        for app in range(1, cls.apps + 1):
            url = cls.env[f"APP{app}_URL"] + "/healthz"
            wait_until(f"app{app} is served", lambda url=url: http(url, timeout=2).startswith("ok"))
        cls.password = cls.read(cls.env["VC_PASSWORD_FILE"]).strip()
        cls.printed = []  # everything vmferry printed, for the search for secrets

    @staticmethod
    def read(path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    def path(self, name):
        return os.path.join(self.place, name)

    def site(self, name="site.yaml", **changes):
        """A copy of the site with texts replaced; its path."""
        text = self.read(self.path("site.yaml"))
        for old, new in changes.get("replace", []):
            self.assertIn(old, text)
            text = text.replace(old, new)
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    # --- vmferry ---

    def start(self, *arguments, **options):
        """Starts vmferry in the test's folder; its output is collected."""
        return subprocess.Popen([VMFERRY, *arguments], cwd=self.place, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, **options)

    def vmferry(self, *arguments, expect=0, seconds=240):
        process = self.start(*arguments)
        try:
            text, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            text, _ = process.communicate()
            self.fail(f"vmferry {' '.join(arguments)} did not end within {seconds} s:\n{text}")
        self.printed.append(text)
        if expect is not None:
            self.assertEqual(process.returncode, expect, f"vmferry {' '.join(arguments)} printed:\n{text}")
        return Outcome(process.returncode, text)

    def last_run(self, site="site.yaml"):
        return self.vmferry("--json", "status", "--site", site).of("run")[-1]["run"]

    def events_so_far(self, site="site.yaml"):
        """The events of the last run, to be asked for while one begins; none as long as no run is journaled."""
        status = self.vmferry("--json", "status", "--site", site, expect=None)
        runs = status.of("run")
        self.assertIn(status.code, (0,) if runs else (0, 3), status.text)  # 3: there is no journal, or nothing in it
        return self.events(runs[-1]["run"], site) if runs else []

    def application(self, name="app1", site="site.yaml"):
        """The application's state in the journal's last run."""
        run = self.vmferry("--json", "status", "--site", site).of("run")[-1]
        return next(a for a in run["applications"] if a["application"] == name)

    def events(self, run, site="site.yaml"):
        return [line for line in self.vmferry("--json", "audit", "show", run, "--site", site).lines if "kind" in line]

    # --- the lab ---

    def control(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        text = http(self.env["VC_CONTROL"] + path, data=data, method=method)
        return json.loads(text) if text.strip() else None

    def vm(self, name="app1"):
        return next(vm for vm in self.control("GET", "/vms") if vm["name"] == name)

    def whoami(self, url):
        return dict(pair.split("=", 1) for pair in http(url + "/cgi-bin/whoami").split())

    def url(self, app=1):
        return self.env[f"APP{app}_URL"]

    def records(self, app=1):
        return http(self.url(app) + "/cgi-bin/records").splitlines()

    def record(self, text, app=1):
        http(self.url(app) + "/cgi-bin/record", data=text.encode(), timeout=5)

    def served_by(self, app, vendor):
        return wait_until(f"app{app} is served by {vendor}", lambda: self.whoami(self.url(app))["vendor"] == vendor)

    def virsh(self, *arguments):
        done = subprocess.run(["virsh", "-q", "-c", self.env["LIBVIRT_URI"], *arguments], check=True,
                              capture_output=True, text=True)
        return done.stdout

    def domains(self):
        return self.virsh("list", "--all", "--name").split()

    def volumes(self):
        return [line.split()[0] for line in self.virsh("vol-list", self.env["POOL"]).splitlines() if line.strip()]

    def lb(self, app="app1", column="status"):
        """HAProxy's servers of the application: name -> a column of `show stat`, such as its state in words."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.env["HAPROXY_SOCKET"])
            connection.sendall(b"show stat\n")
            text = b""
            while chunk := connection.recv(65536):
                text += chunk
        rows = [line.split(",") for line in text.decode().splitlines() if line]
        at = rows[0].index(column)
        return {row[1]: row[at] for row in rows[1:] if row[0] == app and row[1] not in ("BACKEND", "FRONTEND")}


class Writer(threading.Thread):
    """POSTs numbered records until told to stop; remembers which were acknowledged."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url, self.acknowledged, self.at_ms, self.ended = url, [], {}, threading.Event()

    def run(self):
        number = 0
        while not self.ended.is_set() and number < 100000:
            text = f"record-{number}"
            number += 1
            try:
                http(self.url + "/cgi-bin/record", data=text.encode(), timeout=5)
                self.acknowledged.append(text)
                self.at_ms[text] = time.time() * 1000
            except OSError:
                self.ended.wait(0.05)
            self.ended.wait(0.01)

    def stop(self):
        self.ended.set()
        self.join(timeout=30)


class HealthWatch(threading.Thread):
    """Notes, many times a second, whether the load balancer has a healthy server."""

    def __init__(self, test, app="app1"):
        super().__init__(daemon=True)
        self.test, self.app, self.samples, self.ended = test, app, [], threading.Event()

    def run(self):
        while not self.ended.is_set():
            up = any(status.startswith("UP") for status in self.test.lb(self.app).values())
            self.samples.append((time.time() * 1000, up))
            self.ended.wait(0.03)

    def stop(self):
        self.ended.set()
        self.join(timeout=10)

    def without(self):
        """The times, in ms, at which no server was healthy."""
        return [at for at, up in self.samples if not up]


def kill_hard(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()
