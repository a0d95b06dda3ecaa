#!/usr/bin/env python3
# build: asan
# timeout: 120
"""The trackers that pbts-peer asks: ours and opentracker over UDP, tiers of which the first is dead or
dies, and ours over HTTPS with a certificate authority of the test's own."""
import random
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from shutil import which

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import commands
import our_peer
import pbts_test as t

PIECE = 32768
SIZE = 20 * PIECE + 77


class Torrent:
    """One file; `path` names the trackers of the one it is for."""

    def __init__(self, name, private=True):
        self.name, self.source = name, t.TMP / f"{name}-source"
        self.source.mkdir()
        self.content = random.Random(name).randbytes(SIZE)
        (self.source / f"{name}.bin").write_bytes(self.content)
        made = t.TMP / f"{name}.torrent"
        t.pbts("torrent", "create", self.source / f"{name}.bin", "--out", made, "--piece-length",
               PIECE)
        self.info = commands.Metainfo(made).info
        if not private:
            del self.info[b"private"]
        self.serial = 0
        self.infohash = our_peer.infohash_of(self.path([]))

    def path(self, tiers):
        """A .torrent with these tiers of trackers; a single tracker is `announce`."""
        self.serial += 1
        path = t.TMP / f"{self.name}-{self.serial}.torrent"
        root = {b"info": self.info}
        if len(tiers) == 1 and len(tiers[0]) == 1:
            root[b"announce"] = tiers[0][0]
        elif tiers:
            root[b"announce-list"] = tiers
        path.write_bytes(commands.bencode(root))
        return path

    def arrived_in(self, target):
        path = target / f"{self.name}.bin"
        return path.exists() and path.read_bytes() == self.content


class Pair:
    """Two peers of one torrent, each with trackers of its own."""

    def __init__(self, torrent, name, users=(None, None)):
        self.torrent, self.base, self.users = torrent, t.TMP / name, users
        self.target = self.base / "target"
        self.target.mkdir(parents=True)
        self.seeder = self.leecher = None

    def seed(self, tiers, *flags):
        self.seeder = our_peer.OurPeer(self.base / "seeder", "127.0.0.1", 0, self.users[0], *flags)
        return self.seeder.seed(self.torrent.path(tiers), self.torrent.source)

    def get(self, tiers, *flags):
        self.leecher = our_peer.OurPeer(self.base / "leecher", "127.0.0.1", 0, self.users[1],
                                        *flags)
        return self.leecher.get(self.torrent.path(tiers), self.target)

    def text(self):
        return "\n".join(p.text()[-1500:] for p in (self.seeder, self.leecher) if p)

    def transfers(self, label):
        came = self.leecher.has("finished", 60) and self.torrent.arrived_in(self.target)
        t.check(f"{label}: it arrives byte for byte", came, self.text())

    def end(self, label):
        codes = [p.stop() for p in (self.leecher, self.seeder)]
        t.check(f"{label}: both end well", codes == [0, 0], f"{codes}\n{self.text()}")


def scrape(url, infohash):
    """(seeders, leechers) as a tracker counts them."""
    quoted = "".join(f"%{infohash[i:i + 2]}" for i in range(0, 40, 2))
    with urllib.request.urlopen(f"{url}?info_hash={quoted}", timeout=10) as reply:
        found = re.search(rb"8:completei(\d+)e.*10:incompletei(\d+)e", reply.read())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def failures(peer):
    return [(event["tracker"], event["error"]) for event in peer.events("announce_failed")]


# ---- ours over UDP ----

def ours_over_udp(daemon, users):
    """A private tracker knows its users by the passkey in BEP 41's URL data."""
    torrent = Torrent("ours")
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[0].key, torrent.path([]))
    udp = f"udp://127.0.0.1:{daemon.port}"
    counts = f"{daemon.url}/scrape/{users[0].passkey}"
    pair = Pair(torrent, "udp")
    for label, path, words in (("no passkey", "/announce", "private"),
                               ("an unknown passkey", "/announce/" + "0" * 32, "passkey")):
        stranger = our_peer.OurPeer(t.TMP / label.replace(" ", "-"), "127.0.0.1", 0, None)
        stranger.seed(torrent.path([[udp + path]]), torrent.source)
        t.check(f"over udp with {label} the tracker's own words are passed on",
                stranger.has("announce_failed") and failures(stranger)[0][0] == udp and
                words in failures(stranger)[0][1] and scrape(counts, torrent.infohash) == (0, 0),
                stranger.text()[-800:])
        t.check(f"with {label} it ends well", stranger.stop() == 0, stranger.text()[-800:])
    seeder = pair.seed([[f"{udp}/announce/{users[0].passkey}"]])
    t.check("over udp with a passkey it is counted", seeder.has("announced") and
            scrape(counts, torrent.infohash) == (1, 0), seeder.text()[-800:])
    pair.get([[f"{udp}/announce/{users[1].passkey}"]])
    pair.transfers("our tracker over udp")
    t.check("our tracker over udp: `completed` is told", t.wait_until(
        lambda: scrape(counts, torrent.infohash) == (2, 0)), pair.text())
    pair.end("our tracker over udp")
    t.check("our tracker over udp: both have left", scrape(counts, torrent.infohash) == (0, 0))
    t.check("no passkey is in what they say", not any(u.passkey in pair.text() for u in users))


def receipts_beside_udp(daemon, users):
    """UDP carries no signatures; with --tracker they go over HTTP, and receipts are exchanged."""
    torrent = Torrent("beside")
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[0].key, torrent.path([]))
    tiers = [[f"udp://127.0.0.1:{daemon.port}/announce/{user.passkey}"] for user in users]
    pair = Pair(torrent, "beside", users)
    without = pair.seed([tiers[0]])
    t.check("with a key, and over udp only, it says that there are no receipts",
            without.has("joined") and without.events("joined")[0]["receipts"] is False,
            without.text()[-800:])
    without.stop()
    pair.seed([tiers[0]], "--tracker", daemon.url).has("joined")
    pair.get([tiers[1]], "--tracker", daemon.url)
    pair.transfers("receipts beside udp")
    pair.end("receipts beside udp")
    bob = daemon.get(f"/user/{users[1].uid}").json()
    t.check("receipts beside udp: the download is signed for", bob["down_bytes"] == SIZE, bob)


# ---- another tracker ----

class Opentracker:
    def __init__(self, name, torrent):
        self.folder, self.port = t.TMP / name, t.free_port()
        self.folder.mkdir(mode=0o777)
        self.folder.chmod(0o777)    # it lays down root's rights
        (self.folder / "torrents").write_text(torrent.infohash + "\n")
        self.process = t.start(["opentracker", "-i", "127.0.0.1", "-p", str(self.port), "-P",
                                str(self.port), "-d", str(self.folder), "-w", "torrents"],
                               self.folder / "log")
        if not t.wait_until(self.accepts):
            raise RuntimeError("opentracker: " + (self.folder / "log").read_text())

    def accepts(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, scheme):
        return f"{scheme}://127.0.0.1:{self.port}/announce"

    def count(self, torrent):
        return scrape(f"http://127.0.0.1:{self.port}/scrape", torrent.infohash)

    def kill(self):
        self.process.kill()
        self.process.wait()


def opentracker_over_udp(torrent, tracker):
    pair = Pair(torrent, "opentracker")
    seeder = pair.seed([[tracker.url("udp")]])
    t.check("opentracker over udp: it is counted", seeder.has("announced") and
            tracker.count(torrent) == (1, 0), seeder.text()[-800:])
    pair.get([[tracker.url("udp")]])
    pair.transfers("opentracker over udp")
    pair.end("opentracker over udp")
    t.check("opentracker over udp: both have left", tracker.count(torrent) == (0, 0),
            tracker.count(torrent))


def dead_first_tier(torrent, tracker):
    """BEP 12: the second tier is asked when nobody of the first answers, and then at once."""
    dead = [f"udp://127.0.0.1:{t.free_port()}/announce", f"http://127.0.0.1:{t.free_port()}/announce"]
    pair = Pair(torrent, "tiers")
    pair.seed([[tracker.url("http")]]).has("announced")
    leecher = pair.get([dead, [tracker.url("udp")], ["http://127.0.0.1:1/announce"]])
    pair.transfers("a dead first tier")
    asked = [name for name, _ in failures(leecher)]
    t.check("a dead first tier: all of it was asked, and the third tier not",
            set(asked[:2]) == {url.rsplit("/", 1)[0] for url in dead} and
            not any(":1" == name[-2:] for name in asked), asked)
    t.check("a dead first tier: the sentences say what is wrong",
            all("refuse" in why or "listens" in why or "connect" in why
                for _, why in failures(leecher)), failures(leecher))
    pair.end("a dead first tier")
    t.check("a dead first tier: both have left", tracker.count(torrent) == (0, 0))


def first_tier_dies(torrent, tracker):
    """The one that counted us is gone when the download ends: the next hears of us as new."""
    first = Opentracker("dies", torrent)
    tiers = [[first.url("udp")], [tracker.url("udp")]]
    pair = Pair(torrent, "dies-pair")
    pair.seed([[first.url("udp")]]).has("announced")
    leecher = pair.get(tiers, "--limit-down", "64K")    # ten seconds: it is in the middle of it when that one dies
    t.check("a first tier that dies: it was asked", leecher.has("announced") and
            first.count(torrent) == (1, 1) and tracker.count(torrent) == (0, 0),
            leecher.text()[-800:])
    first.kill()
    pair.transfers("a first tier that dies")
    t.check("a first tier that dies: the second counts us", t.wait_until(
        lambda: tracker.count(torrent) == (1, 0)), leecher.text()[-800:])
    pair.end("a first tier that dies")
    t.check("a first tier that dies: the second hears that we leave", tracker.count(torrent) ==
            (0, 0), pair.text())


# ---- HTTPS ----

def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """A certificate authority, and the certificate of a server at 127.0.0.1."""

    def __init__(self, name):
        self.ca, self.cert, self.key = (t.TMP / f"{name}-{x}.pem" for x in ("ca", "cert", "key"))
        ca_key, request, names = (t.TMP / f"{name}-{x}" for x in ("ca.key", "csr", "names"))
        fresh = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl(*fresh, "-x509", "-days", "2", "-subj", f"/CN={name}", "-keyout", ca_key, "-out",
                self.ca)
        openssl(*fresh, "-subj", "/CN=tracker", "-keyout", self.key, "-out", request)
        names.write_text("subjectAltName = IP:127.0.0.1\n")
        openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-days", "2",
                "-extfile", names, "-out", self.cert)


def not_trusted(torrent, label, users, url, words, *flags):
    """The tracker's certificate is not taken: it says so, and does not go on with it."""
    peer = our_peer.OurPeer(t.TMP / label.replace(" ", "-"), "127.0.0.1", 0, users[0], *flags)
    peer.seed(torrent.path([[url]]), torrent.source)
    t.check(f"https: {label} is said", peer.has("announce_failed") and
            all(word in failures(peer)[0][1] for word in words), peer.text()[-800:])
    t.check(f"https: {label}: no receipts are exchanged, and it ends well",
            not peer.events("joined") and not peer.events("announced") and peer.stop() == 0,
            peer.text()[-800:])


def bad_authority_file(torrent, users, url):
    for label, path in (("is not there", t.TMP / "none.pem"), ("is no certificate", users[0].key)):
        peer = our_peer.OurPeer(t.TMP / "bad-ca", "127.0.0.1", 0, users[0], "--ca", str(path))
        command = peer.command("seed", torrent.path([[url]]), torrent.source)
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        t.check(f"https: a --ca that {label} is an error at once", done.returncode == 3 and
                str(path) in done.stderr, done)


def over_https():
    trusted, other, port = Authority("trusted"), Authority("other"), t.free_port()
    with t.Daemon("--min-interval-s", "1", "--https-port", str(port), "--tls-cert",
                  str(trusted.cert), "--tls-key", str(trusted.key), name="https") as daemon:
        users = [t.User(daemon, "carol"), t.User(daemon, "dave")]
        torrent, url = Torrent("secure"), f"https://127.0.0.1:{port}/announce"
        t.pbts("torrent", "add", "--tracker", f"https://127.0.0.1:{port}", "--ca", trusted.ca,
               "--key", users[0].key, torrent.path([]))
        not_trusted(torrent, "an unknown authority", users, url, ("certificate", "--ca"))
        not_trusted(torrent, "another authority", users, url, ("certificate", "--ca"), "--ca",
                    str(other.ca))
        not_trusted(torrent, "the name of another", users, url.replace("127.0.0.1", "localhost"),
                    ("certificate", "localhost"), "--ca", str(trusted.ca))
        bad_authority_file(torrent, users, url)
        pair = Pair(torrent, "https", users)
        pair.seed([[url]], "--ca", str(trusted.ca)).has("joined")
        pair.get([[url]], "--ca", str(trusted.ca))
        pair.transfers("https")
        pair.end("https")
        carol, dave = (daemon.get(f"/user/{user.uid}").json() for user in users)
        t.check("https: announces and reports go over it, and the totals are what moved",
                dave["down_bytes"] == SIZE == carol["up_bytes"] + carol["held_bytes"] -
                carol["granted_bytes"], (carol, dave))


def main():
    with t.Daemon("--min-interval-s", "1") as daemon:
        users = [t.User(daemon, "alice"), t.User(daemon, "bob")]
        ours_over_udp(daemon, users)
        receipts_beside_udp(daemon, users)
    over_https()
    if which("opentracker") is None:
        t.skip("opentracker and tiers", "opentracker is not installed")
        t.finish()
    torrent = Torrent("public", private=False)
    tracker = Opentracker("stays", torrent)
    opentracker_over_udp(torrent, tracker)
    dead_first_tier(torrent, tracker)
    first_tier_dies(torrent, tracker)
    t.finish()


main()
