#!/usr/bin/env python3
# build: asan tsan
# timeout: 240
"""The rules of money over HTTP: reports that race on several connections, in both encodings, count
once; held credit is released once; the limits of a report."""
import http.client
import json
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402

KINDS = ("application/json", "application/x-bencode")
INIT = 1 << 20
STATEMENTS_MAX = 10_000
BIG = s.Torrent("money.big", pieces=1200, piece_length=16384, last=5)


def bodies(reports):
    """One report made twice, as (kind, bytes)."""
    as_json, as_bencode = reports
    return [(KINDS[0], json.dumps(as_json).encode()), (KINDS[1], as_bencode)]


def race(daemon, requests):
    """Send all bodies at once, each on a connection of its own that is open already."""
    answers, gate = [None] * len(requests), threading.Barrier(len(requests))

    def send(at, kind, body):
        connection = http.client.HTTPConnection(daemon.address, daemon.port, timeout=60)
        connection.connect()
        gate.wait()
        connection.request("POST", "/report", body, {"Content-Type": kind})
        reply = connection.getresponse()
        answers[at] = t.Answer(reply.status, reply.read(), reply.headers)
        connection.close()

    t.threads([lambda at=at, kind=kind, body=body: send(at, kind, body)
               for at, (kind, body) in enumerate(requests)])
    return answers


def counted(answers):
    """Pieces, credited and held bytes, duplicates, refused statements; summed over answers."""
    if any(answer.status != 200 for answer in answers):
        raise RuntimeError(f"a report was not answered 200: {answers}")
    said = [answer.json() for answer in answers]
    return (sum(a["credited"]["pieces"] for a in said), sum(a["credited"]["bytes"] for a in said),
            sum(a["held"]["bytes"] for a in said), sum(a["duplicates"] for a in said),
            sum(a["refused"] for a in said))


def size(torrent, pieces):
    return sum(torrent.sizes[i] for i in pieces)


def balance(*users):
    """Rule 5 over some users: zero when they dealt only with each other."""
    total = 0
    for user in users:
        now = user.user()
        total += now["up_bytes"] + now["held_bytes"] - now["granted_bytes"] - now["down_bytes"]
    return total


def one_receipt_races(daemon, alice, bob, torrent):
    """Two and ten reports of one receipt, in both encodings at once, again and again."""
    wrong, at = [], 0
    for rounds, width in ((10, 2), (6, 10)):
        for _ in range(rounds):
            pieces = range(at, at + 3)
            at += 3
            both = bodies(alice.report_body([bob.piece(alice, torrent, i) for i in pieces]))
            before = alice.user()["up_bytes"]
            got = counted(race(daemon, (both * width)[:width]))
            grown = alice.user()["up_bytes"] - before
            want = (3, size(torrent, pieces), 0, 3 * (width - 1), 0)
            if got != want or grown != size(torrent, pieces):
                wrong.append((width, got, want, grown))
    t.check("of two and of ten racing reports of one receipt exactly one counts", not wrong, wrong)


def forms_race(daemon, alice, bob, torrent):
    """The same pieces as single receipts, as growing sets, in batches, by two session keys, and in
    the prototype's shape."""
    pieces = list(range(10))
    requests = [(KINDS[0], json.dumps({"user_id": alice.uid, "receipts": [
        bob.legacy_receipt(alice, torrent, i) for i in pieces[:4]]}).encode())]
    for upto in (4, 7, 10):
        requests += bodies(alice.report_body([bob.cumulative(alice, torrent, pieces[:upto])]))
    for i in pieces:
        requests += bodies(alice.report_body([bob.piece(alice, torrent, i)]))[i % 2:i % 2 + 1]
    for part in (pieces[:5], pieces[5:]):
        requests += bodies(alice.report_body([bob.batch(alice, torrent, part)]))
        requests += bodies(alice.report_body([bob.session(alice, torrent).pieces(part)]))
    before, named = alice.user()["up_bytes"], 4 + 2 * (4 + 7 + 10) + 10 + 4 * 10
    got = counted(race(daemon, requests))
    grown = alice.user()["up_bytes"] - before
    t.check("pieces that race in all forms count once each",
            got == (10, size(torrent, pieces), 0, named - 10, 0) and grown == size(torrent, pieces),
            (got, grown))


def two_senders_race(daemon, alice, bob, carol, torrent):
    """A receiver that signed one piece for two senders owes both, whoever comes first."""
    before = bob.user()["down_bytes"]
    requests = []
    for sender in (alice, carol):
        requests += bodies(sender.report_body([bob.piece(sender, torrent, 11)])) * 2
    got = counted(race(daemon, requests))
    grown = bob.user()["down_bytes"] - before
    t.check("one piece signed for two senders is owed to both, once each",
            got[:2] == (2, 2 * torrent.sizes[11]) and got[3] == 6 and
            grown == 2 * torrent.sizes[11], (got, grown))


def held_credit_races(daemon, helper):
    """A receiver takes more than it may; then many racing reports make it recover. Twice, with
    another sender, so that what was released stays released."""
    taker = s.Signer(helper, daemon, "held.r")
    others = [s.Signer(helper, daemon, f"held.t{n}") for n in range(8)]
    senders = []
    for turn, taken in (("first", 160), ("second", 700)):
        senders.append(s.Signer(helper, daemon, f"held.{turn}"))
        torrent = s_torrent(senders[-1], f"money.held.{turn}", 800)
        hold(daemon, senders[-1], taker, torrent, taken, turn)
        recover(daemon, senders[-1], taker, others, torrent, taken, turn)
    kept = senders[0].user()
    t.check("what the first sender got stays as it was",
            kept["up_bytes"] == INIT + 160 * 16384 and kept["held_bytes"] == 0, kept)
    t.check("the sum over all of them is zero", balance(taker, *senders, *others) == 0)


def hold(daemon, sender, taker, torrent, taken, turn):
    """In five reports of different pieces, each sent twice at once."""
    part, before, requests = taken // 5, taker.user()["down_bytes"], []
    for n in range(5):
        requests += bodies(sender.report_body([taker.cumulative(
            sender, torrent, range(n * part, n * part + part))]))
    got, now, owing = counted(race(daemon, requests)), sender.user(), taker.user()
    size_all = size(torrent, range(taken))
    t.check(f"the {turn} time what the receiver's balance does not cover is held, as its debit",
            got[1] + got[2] == size_all and now["held_bytes"] == got[2] > 0 and
            owing["owed_bytes"] == got[2] and owing["down_bytes"] == before + size_all and
            now["up_bytes"] == INIT + got[1], (got, now, owing))


def recover(daemon, sender, taker, others, torrent, taken, turn):
    """The receiver serves others: a little, then enough."""
    held, up = sender.user()["held_bytes"], taker.user()["up_bytes"]
    requests = []
    for n, other in enumerate(others):
        pieces = range(8 * n, 8 * n + 8)
        requests += bodies(taker.report_body([other.cumulative(taker, torrent, pieces)]))
        requests += bodies(taker.report_body([other.piece(taker, torrent, i) for i in pieces]))
    got, now, owing = counted(race(daemon, requests)), sender.user(), taker.user()
    t.check(f"the {turn} time the racing reports count once each",
            got[:3] == (64, 64 * 16384, 0) and owing["up_bytes"] == up + 64 * 16384, got)
    t.check(f"the {turn} time held credit moves to its sender's credit exactly once",
            now["up_bytes"] + now["held_bytes"] == INIT + size(torrent, range(taken)) and
            now["held_bytes"] == owing["owed_bytes"] < held, (held, now, owing))
    requests = []
    for n, other in enumerate(others):
        requests += bodies(taker.report_body([other.cumulative(taker, torrent, range(
            64 + 24 * n, 64 + 24 * n + 24))]))
    race(daemon, requests)
    now, owing = sender.user(), taker.user()
    t.check(f"the {turn} time nothing is held when the receiver has recovered",
            now["held_bytes"] == owing["owed_bytes"] == 0 and
            now["up_bytes"] == INIT + size(torrent, range(taken)), (now, owing))


def largest_report(alice, bob):
    """10,000 statements of 1,000 pieces; one more is refused and changes nothing."""
    receipts = [bob.piece(alice, BIG, i) for i in range(1000)]
    as_json, as_bencode = alice.report_body(receipts * 10)
    at_limit = alice.daemon.post("/report", as_bencode, KINDS[1], timeout=120)
    got = counted([at_limit])
    t.check("10,000 statements are read, and each of 1,000 pieces counts once",
            len(as_json["statements"]) == STATEMENTS_MAX == len(at_limit.json()["statements"]) and
            got == (1000, size(BIG, range(1000)), 0, 9000, 0), got)
    before = alice.user()
    more = {**as_json, "statements": as_json["statements"] + [bob.piece(alice, BIG, 1000)]}
    over_json = alice.daemon.post("/report", more, timeout=120)
    begin = as_bencode.index(b"1:ll") + 3
    over_bencode = as_bencode[:begin + 1] + one_statement(as_bencode, begin) + \
        as_bencode[begin + 1:]
    over_bencode = alice.daemon.post("/report", over_bencode, KINDS[1], timeout=120)
    for kind, answer in (("JSON", over_json), ("bencode", over_bencode)):
        t.check(f"10,001 statements in {kind} are refused and change nothing",
                answer.status == 400 and answer.json()["code"] == "LIMIT" and
                alice.user() == before, answer)


def one_statement(body, begin):
    """The first dictionary of the list at `begin`: found by its length, they all end in "x"."""
    end = body.index(b"1:x48:", begin) + len(b"1:x48:") + 48 + 1
    return body[begin + 1:end]


def aggregates(alice, bob, carol, torrent):
    """One signature for many statements, of two receivers."""
    def unsigned(statement):
        return {k: v for k, v in statement.items() if k != "signature"}
    made = [who.cumulative(alice, torrent, range(20, 40)) for who in (bob, carol)]
    made += [bob.piece(alice, torrent, i) for i in range(40, 45)]
    session = bob.session(alice, torrent)       # its certificate is signed for twice
    made += [bob.batch(alice, torrent, range(60, 70)), session.pieces(range(70, 75)),
             session.pieces(range(75, 78))]
    total = alice.sign("aggregate", signatures=[m["signature"] for m in made])["signature"]
    plain = [unsigned(m) for m in made]
    bad = [{**plain[0], "bitmap": s.b64(torrent.bitmap(range(20, 41)))}, *plain[1:]]
    for kind in ("json", "bencode"):
        got = counted([alice.report(bad, kind, aggregate=total)])
        t.check(f"an aggregate over something else counts nothing ({kind})",
                got == (0, 0, 0, 0, len(made)), got)
    first = counted([alice.report(plain, "bencode", aggregate=total)])
    again = counted([alice.report(plain, "json", aggregate=total)])
    credited = 2 * size(torrent, range(20, 40)) + size(torrent, range(40, 45)) + \
        size(torrent, range(60, 78))
    t.check("an aggregate signature stands for all statements of all forms",
            first == (63, credited, 0, 0, 0), first)
    t.check("the same again in the other encoding says duplicate",
            again == (0, 0, 0, 63, 0), again)


def same_report_twice(alice, bob, torrent):
    _, body = alice.report_body([bob.piece(alice, torrent, 50), bob.piece(alice, torrent, 51)])
    first = alice.daemon.post("/report", body, KINDS[1]).json()
    before = alice.user()
    second = alice.daemon.post("/report", body, KINDS[1]).json()
    t.check("the first time says credited, the second duplicate, and nothing changes",
            [x["status"] for x in first["statements"]] == ["credited"] * 2 and
            [x["status"] for x in second["statements"]] == ["duplicate"] * 2 and
            second["success"] is True and second["duplicates"] == 2 and
            second["credited"] == {"statements": 0, "pieces": 0, "bytes": 0} and
            alice.user() == before, second)


def bad_among_good(daemon, alice, bob, torrent):
    """While good reports race, one with a forged statement among good ones loses only that one."""
    mallory = s.Signer(alice.sign, daemon, "mallory")
    forged = bob.cumulative(alice, torrent, range(55, 60), by=mallory)
    good = bob.piece(alice, torrent, 54)
    requests = bodies(alice.report_body([forged, good])) * 3
    answers = race(daemon, requests)
    got = counted(answers)
    first = answers[0].json()["statements"]
    t.check("a forged statement among good ones is named, the good one counts once",
            got == (1, torrent.sizes[54], 0, 5, 6) and first[0]["code"] == "BAD_SIGNATURE" and
            first[0]["status"] == "refused" and mallory.user()["down_bytes"] == 0, (got, first))


def main():
    helper = s.Helper()
    daemon = t.Daemon("--workers", "2", "--rest-threads", "8", "--init-credit-bytes", str(INIT),
                      "--overdraft-bytes", "0", "--deficit-max-bytes", "0")
    with daemon:
        alice, bob, carol = (s.Signer(helper, daemon, uid) for uid in ("alice", "bob", "carol"))
        torrent = s.Torrent("money", pieces=100, piece_length=16384, last=100)
        for made in (torrent, BIG):
            t.check(f"torrent {made.info['name']} is added", alice.add_torrent(made).status == 200)
        one_receipt_races(daemon, alice, bob, s_torrent(alice, "money.race", 100))
        forms_race(daemon, alice, bob, torrent)
        two_senders_race(daemon, alice, bob, carol, torrent)
        aggregates(alice, bob, carol, torrent)
        same_report_twice(alice, bob, torrent)
        bad_among_good(daemon, alice, bob, torrent)
        held_credit_races(daemon, helper)
        daemon.post("/config", {"overdraft_bytes": 1 << 40}, headers=daemon.admin())
        largest_report(alice, bob)
        t.check("the sum over the first three is zero", balance(alice, bob, carol) == 0)
        t.check("the daemon ends cleanly", daemon.stop() == 0, daemon.text()[-1000:])
    ledger = t.pbts("ledger", "verify", "--data", daemon.data, check_exit=False)
    t.check("pbts ledger verify passes", ledger.returncode == 0, ledger.stdout + ledger.stderr)
    t.finish()


def s_torrent(user, name, pieces):
    made = s.Torrent(name, pieces, 16384, 16384)
    user.add_torrent(made)
    return made


if __name__ == "__main__":
    main()
