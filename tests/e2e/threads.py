#!/usr/bin/env python3
# build: tsan asan
# timeout: 180
"""All threads of the daemon at once: announces over HTTP, HTTPS and UDP, with passkeys and signed,
registrations, reports, rotated passkeys, metrics, reload by SIGHUP (certificates too) and POST
/config, connections that change hands and break off.
What it is for is the sanitizer; besides, every answer must make sense and no credit may be lost.
PBTS_THREADS_SECONDS: how long (default 8)."""
import http.client
import json
import os
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402

SECONDS = float(os.environ.get("PBTS_THREADS_SECONDS", "8"))
INIT = 1 << 24
TORRENTS = [s.Torrent(f"threads.{n}", pieces=400, piece_length=16384, last=9) for n in range(3)]
EVENTS = ("started", "completed", "stopped", "")


class Load:
    """What the threads share; each appends to its own counters only."""

    def __init__(self, daemon, users, https):
        self.daemon, self.users, self.https = daemon, users, https
        self.end = time.monotonic() + SECONDS
        self.done, self.problems = {}, []
        self.sent_bytes = 0     # by the reporting thread alone

    def runs(self, name):
        if self.problems or time.monotonic() > self.end:
            return False
        self.done[name] = self.done.get(name, 0) + 1
        return True

    def expect(self, good, what):
        if not good:
            self.problems.append(str(what)[:500])

    def connection(self):
        return http.client.HTTPConnection(self.daemon.address, self.daemon.port, timeout=30)


def announce_path(user, choose):
    torrent = choose.choice(TORRENTS)
    peer = b"-XX0001-" + choose.choice(b"abcdef").to_bytes(1, "big") * 12
    event = choose.choice(EVENTS)
    return (f"/announce/{user.passkey}?info_hash={quote(bytes.fromhex(torrent.infohash))}"
            f"&peer_id={quote(peer)}&port={choose.randrange(1, 65535)}&uploaded=0&downloaded=0"
            f"&left={choose.choice((0, 1000))}&compact=1&numwant=50&event={event}")


def ask(connection, method, path, body=None, headers=None):
    connection.request(method, path, body, headers or {})
    reply = connection.getresponse()
    return t.Answer(reply.status, reply.read(), reply.headers)


def http_announces(load, seed):
    """Kept-alive, and now and then a request for the other server on the same connection."""
    choose, connection = random.Random(seed), load.connection()
    while load.runs("http announce"):
        user = choose.choice(load.users)
        answer = ask(connection, "GET", announce_path(user, choose))
        load.expect(answer.status == 200 and answer.body.startswith(b"d"), answer)
        if choose.random() < 0.05:
            load.expect(ask(connection, "GET", "/health").status == 200, "health")
        if choose.random() < 0.02:
            connection.close()


def broken_connections(load):
    choose = random.Random(3)
    while load.runs("broken connection"):
        with socket.create_connection((load.daemon.address, load.daemon.port)) as peer:
            peer.sendall(choose.choice((b"", b"GET /ann", b"GET / HTTP/1.1\r\nHost: t\r\n\r\n",
                                        b"POST /report HTTP/1.1\r\nContent-Length: 99\r\n\r\n{")))
            if choose.random() < 0.5:     # reset instead of an orderly end
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        time.sleep(0.005)


def udp_announces(load, seed):
    choose, lost = random.Random(seed), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.settimeout(2)
        peer.connect((load.daemon.address, load.daemon.port))
        connection_id = None
        while load.runs("udp announce"):
            try:
                if connection_id is None or choose.random() < 0.1:
                    peer.send(struct.pack(">QII", 0x41727101980, 0, 7))
                    connection_id = struct.unpack(">IIQ", peer.recv(64)[:16])[2]
                url = f"/announce/{choose.choice(load.users).passkey}".encode()
                peer.send(struct.pack(">QII20s20sQQQIIIiH", connection_id, 1, 9, bytes.fromhex(
                    choose.choice(TORRENTS).infohash), b"-XX0001-uuuuuuuuuuuu", 0, 1, 0, 2, 0, 5,
                    -1, choose.randrange(1, 65535)) + struct.pack("BB", 2, len(url)) + url)
                action = struct.unpack(">I", peer.recv(2048)[:4])[0]
                load.expect(action in (1, 3), f"udp action {action}")
            except TimeoutError:
                lost, connection_id = lost + 1, None
    load.expect(lost < 5, f"{lost} datagrams without an answer")


def https_announces(load):
    """Over certificates that are loaded anew all the time: a connection stays with its own. One that
    makes room for others at the limit of connections is closed without a word."""
    choose, trust = random.Random(7), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    made = closed = 0
    while load.runs("https announce"):
        connection = http.client.HTTPSConnection("127.0.0.1", load.https, timeout=30,
                                                 context=trust)
        made += 1
        try:
            for _ in range(choose.randrange(1, 5)):
                answer = ask(connection, "GET", announce_path(choose.choice(load.users), choose))
                load.expect(answer.status == 200 and answer.body.startswith(b"d"), answer)
            load.expect(ask(connection, "GET", "/health").status == 200, "health over TLS")
        except (ConnectionError, ssl.SSLEOFError):
            closed += 1
        connection.close()
    load.expect(closed <= 1 + made // 20, f"{closed} of {made} connections were closed")


def signed_announces(load):
    """Through a trusted proxy, so that the budgets of addresses and users are spent too."""
    helper, at, seen = s.Helper(), s.now(), {}
    user, torrent = s.Signer(helper, load.daemon, "announcer"), TORRENTS[0]
    connection = load.connection()
    while load.runs("signed announce"):
        at = min(at + 1, s.now() + 290)
        made = helper("announce", secret=user.secret, iid=user.iid, infohash=torrent.infohash,
                      event=0, time=at)["signature"]
        path = (f"/announce?info_hash={quote(bytes.fromhex(torrent.infohash))}&port=6881&left=5"
                f"&peer_id={'s' * 20}&uid={user.uid}&pk={quote(user.key, safe='')}&time={at}"
                f"&sig={quote(made, safe='')}")
        answer = ask(connection, "GET", path, None, {"X-Forwarded-For": "203.0.113.4"})
        kind = next((k for k in (b"8:interval", b"too many signatures", b"signed time")
                     if k in answer.body), None)
        seen[kind] = seen.get(kind, 0) + 1
        load.expect(kind is not None, answer)
    load.expect(seen.get(b"8:interval", 0) > 5, f"signed announces: {seen}")


def registrations(load):
    helper, n = s.Helper(), 0
    while load.runs("registration"):
        s.Signer(helper, load.daemon, f"new{n}")
        n += 1


def reports(load):
    """Piece after piece from user 1 to user 0, and old ones again."""
    helper, choose = s.Helper(), random.Random(5)
    sender, receiver = load.users[:2]
    sender.sign = receiver.sign = helper
    todo = [(torrent, index) for torrent in TORRENTS for index in range(torrent.pieces)]
    old = None
    while todo and load.runs("report"):
        torrent, index = todo.pop()
        body = sender.report_body([receiver.piece(sender, torrent, index)])[0]
        answer = load.daemon.post("/report", body)
        load.expect(answer.status == 200 and answer.json()["refused"] == 0, answer)
        load.sent_bytes += torrent.sizes[index]
        if old and choose.random() < 0.3:
            again = load.daemon.post("/report", old)
            load.expect(again.json()["credited"]["bytes"] == 0, again)
        old = body


def signed_requests(load):
    """Rotated passkeys: each reads the store and takes a pairing."""
    helper, at = s.Helper(), s.now() - 200
    user = s.Signer(helper, load.daemon, "rotator")
    while load.runs("rotation"):
        at += 1
        answer = load.daemon.post("/passkey", b"", headers=user.authorization("POST", "/passkey",
                                                                              at=at))
        load.expect(answer.status in (200, 401), answer)


def readers(load):
    connection, paths = load.connection(), ("/metrics", "/", "/health", "/params", "/user/user0",
                                            "/contract/status", "/torrents?limit=100", "/config")
    while load.runs("read"):
        for path in paths:
            headers = load.daemon.admin() if path[1:4] in ("tor", "con") else {}
            answer = ask(connection, "GET", path, None, headers)
            load.expect(answer.status == 200, (path, answer))


def reloads(load):
    """The file says one thing, POST /config another; each must always be whole."""
    config, n = load.daemon.data / "pbts-tracker.conf", 0
    while load.runs("reload"):
        n += 1
        config.write_text(f"numwant_default = {20 + n % 50}\nclient_deny = -ZZ\n")
        load.daemon.process.send_signal(signal.SIGHUP)
        change = {"min_ratio": 0.1 + n % 9 / 10, "peer_lists_per_hour": 0, "log_level":
                  "debug" if n % 2 else "info", "client_deny": [f"-Y{n % 10}", "-ZZ"]}
        answer = load.daemon.post("/config", change, headers=load.daemon.admin())
        load.expect(answer.status == 200, answer)
        time.sleep(0.01)


def certificate():
    """Its files, and a port for it."""
    cert, key = str(t.TMP / "tls.crt"), str(t.TMP / "tls.key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=x",
                    "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key, t.free_port()


def main():
    helper = s.Helper()
    cert, key, https = certificate()
    daemon = t.Daemon("--https-port", str(https), "--tls-cert", cert, "--tls-key", key,
                      "--trusted-proxies", "127.0.0.1", "--user-cpu-ms", "2000", "--workers", "2", "--rest-threads", "6", "--init-credit-bytes", str(INIT),
                      "--overdraft-bytes", str(1 << 40), "--peer-lists-per-hour", "0")
    daemon.start()
    users = [s.Signer(helper, daemon, f"user{n}") for n in range(6)]
    for torrent in TORRENTS:
        users[0].add_torrent(torrent)
    load = Load(daemon, users, https)
    t.threads([lambda f=f: f(load) for f in (broken_connections, registrations, reports,
                                             signed_requests, readers, reloads, https_announces,
                                             signed_announces)]
              + [lambda n=n: http_announces(load, n) for n in range(2)]
              + [lambda n=n: udp_announces(load, 10 + n) for n in range(2)])
    print(f"# {json.dumps(load.done)}", flush=True)
    t.check("every answer under load makes sense", not load.problems, load.problems[:3])
    kinds = {"http announce", "broken connection", "udp announce", "registration", "report",
             "rotation", "read", "reload", "https announce", "signed announce"}
    t.check("every kind of request was made, again and again",
            set(load.done) == kinds and min(load.done.values()) > 5, load.done)
    sender, receiver = users[0].user(), users[1].user()
    t.check("the totals are what was reported",
            sender["up_bytes"] == INIT + load.sent_bytes and
            receiver["down_bytes"] == load.sent_bytes, (load.sent_bytes, sender, receiver))
    t.check("the daemon ends cleanly while clients are connected", ends_among_clients(load))
    t.finish()


def ends_among_clients(load):
    """SIGTERM with announces and reads in flight."""
    stop, choose = threading.Event(), random.Random(1)

    def go_on():
        while not stop.is_set():
            try:
                connection = load.connection()
                while not stop.is_set():
                    ask(connection, "GET", announce_path(load.users[0], choose))
                    ask(connection, "GET", "/metrics")
            except (OSError, http.client.HTTPException):
                time.sleep(0.01)

    running = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in running:
        thread.start()
    time.sleep(0.3)
    code = load.daemon.stop()
    stop.set()
    for thread in running:
        thread.join()
    return code == 0


if __name__ == "__main__":
    main()
