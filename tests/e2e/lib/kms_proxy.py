"""What stands between a tracker and a node of the key service, with the node's own TLS key, and does
something to what passes.

    proxy = NodeProxy(node)
    proxy.change = other_guest            # a request's fields; see below
    proxy.late_s = 1                      # its answers
    proxy.waits_for = other.replied       # and not before the other one's request was answered
    proxy.mode = "silent"                 # or "close": no answer at all

`change` is called with the fields of a request (docs/kms.md) and changes them.
"""
import hashlib
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from commands import bdecode, bencode

SILENT_LIMIT_S = 60
QUOTE_SIGNED = 632      # of a quote of version 4: header, report
VENDOR = slice(12, 28)
MRTD = slice(184, 232)
SIGNATURE = slice(636, 700)


# ---- a simulated guest's evidence, whose keys everybody knows (src/attest/simulator.c) ----

P = 2 ** 256 - 2 ** 224 + 2 ** 192 + 2 ** 96 - 1
ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
BASE = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
        0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)
SENTENCE = b"the simulated TEE's attestation key, which everybody knows"


def _add(one, two):
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return None
        slope = 3 * (one[0] ** 2 - 1) * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def _times(scalar):
    point, step = None, BASE
    while scalar:
        if scalar & 1:
            point = _add(point, step)
        step, scalar = _add(step, step), scalar >> 1
    return point


def sign_p256(secret, message):
    """ECDSA with SHA-256, 64 bytes; its k is a hash of key and message."""
    number = int.from_bytes(hashlib.sha256(message).digest(), "big")
    k = int.from_bytes(hashlib.sha512(secret.to_bytes(32, "big") + message).digest(), "big") % ORDER
    r = _times(k)[0] % ORDER
    return b"".join(x.to_bytes(32, "big") for x in (r, pow(k, -1, ORDER) * (number + r * secret) %
                                                     ORDER))


def measured(what):
    """A register of a simulated guest."""
    return hashlib.sha384(what.encode()).digest()


def other_guest(fields):
    """The evidence of a guest that started something else, in every other respect good."""
    quote = bytearray(fields[b"q"])
    quote[MRTD] = measured("another MRTD")
    secret = int.from_bytes(hashlib.sha256(SENTENCE).digest(), "big")
    quote[SIGNATURE] = sign_p256(secret, bytes(quote[:QUOTE_SIGNED]))
    fields[b"q"] = bytes(quote)


def pinned(fields):
    """A node whose list has the lineage as `pinned` then gives a share of another key: well made,
    and wrong."""
    fields[b"m"] = 1


# ---- the proxy ----

class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is no accident."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class NodeProxy:
    """`post(port, path, body)` asks the node: (HTTP status, body)."""

    def __init__(self, node, post):
        self.node, self.post = node, post
        self.clear()
        self.closing = threading.Event()
        self.server = Server(("127.0.0.1", 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(node.data / "tls.crt", node.data / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True,
                                                 do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def clear(self):
        self.change, self.late_s, self.mode = None, 0, ""
        self.waits_for, self.replied = None, threading.Event()
        self.asked, self.requests = 0, []   # how often; fields of requests, as they came
        return self

    def url(self):
        return f"https://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def _pass_on(self, path, body):
        if path.endswith("/request"):
            fields, _ = bdecode(body)
            self.requests.append(dict(fields))
            if self.change:
                self.change(fields)
                body = bencode(fields)
        try:
            answer = self.post(self.node.port, path, body)
        except OSError:
            answer = 0, b""
        if self.waits_for and path.endswith("/request"):
            self.waits_for.wait(SILENT_LIMIT_S)
        time.sleep(self.late_s)
        return answer

    def _handler(proxy):    # noqa: N805 - the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.asked += 1
                if proxy.mode == "silent":
                    proxy.closing.wait(SILENT_LIMIT_S)
                status, text = (0, b"") if proxy.mode else proxy._pass_on(self.path, body)
                self.close_connection = not status
                if not status:
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)
                if self.path.endswith("/request"):
                    proxy.replied.set()

            def log_message(self, *_):
                pass

        return Handler
