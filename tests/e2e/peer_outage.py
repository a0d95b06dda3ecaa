#!/usr/bin/env python3
# build: asan
# timeout: 180
"""The tracker is killed in the middle of a transfer: it goes on, the receipts wait on disk, and after
the tracker is back all of them count, each once. And the seeder is killed, once and then again and
again: the receipts that it had taken are on disk; what was not signed for yet is lost to it, within
the exposure limit."""
import base64
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t

SIZE = 16 * 1024 * 1024 + 99
PIECE = 65536
LIMIT = 3 * 1024 * 1024  # bytes a second: a transfer takes some five seconds
EXPOSURE = 4 * PIECE
KILLS = 4
RECEIPT, COUNTED = 1, 3  # entries of a journal


class Transfer:
    """alice seeds to bob, slowly."""

    def __init__(self, daemon, name):
        self.daemon, self.base, self.runs = daemon, t.TMP / name, 0
        self.users = [t.User(daemon, f"{who}-{name}") for who in ("alice", "bob")]
        self.source, self.target = self.base / "source", self.base / "target"
        self.source.mkdir(parents=True)
        self.target.mkdir()
        self.content = os.urandom(SIZE)
        (self.source / "payload.bin").write_bytes(self.content)
        self.torrent = self.base / "x.torrent"
        t.pbts("torrent", "create", self.source / "payload.bin", "--out", self.torrent,
               "--piece-length", PIECE, "--announce", self.users[0].announce)
        t.pbts("torrent", "add", "--tracker", daemon.url, "--key", self.users[0].key, self.torrent)

    def seed(self, port=0, *flags):
        """A new process over the state of the one before."""
        peer = our_peer.OurPeer(self.base / "alice", "127.0.0.1", port, self.users[0], *flags)
        self.runs += 1
        peer.log = self.base / "alice" / f"log{self.runs}"
        return peer.seed(self.torrent, self.source)

    def get(self, *flags):
        peer = our_peer.OurPeer(self.base / "bob", "127.0.0.1", 0, self.users[1], "--limit-down",
                                str(LIMIT), *flags)
        return peer.get(self.torrent, self.target)

    def arrived(self):
        return (self.target / "payload.bin").read_bytes() == self.content

    def totals(self):
        """What alice gave, credited or held, and what bob got, as the tracker has it."""
        alice, bob = (self.daemon.get(f"/user/{u.uid}").json() for u in self.users)
        return alice["up_bytes"] - alice["granted_bytes"] + alice["held_bytes"], bob["down_bytes"]


def kept_words(peer_folder):
    """What the tracker signed for a time without it, as a peer has it on disk."""
    kept = [json.loads(file.read_text()) for file in peer_folder.rglob("tracker-*.json")]
    return [(base64.b64decode(x["member"]), base64.b64decode(x["beacon"])) for x in kept]


def are_kept(words):
    return len(words) == 1 and len(words[0][0]) == 192 and len(words[0][1]) == 56


def got_bytes(peer):
    stats = peer.events("stats")
    return stats[-1]["downloaded_bytes"] if stats else 0


def receipts_taken(peer):
    return (peer.events("stats") or [{"receipts_taken": 0}])[-1]["receipts_taken"]


def joined(peer):
    return t.wait_until(lambda: peer.events("joined"), 30)


def tracker_outage(daemon):
    transfer = Transfer(daemon, "outage")
    seeder = transfer.seed()
    t.check("the seeder shares", joined(seeder), seeder.text()[-800:])
    leecher = transfer.get()
    t.check("the transfer begins", t.wait_until(lambda: got_bytes(leecher) > SIZE // 4, 60),
            leecher.text()[-800:])
    both = [transfer.base / who for who in ("alice", "bob")]
    t.wait_until(lambda: all(are_kept(kept_words(folder)) for folder in both))
    daemon.kill()
    for who in ("alice", "bob"):
        words = kept_words(transfer.base / who)
        t.check(f"{who} keeps a membership and a beacon on disk", are_kept(words), words)
    t.check("each his own, and the same beacon", kept_words(transfer.base / "alice")[0][0][:96] !=
            kept_words(transfer.base / "bob")[0][0][:96] and
            kept_words(transfer.base / "alice")[0][1] == kept_words(transfer.base / "bob")[0][1])
    t.check("with the tracker gone it goes on to its end",
            t.wait_until(lambda: leecher.events("finished"), 60, 0.2), leecher.text()[-800:])
    t.check("what arrived is the content", transfer.arrived())
    t.check("both end without the tracker", (leecher.stop(), seeder.stop()) in ((0, 0), (0, 3)),
            seeder.text()[-800:])
    t.check("the seeder says that receipts wait", seeder.events("waiting"), seeder.text()[-800:])
    daemon.start()
    again = transfer.seed()
    t.check("when the tracker is back all receipts count, to the byte",
            t.wait_until(lambda: transfer.totals() == (SIZE, SIZE), 30), (transfer.totals(), SIZE))
    t.check("the seeder ends well", again.stop() == 0, again.text()[-800:])
    t.check("nothing was counted twice", transfer.totals() == (SIZE, SIZE), transfer.totals())


def seeder_killed(daemon):
    transfer = Transfer(daemon, "killed")
    seeder = transfer.seed()
    joined(seeder)
    leecher = transfer.get()
    t.wait_until(lambda: got_bytes(leecher) > SIZE // 2, 60)
    taken = t.wait_until(lambda: receipts_taken(seeder) > 0)
    seeder.kill()
    t.check("the seeder is killed with receipts that no report had",
            taken and transfer.totals() == (0, 0), (taken, transfer.totals()))
    again = transfer.seed(seeder.events("listening")[0]["port"])
    t.check("after the kill the transfer goes on",
            t.wait_until(lambda: leecher.events("finished"), 60, 0.2) and transfer.arrived(),
            leecher.text()[-800:])
    t.check("both end well", (leecher.stop(), again.stop()) == (0, 0), again.text()[-800:])
    up, down = transfer.totals()
    t.check("both totals are the same, and at most the exposure limit was lost to the kill",
            up == down and SIZE // 2 <= up <= SIZE and
            (SIZE - up) % PIECE in (0, SIZE % PIECE), (up, down, SIZE))


def journal_of(transfer):
    (path,) = (transfer.base / "alice/state").glob("*.journal")
    return path


def last_number_in(journal):
    """How many receipts were ever put into it, those that were reported since and left out too: they are
    numbered (src/peer/journal.h)."""
    data, last = journal.read_bytes().removeprefix(b"pbts-journal1\n"), 0
    while len(data) >= 16 and len(data) >= 16 + int.from_bytes(data[:4], "big"):
        body, data = (data[16:16 + int.from_bytes(data[:4], "big")],
                      data[16 + int.from_bytes(data[:4], "big"):])
        at = {RECEIPT: 1, COUNTED: 17}.get(body[0])
        last = max(last, int.from_bytes(body[at:at + 8], "big")) if at else last
    return last


def pieces_kept_by(transfer):
    """The pieces with a receipt of their own in the journal of a seeder that is not there."""
    path = journal_of(transfer)
    shown = json.loads(t.pbts("receipt", "show", "--json", path).stdout)
    return {x["piece_index"] for x in shown}


def killed_again_and_again(daemon):
    """A receipt that let the seeder serve more is reported, whenever it is killed after that."""
    transfer = Transfer(daemon, "again")
    flags = ("--exposure", str(EXPOSURE))
    seeder = transfer.seed(0, *flags)
    joined(seeder)
    port = seeder.events("listening")[0]["port"]
    leecher = transfer.get("--receipts", "piece")
    short, lost, signed, before = [], [], set(), 0
    for kill in range(1, KILLS + 1):
        t.wait_until(lambda k=kill: got_bytes(leecher) > SIZE * k // (KILLS + 2), 40)
        seeder.kill()
        taken = receipts_taken(seeder)
        kept = pieces_kept_by(transfer)
        signed |= kept
        last = last_number_in(journal_of(transfer))
        if last - before < taken:
            short.append((kill, taken, last, before, len(kept)))
        before = last
        seeder = transfer.seed(port, *flags)
        worth = sum(min(PIECE, SIZE - piece * PIECE) for piece in signed)
        if not t.wait_until(lambda w=worth: transfer.totals()[0] >= w, 20):
            lost.append((kill, transfer.totals(), worth))
    t.check(f"killed {KILLS} times: what its journal held counts after the restart", not lost, lost)
    t.check(f"killed {KILLS} times: the journal has every receipt that it took", not short, short)
    t.check(f"killed {KILLS} times: it arrives", t.wait_until(
        lambda: leecher.events("finished"), 60, 0.2) and transfer.arrived(), leecher.text()[-800:])
    t.check(f"killed {KILLS} times: both end well", (leecher.stop(), seeder.stop()) == (0, 0),
            seeder.text()[-800:])
    up, down = transfer.totals()
    t.check(f"killed {KILLS} times: at most the exposure limit was lost each time",
            up == down and SIZE - KILLS * (EXPOSURE + PIECE) <= up <= SIZE, (up, down, SIZE))


def main():
    daemon = t.Daemon().start()
    t.threads([lambda f=f: f(daemon) for f in (seeder_killed, killed_again_and_again)])
    tracker_outage(daemon)
    t.check("the daemon stops cleanly", daemon.stop() == 0)
    t.finish()


main()
