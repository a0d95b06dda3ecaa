#!/usr/bin/env python3
# build: asan
# timeout: 120
"""Torrents that libtorrent made, between it and pbts-peer in both directions and between two of
pbts-peer, from .torrent files and from magnet links: v1 with pad files (BEP 47), v2 and hybrid
(BEP 52), the latter also by its v2 infohash alone. Every file is compared byte for byte."""
import hashlib
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
PIECE = 32768
KINDS = ("v1-padded", "v2", "hybrid")
SECONDS = 30
SIZES = {"a.bin": 7 * PIECE + 5, "b/c.bin": 2 * PIECE, "b/d/e.bin": 3, "b/d/none": 0,
         "f g.bin": 11 * PIECE - 1, "z.bin": PIECE + 1}


class Torrent:
    def __init__(self, kind):
        self.kind, self.source = kind, t.TMP / "source" / kind
        for name, size in SIZES.items():
            (self.source / name).parent.mkdir(parents=True, exist_ok=True)
            (self.source / name).write_bytes(random.Random(kind + name).randbytes(size))
        self.path = t.TMP / f"{kind}.torrent"
        subprocess.run([PYTHON, NODE, "make", kind, self.source, self.path], check=True)
        self.meta = commands.Metainfo(self.path)

    def magnet(self, v2=False):
        return (f"magnet:?xt=urn:btmh:1220{self.meta.v2}" if v2 or not self.meta.v1 else
                f"magnet:?xt=urn:btih:{self.meta.v1}")

    def same_in(self, directory):
        """Whether all is there, and nothing else (no pad file, above all)."""
        here = directory / self.kind
        found = {str(p.relative_to(here)): hashlib.sha1(p.read_bytes()).digest()
                 for p in here.rglob("*") if p.is_file()}
        return found == {name: hashlib.sha1((self.source / name).read_bytes()).digest()
                         for name in SIZES}


class Libtorrent(clients.Client):
    name = "libtorrent"

    def share(self, peer, pairs):
        flat = [str(x) for pair in pairs for x in pair]
        self.process = t.start([PYTHON, str(NODE), "share", str(self.port), peer, *flat], self.log)
        return self

    def complete(self):
        return self.log.read_text().count("seeding ") if self.log.exists() else 0


def ours(name, what, torrents, directory, *flags):
    """pbts-peer without a key; several torrents at once."""
    peer = our_peer.OurPeer(t.TMP / name, "127.0.0.1", 0, None, *flags)
    first, *others = [str(x) for x in torrents]
    command = [*peer.command(what, first, directory), *others]
    if what == "get":
        command.append("--seed")
    peer.process = t.start(command, peer.log)
    return peer


def port_of(peer):
    if not peer.has("listening"):
        raise RuntimeError(peer.text())
    return f"127.0.0.1:{peer.events('listening')[0]['port']}"


def folder(name):
    path = t.TMP / name
    path.mkdir()
    return path


def leechers(torrents, from_ours, from_theirs):
    """(label, client, torrents, directory) of everyone who downloads."""
    files = {x: x.path for x in torrents}
    magnets = {x: x.magnet() for x in torrents}
    by_v2 = {torrents[2]: torrents[2].magnet(v2=True)}
    by_both = {torrents[2]: torrents[2].magnet() + "&" + torrents[2].magnet(v2=True)[8:]}
    started = []
    for who, what, source, links in (
            ("pbts-peer", "files", "pbts-peer", files),
            ("pbts-peer", "magnets", "pbts-peer", magnets),
            ("pbts-peer", "v2 magnet", "pbts-peer", by_v2),
            ("pbts-peer", "files", "libtorrent", files),
            # Over a v1 connection libtorrent gives no piece layers, which the hybrid torrent needs:
            # it is called again by the v2 infohash.
            ("pbts-peer", "magnets", "libtorrent", magnets),
            ("pbts-peer", "v2 magnet", "libtorrent", by_v2),
            ("pbts-peer", "magnet with both", "libtorrent", by_both),
            ("pbts-peer", "magnet with both", "pbts-peer", by_both),
            ("libtorrent", "files", "pbts-peer", files),
            ("libtorrent", "magnets", "pbts-peer", magnets),
            ("libtorrent", "v2 magnet", "pbts-peer", by_v2)):
        label, peer = f"{who} by {what} from {source}", from_ours
        target = folder(label.replace(" ", "-"))
        if source == "libtorrent":
            peer = from_theirs
        if who == "libtorrent":
            client = Libtorrent(t.TMP / f"run-{target.name}", "127.0.0.1", t.free_port())
            client.share(peer, [(link, target) for link in links.values()])
        else:
            client = ours(f"run-{target.name}", "get", links.values(), target, "--peer", peer)
        started.append((label, client, links, target))
    return started


def main():
    if "python3-libtorrent" in clients.missing():
        t.skip("torrents of libtorrent", "python3-libtorrent is not installed")
        t.finish()
    torrents = [Torrent(kind) for kind in KINDS]
    t.check("libtorrent put pad files into the v1 torrent",
            any(f.get(b"attr") == b"p" for f in torrents[0].meta.info[b"files"]))
    source = t.TMP / "source"
    seeder = ours("seeder", "seed", [x.path for x in torrents], source)
    theirs = Libtorrent(t.TMP / "lt-seeder", "127.0.0.1", t.free_port())
    theirs.share("", [(x.path, source) for x in torrents])
    t.check("both find the content whole", t.wait_until(
        lambda: theirs.complete() == len(KINDS) and len(seeder.events("joined")) == len(KINDS)) and
        all(e["pieces"] == e["piece_count"] for e in seeder.events("checked")),
        seeder.text()[-800:] + theirs.log.read_text()[-800:])
    started = leechers(torrents, port_of(seeder), f"127.0.0.1:{theirs.port}")
    for label, client, wanted, target in started:
        for torrent in wanted:
            t.check(f"{label}: {torrent.kind}", t.wait_until(
                lambda w=torrent, d=target: w.same_in(d), SECONDS),
                client.log.read_text()[-1000:])
    codes = [client.stop() for _, client, *_ in started if client.name == "pbts-peer"]
    t.check("every pbts-peer ends well", [*codes, seeder.stop()] == [0] * (len(codes) + 1), codes)
    t.finish()


main()
