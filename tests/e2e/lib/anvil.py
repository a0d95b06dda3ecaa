"""Anvil, a development chain: one process on a port that the system chooses.

Several that are started with the same options, and mine the same transactions at the same times,
have the same blocks: endpoints of one chain.
"""
import http.client
import json
import os
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pbts_test as t

PROGRAM = Path(os.environ.get("PBTS_ANVIL") or t.ROOT / "contracts/node_modules/@foundry-rs" /
               "anvil-linux-amd64/bin/anvil")
FETCH_LIMIT_S, CALL_LIMIT_S = 60, 20
CHAIN_ID = 31337
GENESIS_TIME = 1_700_000_000    # far from now: nothing may rest on the chain's time


class RpcError(Exception):
    """What a server answers instead of a result."""

    def __init__(self, error):
        super().__init__(error.get("message", ""))
        self.code, self.data = error.get("code"), error.get("data")


def fetch():
    """The npm packages, installed now if need be; without them the tests did not run."""
    if not PROGRAM.exists():
        subprocess.run([t.ROOT / "tools/fetch_contract_tools.sh"], timeout=FETCH_LIMIT_S,
                       check=False)
    return t.check("the pinned development chain can be had", PROGRAM.exists(), PROGRAM)


def post(url, body, timeout=CALL_LIMIT_S):
    """(HTTP status, answer) of one request with JSON bytes."""
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname, at.port, timeout=timeout)
    try:
        connection.request("POST", at.path or "/", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def call(url, method, *params):
    """One JSON-RPC call; raises RpcError for what the server refuses."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = json.loads(post(url, body)[1])
    if "error" in answer:
        raise RpcError(answer["error"])
    return answer.get("result")


class Anvil:
    """`options` go to the program. `mines`: a block for each transaction, at once; else only when
    mine() is called."""

    def __init__(self, *options, mines=True, chain_id=CHAIN_ID, name="anvil"):
        self.log = t.TMP / f"{name}-{os.urandom(4).hex()}.log"
        self.command = [str(PROGRAM), "--host", "127.0.0.1", "--port", "0", "--hardfork", "osaka",
                        "--chain-id", str(chain_id), "--timestamp", str(GENESIS_TIME),
                        *([] if mines else ["--no-mining"]), *map(str, options)]
        self.process, self.port = None, 0

    def start(self):
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.process = t.start(self.command, self.log, env={**os.environ, "HOME": str(t.TMP)})

        def listening():
            text = self.log.read_bytes()[offset:].decode(errors="replace")
            found = re.search(r"Listening on 127\.0\.0\.1:(\d+)", text)
            if found:
                self.port = int(found[1])
            return found or self.process.poll() is not None

        if not t.wait_until(listening, 60, 0.02) or self.process.poll() is not None:
            raise RuntimeError(f"anvil did not start:\n{self.log.read_text()[-2000:]}")
        self.command[self.command.index("--port") + 1] = str(self.port)
        return self

    def stop(self):
        """At once; its chain is gone."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def rpc(self, method, *params):
        return call(self.url, method, *params)

    def number(self):
        return int(self.rpc("eth_blockNumber"), 16)

    def mine(self, count=1):
        self.rpc("anvil_mine", hex(count))

    def reorg(self, depth):
        """Other blocks in place of the newest `depth`; their transactions are gone."""
        self.rpc("anvil_reorg", depth, [])

    def set_balance(self, address, wei):
        self.rpc("anvil_setBalance", address, hex(wei))

    def transact(self, sender, to, data):
        """As any sender, without its key; the receipt. The chain must mine by itself, or another
        thread make it."""
        self.rpc("anvil_impersonateAccount", sender)
        call_ = {"from": sender, "data": data, "gas": hex(1 << 24)}
        made = self.rpc("eth_sendTransaction", {**call_, **({"to": to} if to else {})})
        receipts = []
        t.wait_until(lambda: receipts.append(self.rpc("eth_getTransactionReceipt", made)) or
                     receipts[-1], 10, 0.02)
        receipt = receipts[-1]
        if not receipt or receipt["status"] != "0x1":
            raise RuntimeError(f"transaction of {sender}: {receipt}")
        return receipt


class Miner:
    """Makes a block of one chain again and again, until the end or a pause."""

    def __init__(self, chain, every_s=0.1):
        self.chain, self.every_s = chain, every_s
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        while not self.ending.wait(self.every_s):
            with self.lock:
                try:
                    self.chain.mine()
                except (OSError, http.client.HTTPException, RpcError):
                    pass    # it is being restarted, or at its end

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()

    def paused(self):
        """with miner.paused(): no block is made."""
        return self.lock
