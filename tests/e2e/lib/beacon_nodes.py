"""Beacon nodes and a JSON-RPC server that answer from the recorded mainnet chain, and such that lie.

    chain = Chain()                         # chain.missing says why not, when there is no data
    honest = Node(chain)                    # .url; .asked counts requests by their kind
    liar = Node(chain, lie=flip("bootstrap", "header.beacon.state_root"))

A node serves both interfaces. `lie(kind, message)` may change what is about to be sent: a message
(JSON, as the interface has it; changed in place or replaced), or give bytes instead. Kinds are
bootstrap, updates, finality_update, optimistic_update, proof."""
import copy
import json
import os
import socket
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

DATA = Path(os.environ.get("PBTS_TEST_DATA") or Path(__file__).resolve().parents[4] / "shared/data")
GENESIS_S, SLOT_S = 1606824023, 12
SSZ, JSON = "application/octet-stream", "application/json"


class Chain:
    """What was recorded, as nodes say it."""

    def __init__(self, folder="eth/mainnet-jewel/eth_getStorageAt_electra"):
        self.folder = DATA / folder
        self.missing = None if self.folder.is_dir() else f"no {self.folder}"
        if self.missing:
            return
        self.expected = self.read("expected")
        update = self.read("update")
        data = update[0]["data"]
        finality = {name: data[name] for name in ("attested_header", "finalized_header",
                                                  "finality_branch", "sync_aggregate",
                                                  "signature_slot")}
        old = {name: data[name] for name in ("attested_header", "sync_aggregate",
                                             "signature_slot")}
        self.messages = {"bootstrap": self.read("bootstrap"), "updates": update,
                         "finality_update": {"version": "deneb", "data": finality},
                         "optimistic_update": self.read("optimistic_update"),
                         "proof": self.read("eth_getProof")}
        self.old_head = {"version": "deneb", "data": old}
        self.root = self.expected["trusted_block_root"]
        self.time_s = GENESIS_S + SLOT_S * self.expected["optimistic"]["signature_slot"]

    def read(self, name):
        return json.loads((self.folder / f"{name}.json").read_text())

    def ssz(self, kind):
        """None: it was not recorded in this form."""
        path = self.folder / f"{kind.rstrip('s') if kind == 'updates' else kind}.ssz"
        if not path.exists():
            return None
        data = path.read_bytes()
        return (len(data) + 4).to_bytes(8, "little") + bytes(4) + data if kind == "updates" else data


# ---- lies ----

def _follow(message, path):
    """Where a path ends: what holds the last name, and that name."""
    *inner, last = [int(name) if name.isdigit() else name for name in path.split(".")]
    for name in inner:
        message = message[name]
    return message, last


def damage(text):
    """One digit of a hexadecimal or decimal text is another."""
    place = len(text) // 2 if text.startswith("0x") else len(text) - 1
    return text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1:]


def flip(kind, path):
    def lie(asked, message):
        if asked == kind:
            inside = message[0] if kind == "updates" else message
            holder, last = _follow(inside["result" if kind == "proof" else "data"], path)
            holder[last] = damage(holder[last])
        return message
    return lie


def flip_heads(path):
    """In both messages about what is newest."""
    optimistic, finality = flip("optimistic_update", path), flip("finality_update", path)
    return lambda asked, message: finality(asked, optimistic(asked, message))


def instead(kinds, what):
    """These kinds are answered with `what`: bytes, a message, or another chain's."""
    def lie(asked, message):
        if asked not in kinds:
            return message
        return copy.deepcopy(what.messages[asked]) if isinstance(what, Chain) else what
    return lie


ENDLESS, SLOW, HANG_UP, ERROR, REDIRECT = object(), object(), object(), object(), object()


# ---- nodes ----

class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def log_message(self, format, *args):  # noqa: A002 (the name is the base class's)
        pass

    def reply(self, status, kind, body, headers=()):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def misbehave(self, how):
        if how is ERROR:
            self.reply(503, JSON, b'{"code":503,"message":"syncing"}')
        elif how is REDIRECT:
            self.reply(302, JSON, b"", [("Location", self.server.node.elsewhere)])
        elif how is HANG_UP:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.send_response(200)
            self.send_header("Content-Type", JSON)
            self.end_headers()
            self.close_connection = True
            end = time.monotonic() + 30
            while time.monotonic() < end:
                self.wfile.write(b" " * (65536 if how is ENDLESS else 1))
                if how is SLOW:
                    time.sleep(0.5)

    def answer(self, kind, request_id=None):
        node = self.server.node
        with node.lock:
            node.asked[kind] += 1
        message = copy.deepcopy(node.chain.messages[kind])
        if node.lie:
            message = node.lie(kind, message)
        try:
            if isinstance(message, bytes):
                self.reply(200, JSON, message)
            elif not isinstance(message, (dict, list)):
                self.misbehave(message)
            elif kind == "proof":
                self.reply(200, JSON, json.dumps({**message, "id": request_id}).encode())
            elif node.as_ssz and message == node.chain.messages[kind] and node.chain.ssz(kind):
                self.reply(200, SSZ, node.chain.ssz(kind))
            else:
                self.reply(200, JSON, json.dumps(message).encode())
        except OSError:
            self.close_connection = True    # it was enough for whoever asked

    def do_GET(self):
        for kind in self.server.node.chain.messages:
            if f"/light_client/{kind}" in self.path:
                self.answer(kind)
                return
        self.reply(404, JSON, b"{}")

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if isinstance(request, dict) and request["method"] == "eth_getProof":
            self.answer("proof", request["id"])
        elif isinstance(request, dict) and request["method"] == "eth_chainId":
            self.reply(200, JSON, json.dumps({"jsonrpc": "2.0", "id": request["id"],
                                              "result": "0x1"}).encode())
        else:
            self.reply(404, JSON, b"{}")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass            # whoever asked has hung up


class Node:
    def __init__(self, chain, lie=None, as_ssz=False, elsewhere=""):
        self.chain, self.lie, self.as_ssz, self.elsewhere = chain, lie, as_ssz, elsewhere
        self.asked, self.lock = Counter(), threading.Lock()
        server = _Server(("127.0.0.1", 0), _Handler)
        server.node = self
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()


def dead_url():
    """Of a port at which nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{unused.getsockname()[1]}"
