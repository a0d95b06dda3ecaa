#!/usr/bin/env python3
# build: asan
# timeout: 240
"""Cheats against a running pbts-peer that seeds. Each is a peer made by hand (lib/raw_peer.py), with
a registered key and a valid ticket unless the attack is about those, and each may cost the victim
at most the exposure limit: one piece at the start, doubled by every honest receipt."""
import sys
import urllib.parse
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import our_peer
import pbts_test as t
import raw_peer
import signing

PIECE = 65536
PIECES = 64
TIMEOUT_S = 5  # of the seeder's patience for a receipt


class Victim:
    """A seeding pbts-peer of the user alice, and the attackers' tools."""

    def __init__(self, daemon, sign):
        self.daemon, self.sign = daemon, sign
        self.torrent = signing.Torrent("loot.bin", pieces=PIECES, piece_length=PIECE, last=PIECE)
        self.folder = t.TMP / "victim"
        content = self.folder / "content"
        content.mkdir(parents=True)
        (content / "loot.bin").write_bytes(self.torrent.content)
        self.alice = t.User(daemon, "alice")
        helper = signing.Signer(sign, daemon, "uploader")
        helper.add_torrent(self.torrent)
        path = self.folder / "x.torrent"
        answer = daemon.get(f"/torrents/{self.torrent.infohash}.torrent?passkey={self.alice.passkey}")
        path.write_bytes(answer.body)
        self.peer = our_peer.OurPeer(self.folder / "peer", "127.0.0.1", 0, self.alice,
                                     "--receipt-timeout", str(TIMEOUT_S)).seed(path, content)
        started = t.wait_until(lambda: self.peer.events("joined"), 30)
        if not started:
            raise RuntimeError(f"pbts-peer does not share:\n{self.peer.text()[-2000:]}")
        self.port = self.peer.events("listening")[0]["port"]
        self.number, self.tickets = 0, {}

    def user(self, register=True):
        self.number += 1
        return signing.Signer(self.sign, self.daemon, f"cheat{self.number}", register=register)

    def ticket(self, user):
        """From a signed announce, as every peer gets it."""
        if user.uid not in self.tickets:
            self.tickets[user.uid] = self.fetch_ticket(user)
        return self.tickets[user.uid]

    def fetch_ticket(self, user):
        at = signing.now()
        signature = self.sign("announce", secret=user.secret, iid=user.iid,
                              infohash=self.torrent.infohash, event=2, time=at)["signature"]
        query = {"info_hash": bytes.fromhex(self.torrent.infohash), "peer_id": b"-XX0001-cheatcheatch",
                 "port": 1, "left": 1, "uploaded": 0, "downloaded": 0, "event": "started",
                 "uid": user.uid, "pk": user.key, "time": at, "sig": signature}
        body = self.daemon.get("/announce?" + urllib.parse.urlencode(query)).body
        return raw_peer.bdecode(body)[0][b"pbts"][b"ticket"]

    def identity(self, user, ticket=None):
        return {"secret": user.secret, "public": user.key, "iid": user.iid,
                "ticket": self.ticket(user) if ticket is None else ticket}

    def attacker(self, identity=None, **hello):
        if identity is None:
            identity = self.identity(self.user())
        peer = raw_peer.RawPeer(self.sign, self.torrent, identity, **hello)
        return peer.connect("127.0.0.1", self.port)

    def alive(self):
        return self.peer.process.poll() is None


def ask_all(peer, first=0):
    try:
        for piece in range(first, PIECES):
            peer.request_piece(piece)
    except raw_peer.Closed:
        pass


def refused_with(victim, peer, codes):
    """Whether it was told one of these codes, and is gone."""
    gone = not peer.drain(TIMEOUT_S + 6)
    return gone and any(code in codes for code, _ in peer.refusals)


def honest_start(peer, count=1):
    """Take pieces one by one and sign for each, as an honest peer at its start."""
    for piece in range(count):
        peer.request_piece(piece)
        if not peer.pump(10, lambda p=piece: peer.has_piece(p)):
            return False
        peer.give_receipt(list(range(piece + 1)))
    return True


def attacks_on_identity(victim):
    legacy = raw_peer.RawPeer(victim.sign, victim.torrent).connect("127.0.0.1", victim.port)
    legacy.join(3)
    ask_all(legacy)
    legacy.drain(2)
    t.check("a peer without receipts gets nothing of a private torrent",
            legacy.received_bytes == 0, legacy.received_bytes)

    cases = (
        ("a key that is not registered, without a ticket", victim.identity(
            victim.user(register=False), ticket=b""), {}, {3}),
        ("the ticket of another", {**victim.identity(victim.user()),
                                   "ticket": victim.ticket(victim.user())}, {}, {3}),
        ("another instance", None, {"iid": bytes(32)}, {1}),
        ("no form in common", None, {"forms": 0}, {5}),
    )
    for name, identity, hello, codes in cases:
        peer = victim.attacker(identity, **hello)
        peer.join(4)
        ask_all(peer)
        t.check(f"{name}: refused with the reason, nothing served",
                refused_with(victim, peer, codes) and peer.received_bytes == 0,
                (peer.refusals, peer.received_bytes))

    bob, thief = victim.user(), victim.user()
    stolen = {**victim.identity(bob), "secret": thief.secret}
    peer = victim.attacker(stolen)
    peer.join(4)
    ask_all(peer)
    t.check("a peer that claims another's key is refused, nothing served",
            refused_with(victim, peer, {2}) and peer.received_bytes == 0,
            (peer.refusals, peer.received_bytes))
    honest = victim.attacker(victim.identity(bob))
    t.check("and the other, with its own key, is served", honest.join() and honest_start(honest))
    honest.drain(1)  # closed with something unread, a connection is reset and the receipt with it
    honest.close()


def attacks_on_receipts(victim):
    other = signing.Torrent("elsewhere.bin", pieces=PIECES)
    late, early = signing.epoch() - 5, signing.epoch() + 5
    wrong = victim.user()
    cases = (
        ("a receipt signed with a wrong key", lambda p: p.give_receipt([0], secret=wrong.secret), {6}),
        ("a receipt for a piece that was not served", lambda p: p.give_receipt([0, 9]), {7}),
        ("a receipt of an old hour", lambda p: p.give_receipt([0], epoch=late), {8}),
        ("a receipt of an hour to come", lambda p: p.give_receipt([0], epoch=early), {8}),
        ("a receipt for another torrent", lambda p: p.give_receipt([0], infohash=other.infohash), {6}),
        ("bytes that are no message", lambda p: p.send_pbts(1, b"i1e"), {12}),
    )
    for name, act, codes in cases:
        peer = victim.attacker()
        served = peer.join()
        ask_all(peer)
        peer.pump(10, lambda p=peer: p.has_piece(0))
        try:
            act(peer)
        except raw_peer.Closed:
            pass
        t.check(f"{name}: refused with the reason, one piece lost",
                served and refused_with(victim, peer, codes) and peer.received_bytes == PIECE,
                (peer.refusals, peer.received_bytes))


def stalls(victim):
    user = victim.user()
    silent = victim.attacker(victim.identity(user))
    served = silent.join()
    ask_all(silent)
    t.check("no receipt: asked for one, then refused, one piece lost",
            served and refused_with(victim, silent, {9}) and silent.asked and
            silent.received_bytes == PIECE, (silent.refusals, silent.received_bytes, silent.asked))
    again = victim.attacker(victim.identity(user))
    again.join(3)
    ask_all(again)
    again.drain(2)
    t.check("who was refused gets nothing more with the same key", again.received_bytes == 0,
            again.received_bytes)

    replay = victim.attacker()
    served = replay.join() and honest_start(replay)
    ask_all(replay, 1)
    replay.pump(10, lambda: replay.received_bytes >= 3 * PIECE)  # what one receipt gives room for
    before = replay.received_bytes
    try:
        replay.give_receipt([0])
        replay.give_receipt([0])
    except raw_peer.Closed:
        pass
    gone = not replay.drain(TIMEOUT_S + 6)
    t.check("a receipt sent again gives no room: two pieces lost at most",
            served and gone and before == replay.received_bytes == 3 * PIECE,
            (before, replay.received_bytes, replay.refusals))

    last = victim.attacker()
    served = last.join() and honest_start(last, PIECES - 8)
    ask_all(last, PIECES - 8)
    last.drain(TIMEOUT_S + 6)
    lost = last.received_bytes - (PIECES - 8) * PIECE
    t.check("silent at the last pieces: near the end the limit has shrunk to half of what is left",
            served and 0 < lost <= 4 * PIECE, lost / PIECE)


def flood(victim):
    peer = victim.attacker()
    served = peer.join() and honest_start(peer)
    try:
        for _ in range(3000):
            peer.give_receipt([0])
    except raw_peer.Closed:
        pass
    gone = not peer.drain(20)
    t.check("a flood of receipts is cut off", served and gone and peer.received_bytes <= 2 * PIECE,
            (peer.refusals, peer.received_bytes))


def main():
    with t.Daemon() as daemon:
        sign = signing.Helper()
        victim = Victim(daemon, sign)
        before = daemon.get("/user/alice").json()
        attacks_on_identity(victim)
        attacks_on_receipts(victim)
        stalls(victim)
        flood(victim)
        fresh = victim.attacker()
        t.check("after all of it an honest peer is served", victim.alive() and fresh.join() and
                honest_start(fresh, 4))
        fresh.drain(1)
        fresh.close()
        t.check("the victim stops cleanly and reports", victim.peer.stop() == 0,
                victim.peer.text()[-1500:])
        after = daemon.get("/user/alice").json()
        # Signed for: bob 1, replay 1, last PIECES - 8, flood 1, fresh 4.
        signed = (1 + 1 + (PIECES - 8) + 1 + 4) * PIECE
        t.check("the victim is credited with what was signed for, to the byte",
                after["up_bytes"] - before["up_bytes"] == signed,
                [(daemon.get(f"/user/cheat{n}").json().get("down_bytes", 0) / PIECE, n)
                 for n in range(1, victim.number + 1)])
        sign.close()
    t.finish()


main()
