#!/usr/bin/env python3
# build: release
# timeout: 120
"""`./run --chain`: one command gives a tracker on a chain of its own, the next run goes on with the
same contract and users, and nothing is left running, however it ends. And the example configuration
for public networks is one."""
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402

START_S, STOP_S, BATCH_S = 60, 30, 40
EXAMPLE = t.ROOT / "deploy/pbts-tracker-ethereum.conf"


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Run:
    """./run --chain with the programs under test."""

    def __init__(self, data):
        self.data, self.log = data, t.TMP / f"run-{time.monotonic_ns()}.log"
        self.process = t.start([t.ROOT / "run", "--chain", "--port", "0", "--listen", "127.0.0.1",
                                "--data", data], self.log,
                               env={**os.environ, "PBTS_BIN": str(t.BIN)})
        t.wait_until(lambda: self.seen(r"listening\b.*?http=(\d+)") or
                     self.process.poll() is not None, START_S)
        if self.process.poll() is not None:
            raise RuntimeError(f"./run --chain ended:\n{self.text()}")
        self.url = f"http://127.0.0.1:{self.seen(r'listening.*?http=([0-9]+)')}"
        self.chain = self.seen(r"^chain +(http://127\.0\.0\.1:\d+)")
        self.contract = self.seen(r"^contract +(0x[0-9a-f]{40})")
        self.children = self.pids()

    def text(self):
        return self.log.read_text(errors="replace")

    def seen(self, pattern):
        found = re.search(pattern, self.text(), re.M)
        return found[1] if found else None

    def pids(self):
        """{name: id} of what the script started."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return {Path(f"/proc/{child}/comm").read_text().strip(): int(child) for child in listed}

    def status(self):
        return t.http(self.url + "/contract/status").json()

    def confirmed(self, sequence):
        return t.wait_until(lambda: self.status()["confirmed_sequence"] >= sequence and
                            self.status()["lag"] == 0, BATCH_S, 0.2)

    def proved_users(self):
        return json.loads(t.pbts("ledger", "status", "--rpc", self.chain, "--contract",
                                 self.contract, "--json").stdout)["users"]

    def gone(self):
        return t.wait_until(lambda: not any(is_alive(pid) for pid in self.children.values()), STOP_S)

    def end(self, number):
        self.process.send_signal(number)
        return self.process.wait(STOP_S)


def register(run, uid):
    key = t.TMP / f"{uid}.key"
    t.pbts("key", "new", "--out", key)
    t.pbts("register", "--tracker", run.url, "--key", key, "--uid", uid)


def first(data):
    run = Run(data)
    t.check("one command starts chain and tracker", run.chain is not None and
            set(run.children) == {"anvil", "pbts-tracker"}, run.text())
    t.check("it says what to do next", f"ledger status --rpc {run.chain} --contract {run.contract}" in
            run.text(), run.text())
    register(run, "alice")
    t.check("a user comes into the contract", run.confirmed(1), run.status())
    t.check("where it is proved", run.proved_users() == 1)
    second = subprocess.run([t.ROOT / "run", "--chain", "--data", data], capture_output=True, text=True,
                            env={**os.environ, "PBTS_BIN": str(t.BIN)}, timeout=30, check=False)
    t.check("a second run on the same data is refused", second.returncode == 1 and
            "in use" in second.stderr, second)
    t.check("and disturbs nothing", run.status()["problem"] == "", run.status())
    t.check("the tracker ends as it should", run.end(signal.SIGTERM) == 0, run.text())
    t.check("and the chain with it", run.gone())
    return run.contract


def again(data, contract):
    run = Run(data)
    t.check("the next run goes on with the same contract", run.contract == contract, run.text())
    t.check("which still has its user", run.proved_users() == 1)
    register(run, "bob")
    t.check("and takes another", run.confirmed(2) and run.proved_users() == 2, run.status())
    run.process.kill()
    run.process.wait()
    t.check("kill -9 of the script leaves nothing behind", run.gone(), run.children)
    for pid in filter(is_alive, run.children.values()):
        os.kill(pid, signal.SIGKILL)


def lost(data):
    (data / "chain/state.json").unlink()
    done = subprocess.run([t.ROOT / "run", "--chain", "--data", data], capture_output=True, text=True,
                          env={**os.environ, "PBTS_BIN": str(t.BIN)}, timeout=START_S, check=False)
    t.check("a chain that lost the contract is noticed", done.returncode == 1 and
            "lost the contract" in done.stderr, done)


def check_config(path):
    return subprocess.run([t.BIN / "pbts-tracker", "--config", path, "--check-config"],
                          capture_output=True, text=True, timeout=20, check=False)


def example():
    text = EXAMPLE.read_text()
    done = check_config(EXAMPLE)
    t.check("the example for a public network is good", done.returncode == 0, done)
    before, mark, rest = text.partition("# ---- Mainnet")
    mainnet = re.sub(r"(?m)^# ((?:chain|referrer)_)", r"\1", mark + rest)
    keys = re.findall(r"(?m)^(chain_\w+) =", before)
    t.check("mainnet has a value for each key of the test network",
            keys == re.findall(r"(?m)^(chain_\w+) =", mainnet) and len(keys) > 8, keys)
    other = t.TMP / "mainnet.conf"
    other.write_text(re.sub(r"(?m)^(chain_\w+ =)", r"# \1", before) + mainnet)
    done = check_config(other)
    t.check("so is what it says for mainnet", done.returncode == 0, done)
    other.write_text(text.replace("chain_depth = 64", "chain_depth = many", 1))
    done = check_config(other)
    t.check("a bad value in it would be noticed", done.returncode != 0 and
            "chain_depth" in done.stderr, done)


def main():
    example()
    data = t.TMP / "data"
    again(data, first(data))
    lost(data)
    t.finish()


if __name__ == "__main__":
    main()
