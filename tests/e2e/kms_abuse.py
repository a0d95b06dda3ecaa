#!/usr/bin/env python3
# build: asan tsan
# timeout: 200
"""A node of the key service among strangers who want to take its place or its time, and operators who
are careless: addresses that share a count, connections that never end, policies that come with an old
date, a second process, secrets that others may read."""
import os
import socket
import ssl
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import kms  # noqa: E402
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, run  # noqa: E402

PER_MINUTE, PLACES = 5, 4096
CONNECTIONS, PER_ADDRESS, LIFE_S = 256, 32, 30
CLOSED = kms.POLICY + "#" * len("kms_simulated = yes") + "\n"
OPEN = kms.POLICY + "kms_simulated = yes\n"


def connect(port, source):
    """With TLS, from one of this machine's addresses."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), 5, (source, 0)))


def hello(port, source):
    """The status of a hello; 0: there was no place."""
    try:
        with connect(port, source) as tls:
            tls.sendall(b"POST /kms/v1/hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                        b"Content-Length: 0\r\n\r\n")
            return int(tls.recv(65536).split()[1])
    except OSError:
        return 0


def place_of(address):
    """By FNV-1a, which everybody can compute."""
    found = 1469598103934665603
    for byte in socket.inet_aton(address):
        found = (found ^ byte) * 1099511628211 % (1 << 64)
    return (found >> 32) % PLACES


def neighbour():
    """Another address with the place of 127.0.0.1."""
    wanted = place_of("127.0.0.1")
    return next(address for low in range(1 << 16)
                if place_of(address := f"127.1.{low >> 8}.{low & 255}") == wanted)


def counts_are_not_shared_at_will(node):
    other, minute, statuses = neighbour(), None, []
    while time.monotonic() // 60 != minute:     # each minute of this clock is counted by itself
        minute = time.monotonic() // 60
        statuses = [hello(node.port, other) for _ in range(PER_MINUTE + 1)]
    t.check("an address has its requests and no more", statuses[-1] == 429, statuses)
    t.check("and takes none from one that it chose", hello(node.port, "127.0.0.1") == 200, other)


def one_process(node):
    done = kms.kms("run", "--data", node.data, "--listen", "127.0.0.1", "--port", "0", "--threshold", 1)
    t.check("a data directory has one process", done.returncode == EXIT_IO and
            f"{node.data}: another process runs this node" in done.stderr, done)
    t.check("which goes on", node.status().get("share") == "good", node.text())


def secrets_are_private(node):
    for name in ("identity.key", "seal.key", "tls.key"):
        (node.data / name).chmod(0o640)
        done = kms.kms("run", "--data", node.data, "--listen", "127.0.0.1", "--port", "0", "--threshold", 1)
        t.check(f"{name} that others may read is not taken", done.returncode == EXIT_IO and
                f"{node.data / name}: may be read by others; chmod 600" in done.stderr, done)
        (node.data / name).chmod(0o600)


def put(file, text, date_ns):
    """Over what is there, with a date of its own, as "cp -p" does."""
    with open(file, "r+", encoding="ascii") as out:
        out.write(text)
    os.utime(file, ns=(date_ns, date_ns))


def policies_with_old_dates_count(node, client):
    file = node.data / "lineages" / f"{kms.LINEAGE}.policy"
    date_ns = file.stat().st_mtime_ns
    t.check("a lineage is let in", client().returncode == EXIT_OK, node.text())
    put(file, CLOSED, date_ns)
    t.check("and not any more with a policy of the same date and length",
            t.wait_until(lambda: client().returncode == EXIT_REFUSED, 10, 0.3), node.text())


class Dripper:
    """Takes all connections that there are, and sends a byte of a head now and then."""
    def __init__(self, port):
        self.held = []
        for i in range(CONNECTIONS):
            self.held.append(connect(port, f"127.0.2.{i // PER_ADDRESS + 1}"))
            self.held[-1].sendall(b"POST /kms/v1/hello HTTP/1.1\r\nHost: x\r\nX: ")
            if i % PER_ADDRESS == 0:
                self.drip()

    def drip(self):
        for one in self.held:
            try:
                one.sendall(b"x")
            except OSError:
                pass

    def close(self):
        for one in self.held:
            one.close()


def connections_end(node):
    began = time.monotonic()
    dripper = Dripper(node.port)
    status = hello(node.port, "127.0.0.1")
    while status == 0 and time.monotonic() - began < 3 * LIFE_S:
        dripper.drip()
        status = hello(node.port, "127.0.0.1")
    t.check("strangers do not keep all connections", status == 200, (status, time.monotonic() - began))
    dripper.close()


def main():
    kms.THRESHOLD = 1
    node = kms.Node(1, kms.free_ports(1)[0])
    members = t.TMP / "members"
    members.write_text(node.init())
    (node.data / "members").write_text(members.read_text())
    policy = t.TMP / "open.policy"
    policy.write_text(OPEN)
    kms.kms("allow", kms.LINEAGE, policy, "--data", node.data)
    node.start("--allow_simulator", "yes", "--requests_per_minute", "1000")
    kms.wait_epoch([node], 0)
    kms.kms("dkg", "--data", node.data)
    t.check("there is a key", kms.wait_epoch([node], 1, 30), node.text())
    public = node.status()["public"]
    policies_with_old_dates_count(node, lambda: run("kms", "key", "--members", members, "--public", public,
                                                    "--threshold", 1, "--lineage", kms.LINEAGE,
                                                    "--simulate"))
    one_process(node)
    connections_end(node)
    t.check("it stops in order", node.stop() == 0, node.text())
    secrets_are_private(node)
    node.start("--requests_per_minute", str(PER_MINUTE))
    kms.wait_epoch([node], 1)
    counts_are_not_shared_at_will(node)
    t.check("and again", node.stop() == 0, node.text())


if __name__ == "__main__":
    main()
    t.finish()
