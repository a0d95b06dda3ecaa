#!/usr/bin/env python3
# build: release asan
# timeout: 300
# alone: it measures nothing, but eight clients want the processor
"""Unmodified clients through our tracker: each seeds to all others, over HTTP and over UDP, and the
file that arrives is compared byte for byte. Runs in a network namespace of its own, where every
client has an address (Transmission refuses peers in 127/8)."""
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
ADDRESSES = [f"10.77.0.{11 + i}" for i in range(len(clients.ALL))]
SECONDS = 60
SIZE = 3 * 1024 * 1024 + 12345


def enter_namespace():
    """Start again inside a new network namespace."""
    if os.environ.get("PBTS_IN_NAMESPACE"):
        for address in [TRACKER, *ADDRESSES]:
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


def round_of(daemon, users, seeder, transport):
    """One seeder, the three others download. True for each that got the file."""
    label = f"{clients.ALL[seeder].name} seeds over {transport}"
    base = t.TMP / f"{transport}-{clients.ALL[seeder].name}"
    base.mkdir()
    source = base / "source"
    source.mkdir()
    content = make_content(source)
    torrent = base / "made.torrent"
    t.pbts("torrent", "create", source / "payload.bin", "--out", torrent, "--piece-length", "65536",
           "--announce", users[seeder].announce)
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[seeder].key, torrent)
    infohash = re.search(r"\b[0-9a-f]{40}\b", t.pbts("torrent", "show", torrent).stdout)[0]

    running = []

    def launch(index, directory):
        folder = base / f"client{index}"
        client = clients.ALL[index](folder, ADDRESSES[index], 20000 + 10 * index)
        running.append(client)
        announce = users[index].announce
        if transport == "udp":
            announce = announce.replace("http://", "udp://")
        client.start()
        client.add(torrent_for(torrent, folder, announce), directory)

    try:
        launch(seeder, source)
        seen = t.wait_until(lambda: scrape(daemon, users[seeder].passkey, infohash)[0] == 1, SECONDS)
        t.check(f"{label}: the tracker counts one seeder", seen,
                running[0].log.read_text(errors="replace")[-800:] if running[0].log.exists() else "")
        others = [i for i in range(len(clients.ALL)) if i != seeder]
        for index in others:
            directory = base / f"leech{index}"
            directory.mkdir()
            launch(index, directory)
        for index in others:
            path = base / f"leech{index}" / "payload.bin"
            same = t.wait_until(lambda p=path: p.exists() and p.stat().st_size == SIZE and
                                p.read_bytes() == content, SECONDS, 0.25)
            log = next(c.log for c in running if c.name == clients.ALL[index].name)
            t.check(f"{label}: {clients.ALL[index].name} downloads it byte for byte", same,
                    log.read_text(errors="replace")[-1500:] if log.exists() else "")
        complete = t.wait_until(
            lambda: scrape(daemon, users[seeder].passkey, infohash) == (len(clients.ALL), 0), 30)
        t.check(f"{label}: the tracker counts four seeders", complete,
                scrape(daemon, users[seeder].passkey, infohash))
    finally:
        for client in running:
            client.stop()
        shutil.rmtree(base, ignore_errors=True)
    gone = t.wait_until(lambda: sum(scrape(daemon, users[seeder].passkey, infohash)) == 0, 15)
    t.check(f"{label}: all have left after stopping", gone,
            scrape(daemon, users[seeder].passkey, infohash))


def main():
    absent = clients.missing()
    if absent:
        t.skip("real clients", f"not installed: {', '.join(absent)}")
        t.finish()
    enter_namespace()
    # A download without a receipt moves no ratio: nobody here is in debt at the end.
    with t.Daemon(address=TRACKER) as daemon:
        users = [t.User(daemon, c.name) for c in clients.ALL]
        for transport in ("http", "udp"):
            for seeder in range(len(clients.ALL)):
                round_of(daemon, users, seeder, transport)
        totals = [daemon.get(f"/user/{u.uid}").json() for u in users]
        t.check("no receipt, no ratio: what the clients reported themselves counts for nothing",
                all(u["down_bytes"] == 0 and u["up_bytes"] == u["granted_bytes"] for u in totals),
                totals)
        t.check("the daemon stops cleanly", daemon.stop() == 0, daemon.text()[-500:])
    t.finish()


main()
