#!/usr/bin/env python3
# build: asan
# timeout: 300
"""Unmodified clients through our tracker: each seeds to all others, over HTTP and over UDP, and the
file that arrives is compared byte for byte. Runs in a network namespace of its own, where every
client has an address (Transmission refuses peers in 127/8).

Over UDP the tracker is open: without BEP 41's URL data there is no passkey, and Transmission 3.00
sends none. That it is refused readably, and that libtorrent's URL data count, is tested too."""
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import clients
import pbts_test as t

TRACKER = "10.77.0.1"
COUNT = len(clients.ALL)
# Where the clients of a transport are: addresses from 10.77.0.N, ports from.
PLACES = {"http": (11, 20000), "udp": (21, 30000)}
SECONDS = 60
SIZE = 3 * 1024 * 1024 + 12345


def enter_namespace():
    """Start again inside a new network namespace."""
    if os.environ.get("PBTS_IN_NAMESPACE"):
        clients_at = [f"10.77.0.{n + i}" for n, _ in PLACES.values() for i in range(COUNT)]
        for address in [TRACKER, *clients_at]:
            subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    probe = subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        t.skip("real clients", "no permission to make a network namespace")
        t.finish()
    os.environ["PBTS_IN_NAMESPACE"] = "1"
    os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])


def make_content(folder):
    content = os.urandom(SIZE)
    (folder / "payload.bin").write_bytes(content)
    return content


def torrent_for(source, folder, announce):
    """The same torrent with this user's announce URL: the infohash does not change."""
    data = source.read_bytes()
    old = re.search(rb"8:announce(\d+):", data)
    start, length = old.end(), int(old[1])
    text = announce.encode()
    made = (data[:old.start()] + b"8:announce%d:" % len(text) + text + data[start + length:])
    path = folder / "x.torrent"
    path.write_bytes(made)
    return path


def scrape(daemon, passkey, infohash):
    quoted = "".join(f"%{infohash[i:i + 2]}" for i in range(0, 40, 2))
    with urllib.request.urlopen(f"{daemon.url}/scrape/{passkey}?info_hash={quoted}") as reply:
        body = reply.read()
    found = re.search(rb"8:completei(\d+)e.*10:incompletei(\d+)e", body)
    return (int(found[1]), int(found[2])) if found else (0, 0)


class Swarm:
    """A registered torrent, and the clients that were started for it."""

    def __init__(self, daemon, users, seeder, transport, name):
        self.daemon, self.users, self.transport = daemon, users, transport
        self.passkey, self.running = users[seeder].passkey, []
        self.base = t.TMP / name
        self.source = self.base / "source"
        self.source.mkdir(parents=True)
        self.content = make_content(self.source)
        self.torrent = self.base / "made.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", self.torrent,
               "--piece-length", "65536", "--announce", users[seeder].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[seeder].key, self.torrent)
        shown = t.pbts("torrent", "show", self.torrent).stdout
        self.infohash = re.search(r"\b[0-9a-f]{40}\b", shown)[0]

    def launch(self, index, directory):
        folder = self.base / f"client{index}"
        first, port = PLACES[self.transport]
        client = clients.ALL[index](folder, f"10.77.0.{first + index}", port + 10 * index)
        self.running.append(client)
        announce = self.users[index].announce
        if self.transport == "udp":
            announce = announce.replace("http://", "udp://")
        client.start()
        client.add(torrent_for(self.torrent, folder, announce), directory)
        return client

    def count(self):
        """(seeders, leechers) as the tracker counts them."""
        return scrape(self.daemon, self.passkey, self.infohash)

    def end(self):
        t.threads([client.stop for client in self.running])
        shutil.rmtree(self.base, ignore_errors=True)


def text_of(client):
    return client.log.read_text(errors="replace")[-1500:] if client.log.exists() else ""


def round_of(daemon, users, seeder, transport):
    """One seeder, the three others download."""
    name = clients.ALL[seeder].name
    label = f"{name} seeds over {transport}"
    swarm = Swarm(daemon, users, seeder, transport, f"{transport}-{name}")
    try:
        first = swarm.launch(seeder, swarm.source)
        seen = t.wait_until(lambda: swarm.count()[0] == 1, SECONDS)
        t.check(f"{label}: the tracker counts one seeder", seen, text_of(first))
        leechers = {}
        for index in (i for i in range(COUNT) if i != seeder):
            directory = swarm.base / f"leech{index}"
            directory.mkdir()
            leechers[directory / "payload.bin"] = swarm.launch(index, directory)
        for path, client in leechers.items():
            same = t.wait_until(lambda p=path: p.exists() and p.stat().st_size == SIZE and
                                p.read_bytes() == swarm.content, SECONDS, 0.25)
            t.check(f"{label}: {client.name} downloads it byte for byte", same, text_of(client))
        complete = t.wait_until(lambda: swarm.count() == (COUNT, 0), 30)
        t.check(f"{label}: the tracker counts four seeders", complete, swarm.count())
    finally:
        swarm.end()
    gone = t.wait_until(lambda: sum(swarm.count()) == 0, 15)
    t.check(f"{label}: all have left after stopping", gone, swarm.count())


def refused_over_udp(daemon):
    """How many UDP announces had no passkey so far."""
    line = r'pbts_announces_total\{transport="udp",result="PASSKEY_MISSING"\} (\d+)'
    found = re.search(line, daemon.get("/metrics").body.decode())
    return int(found[1]) if found else 0


def passkeys_over_udp(daemon, users):
    """At a private tracker: libtorrent is known by its URL data, Transmission is told why not, and
    aria2 and rtorrent send none either. README.md says so: a version that does is news for it."""
    names = [c.name for c in clients.ALL]
    sends, lacks = names.index("libtorrent"), names.index("transmission")
    swarm = Swarm(daemon, users, sends, "udp", "udp-private")
    try:
        client = swarm.launch(lacks, swarm.source)
        told = t.wait_until(lambda: "this tracker is private" in text_of(client), SECONDS)
        t.check("without URL data a private tracker says over udp that it is private",
                told and swarm.count() == (0, 0), text_of(client))
        client.stop()
        for index in (i for i in range(COUNT) if i not in (sends, lacks)):
            before = refused_over_udp(daemon)
            client = swarm.launch(index, swarm.source)
            refused = t.wait_until(lambda seen=before: refused_over_udp(daemon) > seen, SECONDS)
            t.check(f"{names[index]} has no URL data and is refused over udp",
                    refused and swarm.count() == (0, 0), text_of(client))
            client.stop()
        client = swarm.launch(sends, swarm.source)
        t.check("with URL data the passkey counts over udp",
                t.wait_until(lambda: swarm.count() == (1, 0), SECONDS), text_of(client))
    finally:
        swarm.end()


def all_rounds(daemon, transport):
    users = [t.User(daemon, f"{c.name}-{transport}") for c in clients.ALL]
    for seeder in range(COUNT):
        round_of(daemon, users, seeder, transport)
    return users


def main():
    absent = clients.missing()
    if absent:
        t.skip("real clients", f"not installed: {', '.join(absent)}")
        t.finish()
    enter_namespace()
    users = {}
    with t.Daemon(address=TRACKER) as private, \
            t.Daemon("--access", "open", address=TRACKER) as public:

        def over_http():
            users[private] = all_rounds(private, "http")

        def over_udp():
            users[public] = all_rounds(public, "udp")

        t.threads([over_http, over_udp])
        passkeys_over_udp(private, users[private])
        # A download without a receipt moves no ratio: nobody here is in debt at the end.
        totals = [d.get(f"/user/{u.uid}").json() for d, known in users.items() for u in known]
        t.check("no receipt, no ratio: what the clients reported themselves counts for nothing",
                all(u["down_bytes"] == 0 and u["up_bytes"] == u["granted_bytes"] for u in totals),
                totals)
        for daemon in (private, public):
            t.check(f"the {'private' if daemon is private else 'open'} daemon stops cleanly",
                    daemon.stop() == 0, daemon.text()[-500:])
    t.finish()


main()
