#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An example for the plugin backup_command (see README.md): a product that keeps tar files.

    example.py VAULT CALL < REQUEST

VAULT is a folder. A backup HOST@TIME.tar has HOST@TIME.json beside it, with its facts and the SHA-256 of the tar file,
written last: without it there is no backup. What takes long runs as `example.py VAULT work-... ARGUMENTS` in a session
of its own and leaves its end in VAULT/work/NAME.json; while it runs it holds a lock on VAULT/work/NAME.lock.
"""
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time

NOT_FOUND, CONFLICT, DENIED, UNAVAILABLE, INVALID = 10, 11, 12, 13, 14


def fail(code, message):
    print(message, file=sys.stderr)
    sys.exit(code)


class Vault:
    def __init__(self, folder):
        if not os.path.isdir(folder):
            fail(UNAVAILABLE, f"the vault {folder} is not mounted")
        self.folder, self.work = folder, os.path.join(folder, "work")
        os.makedirs(self.work, exist_ok=True)

    def backups(self):
        """The facts of all backups, newest first."""
        found = []
        for name in os.listdir(self.folder):
            if name.endswith(".json"):
                with open(os.path.join(self.folder, name), encoding="utf-8") as file:
                    found.append(json.load(file))
        return sorted(found, key=lambda backup: -backup["time_ms"])

    def tar(self, backup_id):
        if not re.fullmatch(r"[\w.-]+@\d+", backup_id):
            fail(INVALID, f"{backup_id} cannot be the id of a backup")
        return os.path.join(self.folder, backup_id + ".tar")

    # --- work that takes long ---

    def path(self, name, suffix):
        return os.path.join(self.work, name + suffix)

    def running(self, name):
        """The lock tells, not a process id: it goes with the process, whatever ends it."""
        try:
            with open(self.path(name, ".lock"), "r+", encoding="utf-8") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def ended(self, name):
        """What the work left, or None."""
        try:
            with open(self.path(name, ".json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None

    def forget(self, name):
        shutil.rmtree(self.path(name, ".restored"), ignore_errors=True)
        for suffix in (".json", ".lock"):
            if os.path.exists(self.path(name, suffix)):
                os.remove(self.path(name, suffix))

    def start(self, name, *words):
        with open(self.path(name, ".lock"), "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            child = subprocess.Popen([sys.executable, os.path.abspath(__file__), self.folder, *words, name],
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     start_new_session=True, pass_fds=[lock.fileno()])
            lock.write(str(child.pid))

    def finish(self, name, outcome):
        with open(self.path(name, ".part"), "w", encoding="utf-8") as file:
            json.dump(outcome, file)
        os.rename(self.path(name, ".part"), self.path(name, ".json"))


# --- the calls ---

def matches(backup, scope):
    return (scope["host"] in ("", backup["host"]) and set(scope["tags"]) <= set(backup["tags"])
            and set(scope["paths"]) <= set(backup["paths"]))


def find_newest(vault, request):
    for backup in vault.backups():
        if matches(backup, request["scope"]):
            return {"found": True, "backup": backup, "age_ms": int(time.time() * 1000) - backup["time_ms"]}
    return {"found": False}


def examine(vault, request, depth):
    vault.tar(request["backup"])
    name = f"{key_of(request)}-{depth}-{request['backup']}"  # a verdict is of one backup
    if vault.running(name):
        return {"state": "running"}
    outcome = vault.ended(name)
    if outcome:
        vault.forget(name)
        return outcome
    if depth not in ("structure", "list", "checksum", "restore"):
        fail(INVALID, f"depth {depth} is unknown")
    vault.start(name, "work-examine", request["backup"], depth)
    return {"state": "running"}


def read_run(vault, request):
    key = key_of(request)
    if vault.running(key + "-backup"):
        return {"state": "running"}
    for backup in vault.backups():
        if "vmferry-" + key in backup["tags"]:
            return {"state": "done", "backup": backup}
    if not os.path.exists(vault.path(key + "-backup", ".lock")):
        return {"state": "not started"}
    return vault.ended(key + "-backup") or {"state": "failed", "said": "it was killed"}


def begin_run(vault, request):
    run = read_run(vault, request)
    if run["state"] in ("running", "done"):
        return run
    scope, key = request["scope"], key_of(request)
    if not scope["paths"] or not scope["host"]:
        fail(INVALID, "a host and paths are needed")
    for path in scope["paths"]:
        if not os.path.exists(path):
            fail(NOT_FOUND, f"{path} does not exist")
    vault.forget(key + "-backup")
    vault.start(key + "-backup", "work-backup", json.dumps({**scope, "tags": [*scope["tags"], "vmferry-" + key]}))
    return {"state": "running"}


def ensure_stopped(vault, request):
    names = {name.rsplit(".", 1)[0] for name in os.listdir(vault.work) if name.startswith(key_of(request) + "-")}
    for name in names:
        if vault.running(name):
            with open(vault.path(name, ".lock"), encoding="utf-8") as lock:
                os.killpg(int(lock.read()), signal.SIGKILL)
            while vault.running(name):
                time.sleep(0.01)
        vault.forget(name)
    return {}


def key_of(request):
    if not re.fullmatch("[0-9a-f]{12}", request["key"]):
        fail(INVALID, "the key is not 12 hexadecimal digits")
    return request["key"]


# --- the work ---

def work_backup(vault, scope, name):
    scope, began = json.loads(scope), int(time.time() * 1000)
    backup_id = f"{scope['host']}@{began}"
    tar = vault.tar(backup_id)
    try:
        with tarfile.open(tar + ".part", "w") as file:
            for path in scope["paths"]:
                file.add(path)
            size = sum(member.size for member in file.getmembers())
        os.rename(tar + ".part", tar)
        facts = {"id": backup_id, "time_ms": began, "size_bytes": size, **scope, "sha256": digest(tar)}
        with open(tar + ".part", "w", encoding="utf-8") as file:
            json.dump(facts, file)
        os.rename(tar + ".part", tar[:-len(".tar")] + ".json")
    except (OSError, tarfile.TarError) as error:
        vault.finish(name, {"state": "failed", "said": str(error)})


def digest(path):
    total = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            total.update(piece)
    return total.hexdigest()


def work_examine(vault, backup_id, depth, name):
    try:
        said = examined(vault, backup_id, depth, vault.path(name, ".restored"))
        outcome = {"state": "passed", "said": said}
    except (OSError, tarfile.TarError, ValueError) as error:
        outcome = {"state": "failed", "said": str(error)}
    shutil.rmtree(vault.path(name, ".restored"), ignore_errors=True)
    vault.finish(name, outcome)


def examined(vault, backup_id, depth, place):
    """What is found; raises when something is wrong."""
    if depth == "structure":
        for backup in vault.backups():
            os.stat(vault.tar(backup["id"]))
        return f"{len(vault.backups())} backups, each with its tar file"
    facts = [backup for backup in vault.backups() if backup["id"] == backup_id]
    if not facts:
        raise ValueError(f"there is no backup {backup_id}")
    if depth in ("checksum", "restore") and digest(vault.tar(backup_id)) != facts[0]["sha256"]:
        raise ValueError("the tar file has another SHA-256 than when it was written")
    with tarfile.open(vault.tar(backup_id)) as file:
        names = file.getnames()
        if not names:
            raise ValueError("it is empty")
        if depth == "restore":
            os.makedirs(place)
            file.extractall(place)
    return f"{len(names)} files and folders"


CALLS = {"find-newest": find_newest, "read-run": read_run, "begin-run": begin_run, "ensure-stopped": ensure_stopped,
         "check": lambda vault, request: examine(vault, request, request["depth"]),
         "test-restore": lambda vault, request: examine(vault, request, "restore")}
WORK = {"work-backup": work_backup, "work-examine": work_examine}


def main():
    if len(sys.argv) < 3:
        fail(INVALID, "usage: example.py VAULT CALL < REQUEST")
    vault, word = Vault(sys.argv[1]), sys.argv[2]
    if word in WORK:
        return WORK[word](vault, *sys.argv[3:])
    if word not in CALLS:
        fail(INVALID, f"{word} is no call")
    print(json.dumps(CALLS[word](vault, json.load(sys.stdin))))


if __name__ == "__main__":
    main()
