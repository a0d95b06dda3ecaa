#!/usr/bin/env python3
# build: asan tsan
# timeout: 90
"""Announces through proxies: the peer list has the client's address when a trusted proxy names it,
by PROXY v2 or by the right-most X-Forwarded-For, on every way that a request may take through the
daemon; and the socket's own address when anybody else does."""
import http.client
import shutil
import socket
import ssl
import struct
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s

ROOT = Path(__file__).resolve().parents[2]
ASKER = 999     # the port of who asks for the list
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def proxy_v2(source, port=555, command=0x21):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    other = "::1" if ":" in source else "9.9.9.9"
    body = (socket.inet_pton(family, source) + socket.inet_pton(family, other) +
            struct.pack(">HH", port, 80))
    return SIGNATURE + struct.pack(">BBH", command, 0x21 if ":" in source else 0x11, len(body)) + body


class Swarm:
    """One torrent at one daemon; each announce is another peer's, told apart by its port."""

    def __init__(self, *flags, name="proxies"):
        self.daemon = t.Daemon("--peers-per-user-max", "64", *flags, name=name).start()
        self.user = t.User(self.daemon, name)
        self.torrent, self.port = s.Torrent(name), 1000
        self.daemon.post("/torrents", self.torrent.bytes, headers=self.daemon.admin())

    def request(self, headers=""):
        """The next peer's announce."""
        self.port += 1
        return self.announce(self.port, headers)

    def announce(self, port, headers=""):
        return (f"GET /announce/{self.user.passkey}?info_hash="
                f"{quote(bytes.fromhex(self.torrent.infohash))}&peer_id={port:020d}"
                f"&port={port}&left=9&compact=1&numwant=200 HTTP/1.1\r\nHost: t\r\n"
                f"{headers}\r\n").encode()

    def peers(self):
        """Port -> address, of all peers in the swarm."""
        with connect(self.daemon.port) as sock:
            body = ask(sock, self.announce(ASKER))
        compact4, compact6 = field(body, b"5:peers"), field(body, b"6:peers6")
        found = {int.from_bytes(p[4:], "big"): socket.inet_ntop(socket.AF_INET, p[:4])
                 for p in split(compact4, 6)}
        return found | {int.from_bytes(p[16:], "big"): socket.inet_ntop(socket.AF_INET6, p[:16])
                        for p in split(compact6, 18)}

    def check(self, name, address, announce):
        """`announce` announces; its peer must then be at `address`, or nowhere (None)."""
        announce()
        port, peers = self.port, self.peers()
        t.check(name, peers.get(port) == address, (port, peers))


def split(text, length):
    return [text[i:i + length] for i in range(0, len(text), length)]


def field(body, key):
    if key not in body:
        return b""
    length, rest = body.split(key, 1)[1].split(b":", 1)
    return rest[:int(length)]


def connect(port, source="127.0.0.1", tls=False):
    sock = socket.create_connection(("127.0.0.1", port), 10, (source, 0))
    if not tls:
        return sock
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(sock)


def ask(sock, data):
    """The answer's body."""
    sock.sendall(data)
    reply = http.client.HTTPResponse(sock)
    reply.begin()
    return reply.read()


def once(port, data, **how):
    with connect(port, **how) as sock:
        return ask(sock, data)


def after_rest(port, prefix, data):
    """A connection that the general server has: it answers the announce."""
    with connect(port) as sock:
        ask(sock, prefix + b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        return ask(sock, data)


# ---- PROXY v2 ----

def proxy_protocol():
    swarm = Swarm("--proxy-protocol", "yes", "--trusted-proxies", "127.0.0.1", name="proxy-v2")
    port, request = swarm.daemon.port, swarm.request
    swarm.check("a PROXY header of a trusted proxy names the peer", "203.0.113.1",
                lambda: once(port, proxy_v2("203.0.113.1") + request()))
    swarm.check("an IPv6 one too", "2001:db8::5",
                lambda: once(port, proxy_v2("2001:db8::5") + request()))
    swarm.check("an IPv4 client that is written as IPv6 is an IPv4 peer", "203.0.113.9",
                lambda: once(port, proxy_v2("::ffff:203.0.113.9") + request()))
    swarm.check("on a connection that had a REST request before", "203.0.113.2",
                lambda: after_rest(port, proxy_v2("203.0.113.2"), request()))
    swarm.check("a proxy's own connection is the proxy's", "127.0.0.1",
                lambda: once(port, proxy_v2("203.0.113.3", command=0x20) + request()))
    swarm.check("what the client itself writes into X-Forwarded-For does not count", "203.0.113.4",
                lambda: once(port, proxy_v2("203.0.113.4") +
                             request("X-Forwarded-For: 198.51.100.1\r\n")))
    swarm.check("nor on a connection that had a REST request before", "203.0.113.5",
                lambda: after_rest(port, proxy_v2("203.0.113.5"),
                                   request("X-Forwarded-For: 198.51.100.1\r\n")))
    swarm.check("a second header is no request", None,
                lambda: refused(port, proxy_v2("203.0.113.6") * 2 + request()))
    swarm.check("a stranger's header is no request", None,
                lambda: refused(port, proxy_v2("203.0.113.7") + request(), source="127.0.0.2"))
    swarm.check("a stranger without one is itself", "127.0.0.2",
                lambda: once(port, request(), source="127.0.0.2"))
    haproxy(swarm)
    t.check("the daemon ends well (PROXY)", swarm.daemon.stop() == 0)


def refused(port, data, **how):
    """Closed, or answered with an error, and never an announce's answer."""
    try:
        body = once(port, data, **how)
        t.check("what is no request gets no peers", b"8:interval" not in body, body)
    except (http.client.HTTPException, OSError):
        pass


def haproxy(swarm):
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/sbin")
    if not program:
        t.skip("announces through HAProxy", "there is no haproxy here")
        return
    port = t.free_port()
    text = (ROOT / "deploy" / "haproxy.cfg").read_text()
    for old, new in (("bind :8080", f"bind 127.0.0.1:{port}"), ("maxconn 65536", "maxconn 200"),
                     ("127.0.0.1:8000", f"127.0.0.1:{swarm.daemon.port}")):
        assert old in text, old
        text = text.replace(old, new)
    path = t.TMP / "haproxy.cfg"
    path.write_text(text)
    process = t.start([program, "-db", "-f", str(path)], t.TMP / "haproxy.log")

    def is_up():
        try:
            connect(port).close()
            return True
        except ConnectionRefusedError:
            return False
    t.check("HAProxy starts with the example", t.wait_until(is_up, 15))
    swarm.check("an announce through it is its client's", "127.0.0.5",
                lambda: once(port, swarm.request(), source="127.0.0.5"))
    swarm.check("whatever that client writes", "127.0.0.6",
                lambda: once(port, swarm.request("X-Forwarded-For: 198.51.100.1\r\n"),
                             source="127.0.0.6"))
    with connect(port, source="127.0.0.7") as sock:
        swarm.check("and so is each one on a kept connection", "127.0.0.7",
                    lambda: ask(sock, swarm.request()))
        ask(sock, b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
        swarm.check("after a REST request too", "127.0.0.7", lambda: ask(sock, swarm.request()))
    process.terminate()
    process.wait()


# ---- X-Forwarded-For ----

def forwarded(address):
    return f"X-Forwarded-For: 198.51.100.1, {address}\r\n"


def x_forwarded_for():
    cert, key, https = t.TMP / "x.crt", t.TMP / "x.key", t.free_port()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-out", cert, "-keyout", key], check=True, capture_output=True)
    swarm = Swarm("--trusted-proxies", "127.0.0.1", "--https-port", str(https), "--tls-cert",
                  str(cert), "--tls-key", str(key), name="forwarded")
    port, request = swarm.daemon.port, swarm.request
    swarm.check("the right-most forwarded address of a trusted proxy is the peer's", "203.0.113.1",
                lambda: once(port, request(forwarded("203.0.113.1"))))
    swarm.check("an IPv6 one too", "2001:db8::7",
                lambda: once(port, request(forwarded("2001:db8::7"))))
    swarm.check("of two headers the last one counts", "203.0.113.2", lambda: once(
        port, request(forwarded("203.0.113.8") + forwarded("203.0.113.2"))))
    swarm.check("on a connection that had a REST request before", "203.0.113.3",
                lambda: after_rest(port, b"", request(forwarded("203.0.113.3"))))
    swarm.check("of two headers the last one counts there too", "203.0.113.7", lambda: after_rest(
        port, b"", request(forwarded("203.0.113.8") + forwarded("203.0.113.7"))))
    swarm.check("over HTTPS", "203.0.113.4",
                lambda: once(https, request(forwarded("203.0.113.4")), tls=True))
    with connect(port) as sock:
        for n in (5, 6):
            swarm.check(f"each request of a kept connection has its own ({n})", f"203.0.113.{n}",
                        lambda n=n: ask(sock, request(forwarded(f"203.0.113.{n}"))))
        swarm.check("and without a header it is the proxy's", "127.0.0.1",
                    lambda: ask(sock, request()))
    for name, value in (("a name", "client.example"), ("nothing", ""), ("half an address", "1.2.3")):
        swarm.check(f"{name} is no address: the proxy's own counts", "127.0.0.1",
                    lambda value=value: once(port, request(f"X-Forwarded-For: {value}\r\n")))
    swarm.check("a stranger's header does not count", "127.0.0.2", lambda: once(
        port, request(forwarded("203.0.113.9")), source="127.0.0.2"))
    swarm.check("nor over HTTPS", "127.0.0.2", lambda: once(
        https, request(forwarded("203.0.113.9")), source="127.0.0.2", tls=True))
    swarm.check("a PROXY header is no request where none is expected", None,
                lambda: refused(port, proxy_v2("203.0.113.10") + request()))
    t.check("the daemon ends well (X-Forwarded-For)", swarm.daemon.stop() == 0)


def nobody_trusted():
    swarm = Swarm(name="direct")
    port, request = swarm.daemon.port, swarm.request
    swarm.check("without trusted proxies no header counts", "127.0.0.1", lambda: once(
        port, request(forwarded("203.0.113.1") + "Forwarded: for=203.0.113.1\r\n"
                      "X-Real-IP: 203.0.113.1\r\n")))
    swarm.check("nor on the general server", "127.0.0.1", lambda: after_rest(
        port, b"", request(forwarded("203.0.113.1"))))
    swarm.check("nor a parameter that names an address", "127.0.0.1", lambda: once(
        port, request().replace(b"&numwant", b"&ip=203.0.113.1&ipv4=203.0.113.1&numwant")))
    t.check("the daemon ends well (direct)", swarm.daemon.stop() == 0)


if __name__ == "__main__":
    proxy_protocol()
    x_forwarded_for()
    nobody_trusted()
    t.finish()
