"""A JSON-RPC server between a client and a node, that misbehaves as a test wants it to.

    proxy = FaultProxy(anvil.url)
    proxy.mode = "silent"                     # all requests; see MODES
    proxy.after["eth_getProof"] = lambda params, result: lie(result)
    proxy.before["eth_sendRawTransaction"] = lambda params: tracker.kill()

`before` is called with the parameters; what it returns is the result, without asking the node, unless
it is None; it may raise Refuse (an error answer) or Hang (no answer at all). `after` is called with
parameters and the node's result and returns the result to give. `then` is called when the answer has
left. With `replacement_rule` a pending transaction is replaced only when both fees rise by 10 %, as
geth has it; Anvil does not.
"""
import collections
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anvil

# close: the connection ends without an answer; silent: nothing comes; error: HTTP 500; busy: HTTP
# 429; garbage: bytes that are no JSON; cut: half an answer; empty: a body of no bytes; huge: more
# bytes than anybody wants; other_id: answers to other requests; slow: a second late.
MODES = ("", "close", "silent", "error", "busy", "garbage", "cut", "empty", "huge", "other_id",
         "slow")
HUGE = 12 << 20
SILENT_LIMIT_S = 60


class Refuse(Exception):
    """Answer with a JSON-RPC error."""

    def __init__(self, message, code=-32000, data=None):
        super().__init__(message)
        self.error = {"code": code, "message": message, **({"data": data} if data else {})}


class Hang(Exception):
    """Do not answer."""


def rlp_items(raw):
    """The byte strings of a list that has only those and empty lists in it."""
    def length(at, short, long):
        first = raw[at]
        if first <= long:
            return at + 1, first - short
        size = first - long
        return at + 1 + size, int.from_bytes(raw[at + 1:at + 1 + size], "big")

    at, size = length(0, 0xc0, 0xf7)
    items, end = [], at + size
    while at < end:
        if raw[at] < 0x80:
            begin, size = at, 1
        elif raw[at] < 0xc0:
            begin, size = length(at, 0x80, 0xb7)
        else:
            begin, size = length(at, 0xc0, 0xf7)
        items.append(raw[begin:begin + size])
        at = begin + size
    return items


def transaction_fields(raw_hex):
    """(nonce, tip, fee, data) of an EIP-1559 transaction."""
    raw = bytes.fromhex(raw_hex[2:])
    if raw[0] != 2:
        raise Refuse("transaction type not supported")
    items = rlp_items(raw[1:])
    return (*(int.from_bytes(items[i], "big") for i in (1, 2, 3)), items[7])


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that is gone, or was killed, is no accident."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class FaultProxy:
    """`gate`: a lock that is taken for each transaction that is passed on."""

    def __init__(self, upstream, gate=None):
        self.upstream, self.mode = upstream, ""
        self.gate = gate or threading.Lock()
        self.before, self.after, self.then = {}, {}, {}
        self.replacement_rule = False
        self.seen = collections.Counter()   # methods
        self.sent = []                      # (nonce, tip, fee, data) of transactions, in order
        self.refused_replacements = 0
        self.last_of_nonce = {}
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def clear(self):
        """An honest server again."""
        self.mode, self.before, self.after, self.then = "", {}, {}, {}

    # ---- one call ----

    def _is_pending(self, hash_):
        found = anvil.call(self.upstream, "eth_getTransactionByHash", hash_)
        return bool(found) and found.get("blockNumber") is None

    def _send(self, params):
        nonce, tip, fee, data = transaction_fields(params[0])
        with self.lock:
            self.sent.append((nonce, tip, fee, data))
            last = self.last_of_nonce.get(nonce)
            if self.replacement_rule and last and last[3] != params[0] and \
                    self._is_pending(last[2]) and \
                    (tip * 100 < last[0] * 110 or fee * 100 < last[1] * 110):
                self.refused_replacements += 1
                raise Refuse("replacement transaction underpriced")
            with self.gate:
                hash_ = anvil.call(self.upstream, "eth_sendRawTransaction", *params)
            self.last_of_nonce[nonce] = (tip, fee, hash_, params[0])
            return hash_

    def _result(self, method, params):
        self.seen[method] += 1
        result = self.before[method](params) if method in self.before else None
        if result is None:
            result = self._send(params) if method == "eth_sendRawTransaction" else \
                anvil.call(self.upstream, method, *params)
        return self.after[method](params, result) if method in self.after else result

    def _answer(self, request):
        answer = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            answer["result"] = self._result(request["method"], request.get("params", []))
        except Refuse as refusal:
            answer["error"] = refusal.error
        except anvil.RpcError as error:
            answer["error"] = {"code": error.code, "message": str(error), "data": error.data}
        if self.mode == "other_id":
            answer["id"] = 123456789
        return answer

    def _body(self, request):
        answers = [self._answer(one) for one in request] if isinstance(request, list) else \
            self._answer(request)
        return json.dumps(answers).encode()

    def _handler(proxy):    # noqa: N805 - the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    proxy._reply(self, data)
                except (Hang, OSError):
                    self.close_connection = True

            def log_message(self, *_):
                pass

        return Handler

    def _reply(self, handler, data):
        status, body, mode, request = 200, b"", self.mode, json.loads(data)
        if mode == "silent":
            self.closing.wait(SILENT_LIMIT_S)
        if mode in ("silent", "close"):
            raise Hang
        if mode == "slow":
            time.sleep(1)
        if mode in ("", "slow", "cut", "other_id"):
            body = self._body(request)
        elif mode in ("error", "busy"):
            status = 500 if mode == "error" else 429
        elif mode == "garbage":
            body = b"<html>" + bytes(range(256)) * 3
        elif mode == "huge":
            body = b'{"jsonrpc":"2.0","id":1,"result":"0x' + b"0" * HUGE
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[:len(body) // 2] if mode == "cut" else body)
        handler.wfile.flush()
        if mode == "cut":
            raise Hang
        for one in request if isinstance(request, list) else [request]:
            self.then.get(one["method"], lambda: None)()
