#!/usr/bin/env python3
"""A tracker on a chain of its own: ./run --chain. usage: run_chain.py BIN DATA [flags of pbts-tracker]

Starts Anvil (tools/fetch_contract_tools.sh) on a free port of 127.0.0.1, deploys a contract for
DATA/tracker.key, runs pbts-tracker on it, and ends Anvil, by its id, when the tracker has ended.
DATA/chain keeps the chain's state and which contract it is, so that the next run goes on with both.
Anvil makes a block for each transaction; this script makes one more behind it, which confirms it. So
the chain does not grow while nothing happens, and its newest block may be old."""
import ctypes
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ANVIL = ROOT / "contracts/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"
START_S, STOP_S, DEPLOY_S, LOOK_S = 30, 20, 60, 0.5
CHAIN_ID = 31337
ETHER = 10**18
RICH = 1000 * ETHER     # what the writer's address has at each start: batches cost far less
FLAGS = ["--chain-id", CHAIN_ID, "--chain-depth", 1, "--chain-age-max-s", 0, "--chain-interval-s", 5,
         "--chain-poll-ms", 500]
PR_SET_PDEATHSIG = 1


def fail(text):
    raise SystemExit(f"run: {text}")


def end_with_parent():
    """In a child: SIGTERM when this script is killed, so that nothing is left behind."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def lock(folder):
    """One run at a time; the lock ends with this process."""
    file = open(folder / "lock", "w", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        fail(f"{folder.parent} is in use by another ./run --chain")
    return file


class Chain:
    """An Anvil whose state is a file; leaving the context ends it."""

    def __init__(self, folder):
        self.log = folder / "anvil.log"
        command = [ANVIL, "--host", "127.0.0.1", "--port", "0", "--chain-id", str(CHAIN_ID),
                   "--state", folder / "state.json", "--state-interval", "1"]
        # Of a session of its own: Ctrl-C is for the tracker, which still writes when it stops.
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                            env={**os.environ, "HOME": str(folder)},
                                            start_new_session=True, preexec_fn=end_with_parent)

    def __enter__(self):
        try:
            self.url = self.address()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def address(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            if found := re.search(r"Listening on (127\.0\.0\.1:\d+)", self.log.read_text()):
                return f"http://{found[1]}"
            time.sleep(0.05)
        fail(f"Anvil did not start; see {self.log}")

    def call(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=START_S) as reply:
            answer = json.load(reply)
        if "error" in answer:
            fail(f"{method}: {answer['error'].get('message')}")
        return answer["result"]

    def fund(self, address):
        if int(self.call("eth_getBalance", address, "latest"), 16) < RICH // 2:
            self.call("anvil_setBalance", address, hex(RICH))
        # What is set by hand, or was read from the file, is in the state of later blocks alone.
        self.call("evm_mine")
        self.call("evm_mine")

    def confirm(self):
        """Until Anvil ends: an empty block behind each one that has transactions."""
        try:
            while self.process.poll() is None:
                if int(self.call("eth_getBlockTransactionCountByNumber", "latest"), 16) > 0:
                    self.call("evm_mine")
                time.sleep(LOOK_S)
        except OSError:
            pass    # it has ended


def output_of(command, timeout_s):
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=timeout_s, check=False)
    if done.returncode != 0:
        fail(f"{Path(command[0]).name} {command[1]} {command[2]} ended with {done.returncode}")
    return done.stdout


def need_key(programs, chain, data):
    """The tracker makes its key at its first start, and stops there: it has no contract yet."""
    key = data / "tracker.key"
    if not key.exists():
        done = subprocess.run([programs / "pbts-tracker", "--data", data, "--ledger", "ethereum",
                               "--chain-rpc", chain.url],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                              timeout=START_S, check=False)
        if not key.exists():
            fail(f"pbts-tracker made no key:\n{done.stderr}")
    return key


def deploy(programs, chain, key):
    return json.loads(output_of([programs / "pbts", "ledger", "deploy", "--rpc", chain.url, "--key",
                                 key, "--json"], DEPLOY_S))


def need_contract(programs, chain, data):
    """(address, block) of the contract, made now if need be."""
    note = data / "chain/contract.json"
    key = need_key(programs, chain, data)
    chain.fund(output_of([programs / "pbts", "ledger", "address", "--key", key],
                         START_S).decode().strip())
    if not note.exists():
        made = deploy(programs, chain, key)
        partial = note.with_suffix(".new")
        partial.write_text(json.dumps({name: made[name] for name in ("contract", "created_block")}))
        partial.rename(note)
    known = json.loads(note.read_text())
    if chain.call("eth_getCode", known["contract"], "latest") == "0x":
        fail(f"the chain in {note.parent} has lost the contract; begin again without {data}")
    return known["contract"], known["created_block"]


def say(programs, chain, data, contract):
    print(f"chain      {chain.url}, Anvil, chain id {CHAIN_ID}; its state is in {data}/chain")
    print(f"contract   {contract}")
    print("next, in another terminal:")
    print(f"  {programs}/pbts ledger status --rpc {chain.url} --contract {contract}")
    print(f"  {programs}/pbts --help    (first: pbts key new --out my.key)", flush=True)


def run_tracker(programs, chain, data, contract, flags):
    address, first_block = contract
    command = [programs / "pbts-tracker", "--data", data, "--ledger", "ethereum", "--chain-rpc",
               chain.url, "--chain-contract", address, "--chain-first-block", first_block, *FLAGS,
               *flags]
    tracker = subprocess.Popen([str(word) for word in command], preexec_fn=end_with_parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # A terminal's Ctrl-C reaches the tracker by itself; twice would end it at once.
        of_terminal = number == signal.SIGINT and os.isatty(0)
        signal.signal(number, lambda n, _, skip=of_terminal: skip or tracker.send_signal(n))
    code = tracker.wait()
    if chain.process.poll() is not None:
        print(f"run: Anvil had ended before the tracker; see {chain.log}", file=sys.stderr)
    return code if code >= 0 else 128 - code


def main():
    if len(sys.argv) < 3 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.splitlines()[0])
    programs, data = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data / "chain").mkdir(mode=0o700, exist_ok=True)
    held = lock(data / "chain")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with Chain(data / "chain") as chain:
        contract = need_contract(programs, chain, data)
        say(programs, chain, data, contract[0])
        threading.Thread(target=chain.confirm, daemon=True).start()
        code = run_tracker(programs, chain, data, contract, sys.argv[3:])
    held.close()
    return code


if __name__ == "__main__":
    sys.exit(main())
