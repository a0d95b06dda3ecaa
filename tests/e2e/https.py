#!/usr/bin/env python3
# build: asan
# timeout: 150
"""HTTPS and the general server: which TLS it speaks, and clients that are slow on purpose. Slow ones
are closed after HEAD_S at the latest whatever they drip, and hold up nobody meanwhile."""
import http.client
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t

HEAD_S = 30             # for a hand-shake and a whole head, or for the next head
SHARE = 3072            # of the general server's 4,096 connections
TURN_S = 1              # between two bytes of who drips
SWEEP_S = 6             # how late it may be noticed; sanitizers and a busy machine included


def certificate(name, *key):
    files = [t.TMP / f"{name}.{end}" for end in ("crt", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "2", "-subj",
                    f"/CN={name}", "-out", files[0], "-keyout", files[1]], check=True,
                   capture_output=True)
    return [str(file) for file in files]


def context(version=None, ciphers=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    warnings.simplefilter("ignore", DeprecationWarning)     # of the versions that must fail
    made.set_ciphers(ciphers or "DEFAULT:@SECLEVEL=0")
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def connect(port, made=None):
    plain = socket.create_connection(("127.0.0.1", port), 10)
    return (made or context()).wrap_socket(plain)


def negotiated(port, **how):
    """Version and cipher, or None when the hand-shake fails."""
    try:
        with connect(port, context(**how)) as client:
            client.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
            good = client.recv(4096).startswith(b"HTTP/1.1 200")
            return (client.version(), client.cipher()[0]) if good else None
    except (ssl.SSLError, ConnectionError):
        return None


# ---- what is spoken ----

def versions(port):
    old = ssl.TLSVersion
    for version in (old.TLSv1, old.TLSv1_1):
        t.check(f"{version.name} is refused", negotiated(port, version=version) is None)
    for version in (old.TLSv1_2, old.TLSv1_3):
        got = negotiated(port, version=version)
        t.check(f"{version.name} is spoken", got is not None and "GCM" in got[1] or
                "CHACHA" in got[1], got)


def ciphers(port):
    """Of TLS 1.2 only those that are authenticated and forget their keys."""
    for name in ("ECDHE+AESGCM", "ECDHE+CHACHA20"):
        got = negotiated(port, version=ssl.TLSVersion.TLSv1_2, ciphers=name + ":@SECLEVEL=0")
        t.check(f"{name} is taken", got is not None, got)
    for name in ("kRSA", "ECDHE+AES:!AESGCM:!AESCCM", "AESCCM", "3DES", "eNULL", "aNULL"):
        try:
            got = negotiated(port, version=ssl.TLSVersion.TLSv1_2, ciphers=name + ":@SECLEVEL=0")
        except ssl.SSLError:
            continue    # this OpenSSL does not even offer it
        t.check(f"{name} is refused", got is None, got)


# ---- many clients ----

def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def many(daemon, https):
    """Connections that say nothing take their share of the general server and no more."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= hard < 8000:
        t.skip("HTTPS has a share of the connections", f"only {hard} descriptors here")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for _ in range(3):
        begun, silent = time.monotonic(), crowd(https)
        t.wait_until(lambda: count_closed(silent) >= 100, 20)
        closed, full = count_closed(silent), negotiated(https) is None
        others = daemon.get("/health").status
        if time.monotonic() - begun < HEAD_S:
            break       # else the first ones were closed for what they are, slow
        for sock in silent:
            sock.close()
        t.wait_until(lambda: negotiated(https) is not None, 20)
    # One or two places may still be those of the clients before.
    t.check("those past HTTPS's share are closed", 100 <= closed <= 102, closed)
    t.check("then HTTPS is full", full)
    t.check("and the rest of REST is not", others == 200)
    for sock in silent:
        sock.close()
    t.check("when they are gone it is there again",
            t.wait_until(lambda: negotiated(https) is not None, 20))


def crowd(https):
    """Connections that say nothing."""
    silent = []
    for n in range(SHARE + 100):
        silent.append(socket.create_connection(("127.0.0.1", https), 10,
                                               (f"127.0.1.{1 + n // 500}", 0)))
        silent[-1].setblocking(False)
        if n % 100 == 99:
            time.sleep(0.05)        # for the queue of those that wait to be accepted
    return silent


def count_closed(socks):
    return sum(map(is_closed, socks))


# ---- slow clients ----

class Slow:
    """Sends `first`, then a byte now and then, and notes when the server closes."""

    def __init__(self, name, sock, first, drip=b"a"):
        self.name, self.sock, self.drip = name, sock, drip
        self.began, self.closed_after, self.stood_still = time.monotonic(), None, 0
        sock.settimeout(TURN_S)
        self.send(first)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def send(self, data):
        try:
            if data:
                self.sock.sendall(data)
            return True
        except TimeoutError:
            return True
        except OSError:
            return False

    def open(self):
        try:
            return self.sock.recv(65536) != b""
        except (TimeoutError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False

    def run(self):
        while time.monotonic() < self.began + HEAD_S + 3 * SWEEP_S:
            turn = time.monotonic()
            ended = not (self.open() and self.send(self.drip))
            self.stood_still += max(0, time.monotonic() - turn - TURN_S)    # so did the server, then
            if ended:
                self.closed_after = time.monotonic() - self.began - self.stood_still
                return


def ask(sock, path="/health"):
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: t\r\n\r\n".encode())
    return sock.recv(65536)


def raw(port):
    return socket.create_connection(("127.0.0.1", port), 10)


def hello_of(port):
    """The first bytes of a hand-shake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context().wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def second_head(sock, name, first):
    t.check(f"{name}: the first request is answered", b"200 OK" in ask(sock))
    return Slow(name, sock, first)


def slow_ones(https, http):
    hello, head = hello_of(https), b"GET /health HTTP/1.1\r\nX-Slow: "
    return [
        Slow("a connection that says nothing", raw(https), b"", b""),
        Slow("half a hand-shake", raw(https), hello[:20], b""),
        Slow("a hand-shake byte by byte", raw(https), hello[:9], hello[9:10]),
        Slow("a hand-shake and nothing more", connect(https), b"", b""),
        Slow("a head byte by byte over TLS", connect(https), head),
        second_head(connect(https), "the next head byte by byte over TLS", head),
        second_head(raw(http), "the next head byte by byte", head),
        second_head(raw(http), "a next head that is never begun", b"\r\n"),
    ]


def slow(daemon, https):
    slow_ones_ = slow_ones(https, daemon.port)
    worst = 0
    for _ in range(5):
        before = time.monotonic()
        with connect(https) as client:
            t.check("others are answered meanwhile", b"200 OK" in ask(client) and
                    daemon.get("/health").status == 200)
        worst = max(worst, time.monotonic() - before)
        time.sleep(1)
    t.check("and soon", worst < 5, worst)
    for one in slow_ones_:
        one.thread.join()
        t.check(f"{one.name} is closed in time", one.closed_after is not None and
                one.closed_after < HEAD_S + SWEEP_S, one.closed_after)


def patient(daemon, https):
    """Who is slow but in time is served: a body in pieces takes longer than a head may."""
    with connect(https) as client:
        client.settimeout(20)
        body = b'{"user_id": "x"}'
        client.sendall(b"POST /register HTTP/1.1\r\nHost: t\r\nContent-Length: %d\r\n\r\n" %
                       len(body))
        for at in range(len(body)):
            client.sendall(body[at:at + 1])
            time.sleep((HEAD_S + 4) / len(body))
        answer = client.recv(4096)
        while b"}" not in answer:
            answer += client.recv(4096)
        t.check("a body that takes longer than a head may is heard to its end",
                b"HTTP/1.1 400" in answer and b"KEY_INVALID" in answer, answer)


def bad_files():
    """A certificate or key that cannot be used ends the start; the log says which and why."""
    empty = t.TMP / "empty.pem"
    empty.touch()
    for file, why in ((t.TMP / "none.pem", "No such file or directory"), (empty, "is empty"),
                      (t.TMP, "Is a directory")):
        daemon = t.Daemon("--https-port", str(t.free_port()), "--tls-cert", str(file), "--tls-key",
                          str(file), name="bad")
        daemon.launch()
        code = daemon.process.wait(30)
        t.check(f"a certificate that {why.lower()} is named, with why",
                code == 1 and f'file={file} reason="{why}"' in daemon.text(), daemon.text()[-500:])


def wrong_scheme(daemon, port):
    """http:// to the HTTPS port and https:// to the other: pbts says what to look at."""
    for url, hint in ((f"http://127.0.0.1:{port}", "is it https there?"),
                      (f"https://127.0.0.1:{daemon.port}", "is that the tracker's https_port?"),
                      (f"https://127.0.0.1:{port}", "--ca FILE")):
        done = subprocess.run([str(t.BIN / "pbts"), "user", "show", "--tracker", url, "alice"],
                              capture_output=True, text=True, timeout=60, check=False)
        t.check(f"pbts says: {hint}", done.returncode == 3 and hint in done.stderr, done)


# ---- new certificates ----

RENEWALS = 6            # one more than there are daemons


def whole(sock):
    """Status of one request, and what the server says of the connection."""
    sock.sendall(b"GET /health HTTP/1.1\r\nHost: t\r\n\r\n")
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    answer.read()
    return answer.status, (answer.getheader("Connection") or "").lower()


def renewals(daemon, https):
    """Who stays connected keeps no new certificate from being shown."""
    held = []
    for n in range(RENEWALS):
        held.append(connect(https))
        before = whole(held[-1])
        daemon.process.send_signal(signal.SIGHUP)
        t.wait_until(lambda: daemon.text().count("event=reloaded") > n, 20)
        after = whole(held[-1])
        t.check("a client of the old certificate is answered, and sent away",
                before[0] == after[0] == 200 and before[1] != "close" == after[1], (before, after))
    t.check("each new certificate is taken", daemon.text().count("certificate=ok") == RENEWALS,
            daemon.text()[-1000:])
    t.check("and shown", negotiated(https) is not None)


def main():
    bad_files()
    for name, key in (("ec", ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")),
                      ("rsa", ("rsa:2048",))):
        cert, secret = certificate(name, *key)
        https = t.free_port()
        with t.Daemon("--https-port", str(https), "--tls-cert", cert, "--tls-key", secret,
                      name=name) as daemon:
            versions(https)
            ciphers(https)
            wrong_scheme(daemon, https)
            if name == "ec":
                waiting = threading.Thread(target=patient, args=(daemon, https))
                waiting.start()
                slow(daemon, https)
                waiting.join()
            else:
                many(daemon, https)
                renewals(daemon, https)
            t.check(f"the daemon ends well ({name})", daemon.stop() == 0, daemon.text()[-500:])
    t.finish()


if __name__ == "__main__":
    main()
