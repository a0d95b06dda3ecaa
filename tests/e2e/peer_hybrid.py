#!/usr/bin/env python3
# build: asan
# timeout: 60
"""A hybrid torrent has two swarms (BEP 52): pbts-peer announces both of its infohashes, so that
rtorrent, which knows v1 only, and libtorrent, given the v2 infohash only, both find it at the
tracker; and both of a magnet link that names both, while the metadata is not known. (aria2 1.36 takes a wrong infohash from a hybrid .torrent: it loses the empty keys.)"""
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import clients
import commands
import our_peer
import pbts_test as t

PYTHON = "/usr/bin/python3"
NODE = Path(__file__).resolve().parent / "lib/libtorrent_node.py"
SIZES = {"a.bin": 5 * 32768 + 5, "b.bin": 3 * 32768}
SECONDS = 25


class Hybrid:
    """The content and its .torrent, private, without trackers."""

    def __init__(self):
        self.source = t.TMP / "source"
        (self.source / "both").mkdir(parents=True)
        for name, size in SIZES.items():
            (self.source / "both" / name).write_bytes(random.Random(name).randbytes(size))
        plain, self.made = t.TMP / "plain.torrent", t.TMP / "made.torrent"
        subprocess.run([PYTHON, NODE, "make", "hybrid", self.source / "both", plain], check=True)
        self.root = commands.bdecode(plain.read_bytes())[0]
        self.root[b"info"][b"private"] = 1
        self.made.write_bytes(commands.bencode(self.root))
        self.meta = commands.Metainfo(self.made)
        self.v1, self.v2 = self.meta.v1, self.meta.v2

    def path(self, user):
        path = t.TMP / f"for-{user.uid}.torrent"
        path.write_bytes(commands.bencode({**self.root, b"announce": user.announce}))
        return path

    def arrived_in(self, folder):
        return all((folder / "both" / name).exists() and
                   (folder / "both" / name).read_bytes() ==
                   (self.source / "both" / name).read_bytes() for name in SIZES)


def counted(daemon, user, infohash, what=b"complete"):
    """Seeders, or b"incomplete", as the tracker counts them."""
    quoted = "".join(f"%{infohash[i:i + 2]}" for i in range(0, 40, 2))
    body = daemon.get(f"/scrape/{user.passkey}?info_hash={quoted}").body
    files = commands.bdecode(body)[0].get(b"files", {})
    return sum(found[what] for found in files.values())


def folder(name):
    path = t.TMP / name
    path.mkdir()
    return path


def main():
    if {"python3-libtorrent", "rtorrent"} & set(clients.missing()):
        t.skip("both swarms of a hybrid torrent", "rtorrent or libtorrent is not installed")
        t.finish()
    with t.Daemon("--min-interval-s", "1") as daemon:
        users = [t.User(daemon, name) for name in ("alice", "bob", "carol", "dave")]
        torrent = Hybrid()
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[0].key, torrent.made)
        seeder = our_peer.OurPeer(t.TMP / "seeder", "127.0.0.1", 0, None)
        seeder.seed(torrent.path(users[0]), torrent.source)
        for label, infohash in (("v1", torrent.v1), ("v2", torrent.v2)):
            t.check(f"the tracker counts our seeder in the {label} swarm", t.wait_until(
                lambda h=infohash: counted(daemon, users[0], h) == 1), seeder.text()[-1000:])
        rtorrent = clients.Rtorrent(t.TMP / "rtorrent", "127.0.0.1", t.free_port())
        rtorrent.add(torrent.path(users[1]), folder("by-v1"))
        t.check("rtorrent, of the v1 swarm, finds it and has it byte for byte", t.wait_until(
            lambda: torrent.arrived_in(t.TMP / "by-v1"), SECONDS), rtorrent.log.read_text()[-1000:])
        rtorrent.stop()
        magnet = f"magnet:?xt=urn:btmh:1220{torrent.v2}&tr={users[2].announce}"
        theirs = clients.Client(t.TMP / "libtorrent", "127.0.0.1", t.free_port())
        theirs.process = t.start([PYTHON, str(NODE), "share", str(theirs.port), "", magnet,
                                  str(folder("by-v2"))], theirs.log)
        t.check("libtorrent, of the v2 swarm, finds it and has it byte for byte", t.wait_until(
            lambda: torrent.arrived_in(t.TMP / "by-v2"), SECONDS), theirs.log.read_text()[-1000:])
        theirs.stop()
        t.check("our seeder ends well", seeder.stop() == 0, seeder.text()[-1000:])
        for label, infohash in (("v1", torrent.v1), ("v2", torrent.v2)):
            t.check(f"it has left the {label} swarm", t.wait_until(
                lambda h=infohash: counted(daemon, users[0], h) == 0), rtorrent.log.read_text()[-500:])
        magnet = (f"magnet:?xt=urn:btih:{torrent.v1}&xt=urn:btmh:1220{torrent.v2}"
                  f"&tr={users[3].announce}")
        leecher = our_peer.OurPeer(t.TMP / "leecher", "127.0.0.1", 0, None)
        leecher.get(magnet, folder("by-both"))
        for label, infohash in (("v1", torrent.v1), ("v2", torrent.v2)):
            t.check(f"a magnet link with both is announced to the {label} swarm", t.wait_until(
                lambda h=infohash: counted(daemon, users[0], h, b"incomplete") == 1),
                leecher.text()[-1000:])
        t.check("while its metadata is not known", not leecher.events("metadata"))
        leecher.stop()
    t.finish()


main()
