#!/usr/bin/env python3
# build: asan release
# timeout: 120
"""Nodes of the key service are known by their TLS keys, which the file of members pins: a tracker
gives its evidence to no other server, and a node neither asks nor answers one."""
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import kms  # noqa: E402
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK  # noqa: E402

PIN = 3         # the word of a line of members
MISMATCH = "does not match pinned public key"


def with_pin(lines, pin, *numbers):
    """The members, some with another pin."""
    words = [line.split() for line in lines]
    for number in numbers:
        words[number - 1][PIN] = pin
    return "".join(" ".join(line) + "\n" for line in words)


def failed_gossip(node):
    text = subprocess.run(["curl", "-sk", f"https://127.0.0.1:{node.port}/metrics"], check=False,
                          capture_output=True, text=True, timeout=20).stdout
    return int(dict(line.rsplit(" ", 1) for line in text.splitlines())["pbts_kms_gossip_failed_total"])


def nodes_do_not_meet(nodes, lines, other):
    """Node 1 believes that node 2 has another TLS key."""
    (nodes[0].data / "members").write_text(with_pin(lines, other, 2))
    (nodes[1].data / "members").write_text("".join(lines))
    for node in nodes:
        node.start("--allow_simulator", "yes")
    kms.wait_epoch(nodes, 0, 30)
    done = kms.kms("dkg", "--data", nodes[1].data)
    t.check("key generation begins", done.returncode == EXIT_OK, done)
    before = [failed_gossip(node) for node in nodes]
    t.check("neither the one who does not know the other's key nor the other hears anything",
            t.wait_until(lambda: all(failed_gossip(node) >= was + 5 for node, was in zip(nodes, before)),
                         30) and [node.status()["ceremony"] for node in nodes] == ["none", "running"],
            [node.status() for node in nodes])
    nodes[0].kill()
    (nodes[0].data / "members").write_text("".join(lines))
    nodes[0].start("--allow_simulator", "yes")
    t.check("with the right key they make one", kms.wait_epoch(nodes, 1, 40), nodes[1].text())


def a_tracker_asks_nobody_else(nodes, lines, other):
    policy = t.TMP / "any.policy"
    policy.write_text(kms.POLICY + "kms_simulated = yes\n")
    for node in nodes:
        done = kms.kms("allow", kms.LINEAGE, policy, "--data", node.data)
        t.check("pbts-kms allow", done.returncode == EXIT_OK, done)
    client = kms.Client(nodes, nodes[0].status()["public"])
    client.members = t.TMP / "members"
    client.members.write_text("".join(lines))
    for number in (2, 1):       # each has read its list again
        client.members.write_text(with_pin(lines, other, number))
        t.check(f"node {3 - number} alone gives a key",
                t.wait_until(lambda: client.ask().returncode == EXIT_OK, 20))
    client.members.write_text("".join(lines))
    first = client.fingerprint()
    client.members.write_text(with_pin(lines, other, 1))
    done = client.ask()
    t.check("who has another TLS key is passed over", done.returncode == EXIT_OK and
            MISMATCH in done.stdout and f"fingerprint  {first}" in done.stdout, (done.stdout, done.stderr))
    client.members.write_text(with_pin(lines, other, 1, 2))
    done = client.ask()
    t.check("and if that is all of them there is no key", done.returncode == EXIT_IO and
            done.stdout.count(MISMATCH) == 2 and "fingerprint" not in done.stdout,
            (done.stdout, done.stderr))


def main():
    kms.THRESHOLD = 1
    nodes = [kms.Node(i + 1, port) for i, port in enumerate(kms.free_ports(2))]
    lines = [node.init() for node in nodes]
    other = kms.Node(3, 1).init().split()[PIN]
    nodes_do_not_meet(nodes, lines, other)
    a_tracker_asks_nobody_else(nodes, lines, other)
    codes = [node.stop() for node in nodes]
    t.check("all stop in order", codes == [0, 0], codes)


if __name__ == "__main__":
    main()
    t.finish()
