#!/usr/bin/env python3
# build: asan
# timeout: 120
"""A tracker goes away in the middle of a transfer and does not come back: it is sealed, and another
takes over from its exports. Who served meanwhile registers there, and what was not reported counts."""
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t

SIZE = 4 * 1024 * 1024 + 99
PIECE = 65536


class Pair:
    """alice has the content, bob wants it."""

    def __init__(self, daemon):
        self.users = [t.User(daemon, uid) for uid in ("alice", "bob")]
        self.source, self.target = t.TMP / "source", t.TMP / "target"
        self.source.mkdir()
        self.target.mkdir()
        self.content = os.urandom(SIZE)
        (self.source / "payload.bin").write_bytes(self.content)
        self.torrent = t.TMP / "x.torrent"
        self.share(daemon)

    def share(self, daemon):
        """The same content; whoever is asked to announce, it has one infohash."""
        self.torrent.unlink(missing_ok=True)
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", self.torrent,
               "--piece-length", PIECE, "--announce", self.users[0].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", self.users[0].key, self.torrent)

    def come_to(self, daemon):
        for user in self.users:
            t.pbts("register", "--tracker", daemon.url, "--key", user.key, "--uid", user.uid)
            user.announce = f"{daemon.url}/announce"
        self.share(daemon)

    def seed(self, name):
        peer = our_peer.OurPeer(t.TMP / "alice", "127.0.0.1", 0, self.users[0])
        peer.log = t.TMP / "alice" / name
        return peer.seed(self.torrent, self.source)

    def get(self):
        peer = our_peer.OurPeer(t.TMP / "bob", "127.0.0.1", 0, self.users[1], "--limit-down",
                                "1000000")
        return peer.get(self.torrent, self.target)

    def arrived(self):
        return (self.target / "payload.bin").read_bytes() == self.content


def got_bytes(peer):
    stats = peer.events("stats")
    return stats[-1]["downloaded_bytes"] if stats else 0


def served_without_tracker(old, pair):
    """Alice serves, and can hand in nothing of it."""
    seeder = pair.seed("log1")
    t.check("the seeder shares", t.wait_until(lambda: seeder.events("joined"), 30), seeder.text())
    leecher = pair.get()
    t.check("the transfer begins", t.wait_until(lambda: got_bytes(leecher) > 0, 30),
            leecher.text()[-800:])
    old.kill()
    t.check("it goes on without the tracker", leecher.has("finished", 40), leecher.text()[-800:])
    for peer in (leecher, seeder):
        peer.stop()
    t.check("everything arrived", pair.arrived())


def successor_of(old):
    ledger, claims = t.TMP / "ledger.bin", t.TMP / "claims.bin"
    t.pbts("ledger", "seal", "--data", old.data, "--successor", "none", "--yes")
    t.pbts("ledger", "export", "--data", old.data, "--out", ledger, "--claims", claims)
    return t.Daemon("--referrer", str(ledger), "--referrer-claims", str(claims),
                    name="successor").start()


def given_bytes(daemon):
    user = daemon.get("/user/alice").json()
    return user["up_bytes"] + user["held_bytes"]


def main():
    old = t.Daemon(name="old").start()
    pair = Pair(old)
    before = given_bytes(old)
    served_without_tracker(old, pair)
    new = successor_of(old)
    pair.come_to(new)
    seeder = pair.seed("log2")
    t.check("what was not reported counts at the successor",
            t.wait_until(lambda: given_bytes(new) == before + SIZE, 30),
            (before, given_bytes(new), seeder.text()[-1500:]))
    t.check("and once", new.get("/user/bob").json()["down_bytes"] == SIZE)
    seeder.stop()
    t.check("the successor stops cleanly", new.stop() == 0)
    t.finish()


main()
