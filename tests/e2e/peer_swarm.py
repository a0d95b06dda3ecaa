#!/usr/bin/env python3
# build: asan
# timeout: 420
"""Swarms of pbts-peer: one seeder and eight leechers, alone and mixed with the four real clients, on
a good and on a bad network. What arrives is compared byte for byte, and at the end the tracker's
totals equal the bytes that moved, for every user, exactly. Runs in a namespace of its own."""
import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import clients
import our_peer
import pbts_test as t
from bad_network import BadNetwork

TRACKER = "10.77.0.1"
LEECHERS = 8
SIZE = 12 * 1024 * 1024 + 4321
PIECE_LENGTH = 65536
SECONDS = 150


def enter_namespace():
    if os.environ.get("PBTS_IN_NAMESPACE"):
        for number in range(1, 40):
            subprocess.run(["ip", "addr", "add", f"10.77.0.{number}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        t.skip("swarms of peers", "no permission to make a network namespace")
        t.finish()
    os.environ["PBTS_IN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


class Swarm:
    """A registered torrent, its seeder's folder, and who shares it."""

    def __init__(self, daemon, name, users, network=None):
        self.daemon, self.name, self.users, self.running = daemon, name, users, []
        self.network = network
        self.base = t.TMP / name
        self.source = self.base / "source"
        self.source.mkdir(parents=True)
        self.content = os.urandom(SIZE)
        (self.source / "payload.bin").write_bytes(self.content)
        self.torrent = self.base / "made.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", self.torrent,
               "--piece-length", PIECE_LENGTH, "--announce", users[0].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[0].key, self.torrent)
        self.before = {u.uid: self.totals(u) for u in users}

    def totals(self, user):
        shown = self.daemon.get(f"/user/{user.uid}").json()
        return shown["up_bytes"] + shown["held_bytes"], shown["down_bytes"]

    def moved(self, user):
        """(up, down) since the swarm began, as the tracker has it; held credit counts as up."""
        return tuple(now - was for now, was in zip(self.totals(user), self.before[user.uid]))

    def place(self, number):
        """Address and host of one: the seeder is number 0."""
        if self.network is None:
            return f"10.77.0.{2 + number}", ()
        address = list(self.network.namespaces)[number]
        return address, self.network.at(address)

    def peer(self, folder, number, *flags):
        address, host = self.place(number)
        return our_peer.OurPeer(folder, address, 21000 + 10 * number, self.users[number], *flags,
                                host=host)

    def seeder(self, *flags):
        peer = self.peer(self.base / "seeder", 0, *flags)
        self.running.append(peer)
        return peer.seed(self.torrent, self.source)

    def leecher(self, number, kind=None, *flags):
        """Leecher 1..: a pbts-peer, or a client of another kind, with its user's announce URL."""
        folder, directory = self.base / f"leecher{number}", self.base / f"content{number}"
        directory.mkdir()
        if kind is None:
            peer = self.peer(folder, number, *flags)
        else:
            address, host = self.place(number)
            peer = kind(folder, address, 21000 + 10 * number, host)
            peer.start()
        self.running.append(peer)
        peer.add(self.torrent_for(self.users[number], folder), directory)
        peer.target = directory / "payload.bin"
        return peer

    def torrent_for(self, user, folder):
        """The same torrent with this user's announce URL: the infohash does not change."""
        data = self.torrent.read_bytes()
        old = re.search(rb"8:announce(\d+):", data)
        text = user.announce.encode()
        path = folder / "x.torrent"
        path.write_bytes(data[:old.start()] + b"8:announce%d:" % len(text) + text +
                         data[old.end() + int(old[1]):])
        return path

    def arrives(self, peer, seconds=SECONDS):
        return t.wait_until(lambda: peer.target.exists() and peer.target.stat().st_size == SIZE and
                            peer.target.read_bytes() == self.content, seconds, 0.5)

    def end(self):
        """Stop all at once: reports are sent on the way out. Whether all ended well."""
        statuses = []
        t.threads([lambda p=p: statuses.append((p.name, p.stop())) for p in self.running])
        return all(status == 0 for name, status in statuses if name == "pbts-peer"), statuses

    def clean(self):
        shutil.rmtree(self.base, ignore_errors=True)


def tail(peer):
    return peer.log.read_text(errors="replace")[-1200:] if peer.log.exists() else ""


def check_arrivals(swarm, label, leechers):
    for number, peer in enumerate(leechers, 1):
        t.check(f"{label}: leecher {number}, {peer.name}, has it byte for byte",
                swarm.arrives(peer), tail(peer))


def only_ours(daemon, users, label, network=None):
    swarm = Swarm(daemon, label.replace(" ", "-"), users, network)
    swarm.seeder()
    leechers = [swarm.leecher(n) for n in range(1, LEECHERS + 1)]
    check_arrivals(swarm, label, leechers)
    well, statuses = swarm.end()
    t.check(f"{label}: every peer reports and ends well", well, statuses)
    moved = [swarm.moved(user) for user in users]
    t.check(f"{label}: every leecher owes exactly the content",
            all(down == SIZE for _, down in moved[1:]), moved)
    t.check(f"{label}: what was given equals what was got, to the byte",
            sum(up for up, _ in moved) == LEECHERS * SIZE and moved[0][1] == 0, moved)
    given = [(p.events("ended") or [{}])[-1] for p in swarm.running]
    # A piece that came from several is credited to whom most of it came from, and near the end a
    # block may come twice: what was sent is more than what is owed for it.
    t.check(f"{label}: the tracker's totals are what it told each peer, and no more than it sent",
            all(g.get("credited_bytes", 0) + g.get("held_bytes", 0) == up and
                g.get("downloaded_bytes", 0) >= down for g, (up, down) in zip(given, moved)),
            list(zip(given, moved)))
    t.check(f"{label}: all together sent what all together got, some of it twice",
            sum(g.get("uploaded_bytes", 0) for g in given) >= LEECHERS * SIZE, given)
    swarm.clean()


def mixed(daemon, users, label, network=None):
    swarm = Swarm(daemon, label.replace(" ", "-"), users, network)
    swarm.seeder("--legacy-peers", "serve")
    leechers = [swarm.leecher(n, None, "--legacy-peers", "serve") for n in range(1, 5)]
    leechers += [swarm.leecher(5 + i, kind) for i, kind in enumerate(clients.ALL)]
    check_arrivals(swarm, label, leechers)
    well, statuses = swarm.end()
    t.check(f"{label}: every pbts-peer ends well", well, statuses)
    moved = [swarm.moved(user) for user in users]
    t.check(f"{label}: clients without receipts neither gain nor owe",
            all(m == (0, 0) for m in moved[5:]), moved)
    t.check(f"{label}: what was given equals what was got, to the byte",
            sum(up for up, _ in moved) == sum(down for _, down in moved) > 0, moved)
    t.check(f"{label}: nobody owes more than the content",
            all(down <= SIZE for _, down in moved), moved)
    swarm.clean()


def seconds_to_reach(address):
    """How long a connection takes to be refused there."""
    began = time.monotonic()
    with socket.socket() as probe:
        probe.settimeout(10)
        refused = probe.connect_ex((address, 9)) == errno.ECONNREFUSED
    return time.monotonic() - began if refused else 0.0


def bad_network(daemon, users):
    """Every packet takes 50 ms, each way, and one in fifty is lost."""
    hosts = [f"10.78.0.{2 + n}" for n in range(LEECHERS + 1)]
    try:
        network = BadNetwork(TRACKER, "10.78.0.0/24", hosts, delay_s=0.05, loss=0.02)
    except OSError as error:
        t.skip("swarms on a bad network", f"no TUN device here: {error}")
        return
    took = seconds_to_reach(hosts[0])
    t.check("on the bad network an answer takes a tenth of a second", took >= 0.1, took)
    only_ours(daemon, users, "only pbts-peer on a bad network", network)
    mixed(daemon, users, "mixed with real clients on a bad network", network)
    lost, carried = network.end()
    t.check("one packet in fifty was lost on it", carried > 10000 and
            0.015 < lost / carried < 0.025, (lost, carried))


def main():
    absent = clients.missing()
    if absent:
        t.skip("swarms of peers", f"not installed: {', '.join(absent)}")
        t.finish()
    enter_namespace()
    with t.Daemon(address=TRACKER) as daemon:
        users = [t.User(daemon, f"user{n}") for n in range(LEECHERS + 1)]
        only_ours(daemon, users, "only pbts-peer")
        mixed(daemon, users, "mixed with real clients")
        bad_network(daemon, users)
        t.check("the tracker stops cleanly", daemon.stop() == 0, daemon.text()[-500:])
    t.finish()


main()
