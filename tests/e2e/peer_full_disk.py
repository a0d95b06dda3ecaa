#!/usr/bin/env python3
# build: asan
# timeout: 120
"""pbts-peer on a disk that is full, for real: a download pauses and names the folder, loses nothing,
also to kill -9, and goes on when there is room; and when the journal cannot be written, nothing is
served on the receipts that are not in it."""
import json
import os
import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t

PIECE = 32768
PIECES = 160
SIZE = PIECES * PIECE - 99
DISK = 2 * SIZE
ROOM = SIZE // 3        # what a full disk has left for a download
FULL = "No space left"


class Disk:
    """A file system of the test's own, with a file that takes up what it should."""

    def __init__(self, name):
        self.path = t.TMP / name
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK},mode=0700", "none", self.path],
                       check=True)
        self.big = self.path / "big"

    def free(self):
        info = os.statvfs(self.path)
        return info.f_bavail * info.f_frsize

    def fill(self, left=0):
        with open(self.big, "ab") as big:
            big.write(bytes(self.free() - left))
        return self

    def clear(self):
        self.big.unlink()


class Transfer:
    """One file from one user to another, each with a folder for state."""

    def __init__(self, daemon, name, target):
        self.daemon, self.base, self.target = daemon, t.TMP / name, target
        self.users = [t.User(daemon, f"{who}-{name}") for who in ("alice", "bob")]
        self.source = self.base / "source"
        self.source.mkdir(parents=True)
        target.mkdir(exist_ok=True)
        self.content = random.Random(name).randbytes(SIZE)
        (self.source / "payload.bin").write_bytes(self.content)
        self.torrent = self.base / "x.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", self.torrent,
               "--piece-length", PIECE, "--announce", f"{daemon.url}/announce")
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", self.users[0].key, self.torrent)
        self.runs = 0

    def peer(self, who, user, *flags):
        peer = our_peer.OurPeer(self.base / who, "127.0.0.1", 0, self.users[user], *flags)
        self.runs += 1
        peer.log = self.base / f"{who}{self.runs}.log"
        return peer

    def seed(self, *flags):
        return self.peer("seeder", 0, *flags).seed(self.torrent, self.source)

    def get(self, *flags):
        return self.peer("leecher", 1, *flags).get(self.torrent, self.target)

    def arrived(self):
        return (self.target / "payload.bin").read_bytes() == self.content

    def totals(self):
        """What alice gave, credited or held, and what bob got, as the tracker has it."""
        alice, bob = (self.daemon.get(f"/user/{u.uid}").json() for u in self.users)
        return alice["up_bytes"] - alice["granted_bytes"] + alice["held_bytes"], bob["down_bytes"]


def stats(peer):
    return (peer.events("stats") or [{}])[-1]


def later(peer):
    """Two more seconds of its figures; the last of them."""
    count = len(peer.events("stats"))
    t.wait_until(lambda: len(peer.events("stats")) >= count + 2)
    return stats(peer)


# ---- the disk of a download ----

def paused_and_resumed(daemon):
    disk = Disk("downloads").fill(ROOM)
    transfer = Transfer(daemon, "download", disk.path / "target")
    seeder = transfer.seed("--exposure", "128K")
    leecher = transfer.get()
    paused = leecher.has("paused")
    t.check("a full disk pauses the download, and names the file and why", paused and
            str(transfer.target) in leecher.events("paused")[0]["error"] and
            FULL in leecher.events("paused")[0]["error"], leecher.text()[-800:])
    left = later(leecher).get("left_bytes")
    t.check("what fits is there, and it waits", left == later(leecher).get("left_bytes") and
            SIZE - 2 * ROOM < left < SIZE and leecher.process.poll() is None, left)
    disk.clear()
    t.check("when there is room it goes on to the end", leecher.has("finished", 30) and
            leecher.events("resumed") and transfer.arrived(),
            leecher.text()[-800:] + seeder.text()[-800:])
    t.check("it was paused once", len(leecher.events("paused")) == 1, leecher.events("paused"))
    codes = leecher.stop(), seeder.stop()
    t.check("after a full disk both end well", codes == (0, 0), codes)
    t.check("a full disk costs nobody a byte", transfer.totals() == (SIZE, SIZE),
            (transfer.totals(), SIZE))


def killed_on_a_full_disk(daemon):
    """Its state is on the same disk, as it is when no --state is given."""
    disk = Disk("killed").fill(ROOM)
    transfer = Transfer(daemon, "killed-peer", disk.path / "target")
    state = ("--state", str(transfer.target / ".pbts"))
    seeder, leecher = transfer.seed(), transfer.get(*state)
    leecher.has("paused")
    had = (SIZE - later(leecher)["left_bytes"]) // PIECE
    leecher.kill()
    # What was signed for and not written is served again by one that does not know of it any more.
    first = seeder.stop()
    seeder, again = transfer.seed(), transfer.get(*state)
    t.check("after kill -9 on a full disk it starts, and finds what it had", again.has("checked")
            and again.events("checked")[0]["pieces"] >= had > 0, (had, again.text()[-800:]))
    t.check("and pauses again", again.has("paused"), again.text()[-800:])
    disk.clear()
    t.check("and goes on when there is room", again.has("finished", 30) and transfer.arrived(),
            again.text()[-800:])
    codes = first, again.stop(), seeder.stop()
    t.check("after kill -9 on a full disk all end well", codes == (0, 0, 0), codes)
    up, down = transfer.totals()
    t.check("and both totals are the same", 0 < up == down <= SIZE, (up, down, SIZE))


# ---- the disk of a journal ----

def pieces_in_journal(folder):
    """The receipts that are on disk; each is for one piece."""
    (path,) = folder.glob("*.journal")
    return len(json.loads(t.pbts("receipt", "show", "--json", path).stdout))


def unwritten_receipts(daemon):
    """The sender trusts with one piece, and a receipt is for one."""
    disk = Disk("state")
    transfer = Transfer(daemon, "journal", t.TMP / "journal-target")
    state = disk.path / "state"
    flags = ("--state", str(state), "--exposure", str(PIECE))
    seeder = transfer.seed(*flags)
    seeder.has("joined")
    disk.fill()
    leecher = transfer.get("--receipts", "piece")
    t.check("a journal that cannot be written is said, with its path and why",
            seeder.has("journal_failed") and
            FULL in seeder.events("journal_failed")[0]["error"], seeder.text()[-800:])
    served = later(seeder)["uploaded_bytes"]
    written = pieces_in_journal(state)
    t.check("nothing is served on a receipt that is not in the journal", written > 0 and
            written * PIECE < served <= (written + 1) * PIECE and
            later(seeder)["uploaded_bytes"] == served, (served, written, stats(seeder)))
    disk.clear()
    t.check("when the journal can be written it goes on", leecher.has("finished", 30) and
            transfer.arrived(), leecher.text()[-800:] + seeder.text()[-800:])
    t.check("and has a receipt for all of it", t.wait_until(
        lambda: stats(seeder)["uploaded_bytes"] >= SIZE and stats(seeder)["unreceipted_bytes"] == 0),
        stats(seeder))
    disk.fill()
    seeder.kill()
    again = transfer.seed(*flags)
    t.check("a seeder killed with its receipts reports them, though its disk is full",
            t.wait_until(lambda: transfer.totals() == (SIZE, SIZE), 20),
            (transfer.totals(), SIZE, again.text()[-800:]))
    codes = leecher.stop(), again.stop()
    t.check("after a full journal both end well", codes == (0, 0), codes)


# ---- a namespace for it ----

def enter_namespace():
    """Start again where mounting is allowed."""
    if os.environ.get("PBTS_IN_NAMESPACE"):
        return
    for command in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        probe = [*command, "mount", "-t", "tmpfs", "none", str(t.TMP)]
        if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            os.environ["PBTS_IN_NAMESPACE"] = "1"
            os.environ["PBTS_TEST_TMP"] = str(t.TMP)
            os.execvp("unshare", [*command, sys.executable, *sys.argv])
    t.skip("peers on a full disk", "needs a mount namespace (unshare -m), not allowed here")
    t.finish()


def main():
    enter_namespace()
    with t.Daemon("--min-interval-s", "1", "--init-credit-bytes", "1G") as daemon:
        t.threads([lambda f=f: f(daemon) for f in
                   (paused_and_resumed, killed_on_a_full_disk, unwritten_receipts)])
        t.check("the daemon stops cleanly", daemon.stop() == 0)
    t.finish()


main()
