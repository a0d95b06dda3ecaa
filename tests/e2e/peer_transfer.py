#!/usr/bin/env python3
# build: asan tsan
# timeout: 400
"""One pbts-peer seeds to another: what arrives is compared byte for byte, and the tracker's totals
are exactly what moved. One file and many, v1, v2 and hybrid, magnet links, every form of receipt,
every policy of encryption; kill -9 of either side, resume, a tracker that is away, limits."""
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t

PIECE = 32768
VERSIONS = {"v1": (), "v2": ("--v2",), "hybrid": ("--hybrid",)}
SECONDS = 40


def write_file(path, size, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))


def make_content(kind, name):
    """A folder that holds what a torrent is made of, and the path to make it of."""
    folder = t.TMP / f"source-{name}"
    if kind == "file":
        write_file(folder / f"{name}.bin", 40 * PIECE + 1234, name)
        return folder, folder / f"{name}.bin"
    sizes = {"a.bin": 5 * PIECE, "b/c.bin": PIECE + 1, "b/d/empty": 0, "b/d/e.bin": 3, "z.bin": 1,
             "long name with blanks.bin": 9 * PIECE - 7}
    for relative, size in sizes.items():
        write_file(folder / name / relative, size, name + relative)
    return folder, folder / name


class Torrent:
    serial = 0

    def __init__(self, daemon, user, kind="file", version="v1"):
        Torrent.serial += 1
        self.daemon, self.name = daemon, f"{kind}-{version}-{Torrent.serial}"
        self.source, made_of = make_content(kind, self.name)
        self.path = t.TMP / f"{self.name}.torrent"
        t.pbts("torrent", "create", made_of, "--out", self.path, "--piece-length", PIECE,
               "--announce", f"{daemon.url}/announce", *VERSIONS[version])
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", user.key, self.path)
        self.shown = json.loads(t.pbts("torrent", "show", "--json", self.path).stdout)
        self.bytes = sum(p.stat().st_size for p in self.source.rglob("*") if p.is_file())

    def same_in(self, target):
        for path in self.source.rglob("*"):
            if path.is_file() and ".pbts" not in path.parts:
                other = target / path.relative_to(self.source)
                if not other.is_file() or other.read_bytes() != path.read_bytes():
                    return False
        return True


class Pair:
    """A seeder and a leecher of a torrent; totals of their users are watched."""
    serial = 0

    def __init__(self, daemon, users, torrent):
        Pair.serial += 1
        self.daemon, self.users, self.torrent = daemon, users, torrent
        self.base = t.TMP / f"pair{Pair.serial}"
        self.target = self.base / "target"
        self.target.mkdir(parents=True)
        self.before = [self.totals(u) for u in users]
        self.seeder = self.leecher = None

    def totals(self, user):
        shown = self.daemon.get(f"/user/{user.uid}").json()
        return shown["up_bytes"] + shown["held_bytes"], shown["down_bytes"]

    def moved(self):
        """(what the seeder's user gave, what the leecher's user got) since the start."""
        return (self.totals(self.users[0])[0] - self.before[0][0],
                self.totals(self.users[1])[1] - self.before[1][1])

    def seed(self, *flags):
        self.seeder = our_peer.OurPeer(self.base / "seeder", "127.0.0.1", 0, self.users[0], *flags)
        self.seeder.seed(self.torrent.path, self.torrent.source)
        t.wait_until(lambda: self.seeder.events("joined") or self.seeder.process.poll() is not None)
        return self

    def get(self, *flags, source=None):
        self.leecher = our_peer.OurPeer(self.base / "leecher", "127.0.0.1", 0, self.users[1], *flags)
        command = self.leecher.command("get", source or self.torrent.path, self.target)
        self.leecher.process = t.start(command, self.leecher.log)
        return self

    def leecher_ends(self, seconds=SECONDS):
        try:
            return self.leecher.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def text(self):
        return "\n".join(p.text()[-1500:] for p in (self.seeder, self.leecher) if p)

    def end(self):
        codes = [p.stop() for p in (self.leecher, self.seeder) if p]
        return codes


def whole(daemon, users, label, torrent, seed_flags=(), get_flags=(), bytes_count=None):
    """The whole way: download, end, compare, totals."""
    pair = Pair(daemon, users, torrent)
    pair.seed(*seed_flags).get(*get_flags)
    code = pair.leecher_ends()
    t.check(f"{label}: the leecher ends well", code == 0, f"{code}\n{pair.text()}")
    t.check(f"{label}: every byte is there", torrent.same_in(pair.target), pair.text())
    pair.end()
    expected = torrent.bytes if bytes_count is None else bytes_count
    t.check(f"{label}: the totals are exactly what moved", pair.moved() == (expected, expected),
            f"{pair.moved()} of {expected}\n{pair.text()}")
    return pair


# ---- what is shared ----

def versions(daemon, users):
    for version in ("v1", "v2", "hybrid"):
        for kind in ("file", "folder"):
            whole(daemon, users, f"{kind} {version}", Torrent(daemon, users[0], kind, version))


def forms(daemon, users):
    for form in ("piece", "batch", "session"):
        whole(daemon, users, f"{form} receipts", Torrent(daemon, users[0]), (),
              ("--receipts", form))
    whole(daemon, users, "the paper's schedule", Torrent(daemon, users[0]), (),
          ("--schedule", "paper"))
    off = ("--receipts", "off", "--legacy-peers", "serve")
    whole(daemon, users, "no receipts", Torrent(daemon, users[0]), off, off, bytes_count=0)


def encryptions(daemon, users):
    for seeder in ("prefer", "require", "off"):
        for leecher in ("prefer", "require", "off"):
            label = f"encryption {leecher} at the leecher, {seeder} at the seeder"
            if {seeder, leecher} == {"require", "off"}:
                pair = Pair(daemon, users, Torrent(daemon, users[0]))
                pair.seed("--encryption", seeder).get("--encryption", leecher)
                time.sleep(2)
                t.check(f"{label}: they do not talk", not pair.leecher.events("peer_ready") and
                        pair.moved() == (0, 0), pair.text())
                pair.end()
            else:
                whole(daemon, users, label, Torrent(daemon, users[0]), ("--encryption", seeder),
                      ("--encryption", leecher))


def magnets(daemon, users):
    for version in ("v1", "v2", "hybrid", "hybrid by its v2 name"):
        torrent = Torrent(daemon, users[0], "folder", version.split()[0])
        link = ("magnet:?xt=urn:btih:" + torrent.shown["infohash"] if version in ("v1", "hybrid")
                else "magnet:?xt=urn:btmh:1220" + torrent.shown["infohash_v2"])
        pair = Pair(daemon, users, torrent).seed()
        # The swarm of a hybrid torrent's v2 name is another one at the tracker.
        port = pair.seeder.events("listening")[0]["port"]
        pair.get("--tracker", daemon.url, "--peer", f"127.0.0.1:{port}" if "name" in version
                 else "127.0.0.1:1", source=link)
        code = pair.leecher_ends()
        t.check(f"magnet {version}: the leecher ends well", code == 0, f"{code}\n{pair.text()}")
        t.check(f"magnet {version}: every byte is there", torrent.same_in(pair.target), pair.text())
        pair.end()
        t.check(f"magnet {version}: the totals are exactly what moved",
                pair.moved() == (torrent.bytes, torrent.bytes), f"{pair.moved()}\n{pair.text()}")


def a_magnet_that_names_no_tracker(daemon, users):
    """Who was here before knows the tracker: it is asked, though no ticket is left from then."""
    before = whole(daemon, users, "a leecher meets its tracker", Torrent(daemon, users[0]))
    (kept,) = (before.base / "leecher" / "state").glob("tracker-*.json")
    words = json.loads(kept.read_text())
    words.pop("ticket")
    torrent = Torrent(daemon, users[0], "file", "v1")
    link = "magnet:?xt=urn:btih:" + torrent.shown["infohash"]
    pair = Pair(daemon, users, torrent).seed()
    state = pair.base / "leecher" / "state"
    state.mkdir(parents=True)
    (state / kept.name).write_text(json.dumps(words))
    pair.get(source=link)
    t.check("a magnet link that names no tracker is enough then",
            pair.leecher_ends() == 0 and torrent.same_in(pair.target), pair.text())
    pair.end()


def several_at_once(daemon, users):
    torrents = [Torrent(daemon, users[0], kind, version) for kind, version in
                (("file", "v1"), ("folder", "hybrid"), ("folder", "v2"))]
    before = Pair(daemon, users, torrents[0])
    seeders = []
    for number, torrent in enumerate(torrents):
        peer = our_peer.OurPeer(t.TMP / f"several{number}", "127.0.0.1", 0, users[0])
        seeders.append(peer.seed(torrent.path, torrent.source))
    t.wait_until(lambda: all(s.events("joined") for s in seeders))
    target = t.TMP / "several"
    leecher = our_peer.OurPeer(t.TMP / "several-leecher", "127.0.0.1", 0, users[1])
    command = leecher.command("get", torrents[0].path, target)
    leecher.process = t.start([*command, *(str(x.path) for x in torrents[1:])], leecher.log)
    code = leecher.process.wait(SECONDS)
    t.check("several torrents: the leecher ends well", code == 0, leecher.text()[-2000:])
    t.check("several torrents: every byte is there", all(x.same_in(target) for x in torrents))
    for seeder in seeders:
        seeder.stop()
    total = sum(x.bytes for x in torrents)
    t.check("several torrents: the totals are exactly what moved", before.moved() == (total, total),
            f"{before.moved()} of {total}")


# ---- what goes wrong ----

def last_stats(peer):
    return (peer.events("stats") or [{}])[-1]


def left_of(peer):
    return last_stats(peer).get("left_bytes")


def has_all_receipts(seeder, served_bytes):
    """Whether it served so much, and all of it is signed for."""
    stats = last_stats(seeder)
    return stats.get("uploaded_bytes", 0) >= served_bytes and stats["unreceipted_bytes"] == 0


def leecher_is_killed(daemon, users):
    torrent = Torrent(daemon, users[0])
    pair = Pair(daemon, users, torrent).seed("--limit-up", "300K")
    pair.get()
    t.wait_until(lambda: (left_of(pair.leecher) or torrent.bytes) < torrent.bytes * 0.7, SECONDS)
    pair.leecher.kill()
    got = 0
    for pieces in pair.target.rglob("*.bin"):
        got = pieces.stat().st_blocks * 512
    pair.seeder.stop()
    pair.seed().get()
    code = pair.leecher_ends()
    t.check("a killed leecher goes on where it was", code == 0 and torrent.same_in(pair.target),
            pair.text())
    checked = pair.leecher.events("checked")[-1]
    t.check("it finds the pieces that it had", got > 0 and checked["pieces"] > 0, checked)
    pair.end()
    up, down = pair.moved()
    t.check("kill -9 of the leecher: both totals agree, nothing counts twice",
            up == down and up <= torrent.bytes, (up, down, torrent.bytes))
    t.check("kill -9 of the leecher: at most the exposure is lost",
            torrent.bytes - up <= torrent.bytes // 2, (up, torrent.bytes))


def seeder_is_killed(daemon, users):
    """Receipts are on disk before more is served: they count after a crash."""
    torrent = Torrent(daemon, users[0])
    pair = Pair(daemon, users, torrent).seed("--limit-up", "300K")
    pair.get()
    t.wait_until(lambda: (left_of(pair.leecher) or torrent.bytes) < torrent.bytes * 0.6, SECONDS)
    taken = t.wait_until(lambda: last_stats(pair.seeder).get("receipts_taken", 0) > 0)
    pair.seeder.kill()
    t.check("receipts were taken before the crash", taken, pair.text())
    pair.seed()
    counted = t.wait_until(lambda: pair.moved()[0] > 0, 20)
    t.check("what was signed before a crash is reported at the next start", counted, pair.text())
    code = pair.leecher_ends()
    t.check("the leecher finds the seeder again", code == 0 and torrent.same_in(pair.target),
            pair.text())
    pair.end()
    up, down = pair.moved()
    # What was served and not signed for when it was killed, nobody remembers.
    t.check("kill -9 of the seeder: the totals agree, and at most the exposure is lost",
            up == down and torrent.bytes // 2 < up <= torrent.bytes, f"{up} {down}\n{pair.text()}")


def either_is_stopped(daemon, users):
    """Whoever ends in order in the middle waits: what arrived whole is signed for, and counts."""
    for who in ("seeder", "leecher"):
        torrent = Torrent(daemon, users[0])
        pair = Pair(daemon, users, torrent).seed("--limit-up", "100K")
        pair.get()

        def unpaid(pair=pair):
            stats = pair.seeder.events("stats")
            return stats and stats[-1]["unreceipted_bytes"] >= 2 * PIECE
        t.check(f"the {who} is stopped while something is not signed for",
                t.wait_until(unpaid, SECONDS), pair.text())
        peer = getattr(pair, who)
        t.check(f"the {who} ends well in mid-transfer", peer.stop() == 0, pair.text())
        pair.end()
        got = torrent.bytes - pair.leecher.events("ended")[-1]["left_bytes"]
        t.check(f"the {who} stops in mid-transfer: all that arrived whole counts",
                0 < got < torrent.bytes and pair.moved() == (got, got),
                f"{pair.moved()} of {got}\n{pair.text()}")


def resume_without_hashing(daemon, users):
    torrent = Torrent(daemon, users[0], "folder", "hybrid")
    pair = whole(daemon, users, "before the resume", torrent)
    pair.get("--peer", "127.0.0.1:1")
    code = pair.leecher_ends()
    checked = pair.leecher.events("checked")[-1]
    t.check("what was complete is complete again, without hashing it",
            code == 0 and checked["hashed"] == 0 and checked["pieces"] == checked["piece_count"],
            checked)
    victim = pair.target / torrent.name / "a.bin"
    damaged = bytearray(victim.read_bytes())
    damaged[PIECE + 5] ^= 1
    victim.write_bytes(damaged)
    pair.seed().get()
    code = pair.leecher_ends()
    checked = pair.leecher.events("checked")[-1]
    t.check("a file that was changed is checked, the others are trusted",
            0 < checked["hashed"] < checked["piece_count"], checked)
    t.check("what was damaged is fetched again", code == 0 and torrent.same_in(pair.target),
            pair.text())
    pair.end()


def tracker_is_away(daemon, users):
    torrent = Torrent(daemon, users[0])
    pair = Pair(daemon, users, torrent).seed("--limit-up", "400K")
    pair.get()
    t.wait_until(lambda: (left_of(pair.leecher) or torrent.bytes) < torrent.bytes * 0.8, SECONDS)
    daemon.kill()
    code = pair.leecher_ends()
    t.check("the transfer goes on while the tracker is away",
            code == 0 and torrent.same_in(pair.target), pair.text())
    t.check("the seeder ends well without a tracker", pair.seeder.stop() == 0, pair.text())
    waiting = pair.seeder.events("waiting")
    t.check("it says that receipts wait", waiting and waiting[-1]["receipts"] > 0, waiting)
    daemon.start()
    pair.seed()
    counted = t.wait_until(lambda: pair.moved() == (torrent.bytes, torrent.bytes), 20)
    t.check("the receipts count when the tracker is back", counted, f"{pair.moved()}")
    pair.end()


def journal_is_adopted(daemon, users):
    """Two programs of one key in one state folder have a journal each; nothing is lost."""
    torrents = [Torrent(daemon, users[0]) for _ in range(2)]
    pair = Pair(daemon, users, torrents[0])
    state = t.TMP / "shared-state"
    seeders = []
    for number, torrent in enumerate(torrents):
        peer = our_peer.OurPeer(t.TMP / f"adopt{number}", "127.0.0.1", 0, users[0])
        command = peer.command("seed", torrent.path, torrent.source)
        command[command.index("--state") + 1] = str(state)
        peer.process = t.start(command, peer.log)
        t.wait_until(lambda p=peer: p.events("joined"))
        seeders.append(peer)
    target = t.TMP / "adopted"
    leecher = our_peer.OurPeer(t.TMP / "adopt-leecher", "127.0.0.1", 0, users[1])
    command = leecher.command("get", torrents[0].path, target)
    leecher.process = t.start([*command, str(torrents[1].path)], leecher.log)
    code = leecher.process.wait(SECONDS)
    # It hangs up after two seconds, whether or not they have read its last receipts.
    t.check("both take the last receipts too", t.wait_until(lambda: all(
        has_all_receipts(s, x.bytes) for s, x in zip(seeders, torrents))),
        [last_stats(s) for s in seeders])
    for seeder in seeders:
        seeder.kill()
    t.check("two seeders of one key and folder both serve", code == 0 and
            len(list(state.glob("*.journal"))) == 2, list(state.glob("*")))
    peer = our_peer.OurPeer(t.TMP / "adopt2", "127.0.0.1", 0, users[0])
    command = peer.command("seed", torrents[0].path, torrents[0].source)
    command[command.index("--state") + 1] = str(state)
    peer.process = t.start(command, peer.log)
    total = sum(x.bytes for x in torrents)
    counted = t.wait_until(lambda: pair.moved() == (total, total), 20)
    t.check("the next start reports what both had", counted, f"{pair.moved()} of {total}")
    peer.stop()
    t.check("one journal is left", len(list(state.glob("*.journal"))) == 1,
            list(state.glob("*")))


def limits(daemon, users):
    """No transfer is faster than the limit, and one of a few is hardly slower: others may have stood still."""
    torrent = Torrent(daemon, users[0])
    ideal = torrent.bytes / (512 * 1024)
    for label, seed_flags, get_flags in (("upload", ("--limit-up", "512K"), ()),
                                         ("download", (), ("--limit-down", "512K"))):
        took = []
        while len(took) < 4 and not (took and took[-1] < ideal * 1.6):
            pair = Pair(daemon, users, torrent)
            pair.seed(*seed_flags).get(*get_flags)
            t.check(f"with a limit on {label} it arrives", pair.leecher_ends() == 0, pair.text())
            took.append(pair.leecher.events("finished")[-1]["seconds"])
            pair.end()
            shutil.rmtree(pair.target)
        t.check(f"the {label} limit is kept", ideal * 0.7 < min(took) < ideal * 1.6,
                f"{took} s, {ideal} s at the limit")


# ---- what the user gets wrong ----

def mistakes(daemon, users):
    torrent = Torrent(daemon, users[0], "folder")

    def run(*arguments, code, says, name):
        result = subprocess.run([str(t.BIN / "pbts-peer"), *map(str, arguments)],
                                capture_output=True, text=True, timeout=60, check=False)
        t.check(name, result.returncode == code and says in result.stderr + result.stdout,
                f"{result.returncode} {result.stderr}{result.stdout}")

    where = ("--dir", t.TMP / "mistakes", "--port", "0", "--bind", "127.0.0.1")
    run("get", t.TMP / "nothing.torrent", *where, code=3, says="No such file",
        name="a missing .torrent is an error")
    run("get", torrent.source / torrent.name / "a.bin", *where, code=3, says="a.bin",
        name="a file that is no .torrent is an error")
    run("get", torrent.source, *where, code=3, says="Is a directory",
        name="a folder is no .torrent")
    run("get", "magnet:?dn=x", *where, code=3, says="no magnet link",
        name="a magnet link without an infohash is an error")
    run("get", torrent.path, code=2, says="missing --dir", name="--dir is needed")
    run("get", torrent.path, *where, "--limit-up", "fast", code=2, says="--limit-up",
        name="a limit that is no number is an error")
    run("get", torrent.path, *where, "--key", t.TMP / "no.key", code=3, says="no such key file",
        name="a missing key is an error")
    run("seed", torrent.path, "--dir", t.TMP / "mistakes", "--port", "0", code=3,
        says="none of its content", name="seeding what is not there is an error")
    other = t.TMP / "mistakes" / torrent.name
    other.mkdir(parents=True, exist_ok=True)
    (other / "a.bin").write_bytes(b"x")
    run("seed", torrent.path, "--dir", t.TMP / "mistakes", "--port", "0", code=3,
        says="is missing or too short", name="a file that cannot be seeded is named, with why")
    (other / "a.bin").write_bytes(b"x" * (6 * PIECE))
    run("get", torrent.path, *where, code=3, says="longer than the torrent says",
        name="a longer file of the same name is not cut")
    t.check("it is as it was", (other / "a.bin").read_bytes() == b"x" * (6 * PIECE))
    shutil.rmtree(other)
    outside = t.TMP / "outside"
    outside.mkdir()
    (t.TMP / "mistakes" / torrent.name).symlink_to(outside)
    run("get", torrent.path, *where, code=3, says=torrent.name,
        name="a link in place of the torrent's folder is not followed")
    t.check("nothing is written where it leads", list(outside.iterdir()) == [])


def same_names(daemon, users):
    """Two torrents that would write the same files do not."""
    torrent = Torrent(daemon, users[0])
    other = t.TMP / "other-source" / f"{torrent.name}.bin"
    write_file(other, 3 * PIECE, "other")
    t.pbts("torrent", "create", other, "--out", t.TMP / "other.torrent", "--piece-length", PIECE)
    result = subprocess.run([str(t.BIN / "pbts-peer"), "get", str(torrent.path),
                             str(t.TMP / "other.torrent"), "--dir", str(t.TMP / "same"), "--port",
                             "0", "--bind", "127.0.0.1"], capture_output=True, text=True,
                            timeout=60, check=False)
    t.check("two torrents of one name in one folder are refused",
            result.returncode == 3 and "the same files" in result.stderr, result.stderr)


def ends_at_once(daemon, users):
    torrent = Torrent(daemon, users[0])
    pair = Pair(daemon, users, torrent).seed()
    daemon.kill()
    pair.seeder.process.terminate()
    stopping = t.wait_until(lambda: pair.seeder.events("stopping"), 20, 0.01)
    pair.seeder.process.terminate()
    begun = time.monotonic()
    code = pair.seeder.process.wait(20)
    # 0 or -15: it was through already, or had but the rest of its memory to free.
    t.check("a second signal ends it at once", stopping and
            code in (143, 0, -signal.SIGTERM) and time.monotonic() - begun < 8, code)
    daemon.start()


def main():
    with t.Daemon("--init-credit-bytes", "1G", "--interval-s", "60", "--min-interval-s", "1",
                  "--peer-lists-per-hour", "0") as daemon:
        users = [t.User(daemon, "alice"), t.User(daemon, "bob")]
        quick = os.environ.get("PBTS_BUILD") == "tsan"
        versions(daemon, users)
        forms(daemon, users)
        if not quick:
            encryptions(daemon, users)
            limits(daemon, users)
            mistakes(daemon, users)
            same_names(daemon, users)
        magnets(daemon, users)
        a_magnet_that_names_no_tracker(daemon, users)
        several_at_once(daemon, users)
        leecher_is_killed(daemon, users)
        seeder_is_killed(daemon, users)
        either_is_stopped(daemon, users)
        resume_without_hashing(daemon, users)
        journal_is_adopted(daemon, users)
        tracker_is_away(daemon, users)
        ends_at_once(daemon, users)
    t.finish()


main()
