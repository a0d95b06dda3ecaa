#!/usr/bin/env python3
# build: asan release
# timeout: 240
"""Reports and the ledger through the REST API: what is credited, held, a duplicate or refused."""
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s
from rest import fields, refused

GIB = 1 << 30
PIECE = 16384


def verdicts(answer):
    return [x["status"] + ("/" + x["code"] if "code" in x else "") for x in
            answer.json()["statements"]]


def outcome(test, answer, credited=0, held=0, duplicates=0, refused_count=0, pieces=None):
    got = answer.json() if answer.status == 200 else {}
    good = (got.get("success") is True and got["credited"]["bytes"] == credited and
            got["credited"]["statements"] == sum(x["pieces"] > 0 for x in got["statements"]) and
            got["held"]["bytes"] == held and got["duplicates"] == duplicates and
            got["refused"] == refused_count and
            (pieces is None or got["credited"]["pieces"] == pieces))
    t.check(test, good, answer)


def reports(helper, daemon):
    alice, bob, carol = (s.Signer(helper, daemon, uid) for uid in ("alice", "bob", "carol"))
    torrent = s.Torrent("payload")
    alice.add_torrent(torrent)
    first = bob.cumulative(alice, torrent, range(10))
    answer = alice.report([first])
    outcome("a cumulative receipt is credited", answer, credited=10 * PIECE, pieces=10)
    t.check("the answer has the submitter's totals", answer.json()["totals"] ==
            {"up": GIB + 10 * PIECE, "down": 0, "held": 0, "ratio": None}, answer)
    t.check("and what became of the statement", answer.json()["statements"] ==
            [{"index": 0, "status": "credited", "credited_bytes": 10 * PIECE, "held_bytes": 0,
              "pieces": 10, "duplicates": 0}], answer)
    t.check("the receiver's debit is the same", bob.user()["down_bytes"] == 10 * PIECE)
    t.check("its ratio is a number now", bob.user()["ratio"] == GIB / (10 * PIECE))
    again = alice.report([first])
    outcome("the same report again changes nothing and says so", again, duplicates=10)
    t.check("and calls it a duplicate", verdicts(again) == ["duplicate"])
    grown = bob.cumulative(alice, torrent, range(20))
    outcome("a grown statement credits what is new, in bencode too",
            alice.report([grown], encoding="bencode"), credited=torrent.total - 10 * PIECE,
            duplicates=10, pieces=10)
    outcome("a piece in the other form is the same piece", alice.report(
        [bob.piece(alice, torrent, 3)]), duplicates=1)
    outcome("one receipt fifty times counts once", alice.report(
        [carol.piece(alice, torrent, 5)] * 50), credited=PIECE, duplicates=49)
    outcome("anybody may hand in the receipts", carol.report(
        [bob.cumulative(carol, torrent, [0]), carol.cumulative(bob, torrent, [19])]),
        credited=PIECE + 1000)
    bad_statements(alice, bob, carol, torrent)
    bad_reports(daemon, alice, bob, torrent, helper)
    aggregates(alice, bob, carol)
    return alice, bob, carol, torrent


def bad_statements(alice, bob, carol, torrent):
    stranger = s.Signer(bob.sign, bob.daemon, "stranger", register=False)
    other = s.Torrent("other")
    hour = s.epoch()
    wrong_bits = {**carol.cumulative(alice, torrent, [1]), "bitmap": s.b64(b"\xff" * 4)}
    table = [
        ("BAD_SIGNATURE", carol.cumulative(alice, torrent, [1], by=bob)),
        ("BAD_SIGNATURE", {**carol.cumulative(alice, torrent, [1]), "epoch": hour - 1}),
        ("UNKNOWN_RECEIVER", stranger.cumulative(alice, torrent, [1])),
        ("UNKNOWN_SENDER", carol.cumulative(stranger, torrent, [1])),
        ("SELF_TRANSFER", alice.cumulative(alice, torrent, [1])),
        ("UNKNOWN_TORRENT", carol.cumulative(alice, other, [1])),
        ("EPOCH_FUTURE", carol.cumulative(alice, torrent, [1], at=hour + 1)),
        ("EPOCH_EXPIRED", carol.cumulative(alice, torrent, [1], at=hour - 721)),
        ("FOREIGN_INSTANCE", carol.cumulative(alice, torrent, [1], iid="ab" * 32)),
        ("BAD_PIECES", wrong_bits),
        ("NO_PIECES", carol.cumulative(alice, torrent, [])),
    ]
    answer = alice.report([x for _, x in table] + [carol.cumulative(alice, torrent, [1])])
    outcome("bad statements do not spoil the good one", answer, credited=PIECE,
            refused_count=len(table))
    for (code, _), verdict in zip(table, verdicts(answer)):
        t.check(f"a statement is refused with {code}", verdict == "refused/" + code, verdict)
    t.check("each refusal has a sentence", all(
        len(x["error"]) > 10 for x in answer.json()["statements"][:-1]), answer)


def bad_reports(daemon, alice, bob, torrent, helper):
    good, encoded = alice.report_body([bob.piece(alice, torrent, 7)])
    before = alice.user()
    refused("a report signed by another is refused", daemon.post(
        "/report", {**good, "user_id": "bob"}), 401, "BAD_SIGNATURE")
    refused("a report of a stranger is refused", daemon.post(
        "/report", {**good, "user_id": "nobody"}), 404, "UNKNOWN_USER")
    refused("an old report is refused", alice.report(good["statements"], at=s.now() - 400), 401,
            "STALE_TIME")
    for field in good:
        refused(f"a report without {field} is refused", daemon.post(
            "/report", {k: v for k, v in good.items() if k != field}), 400, "MALFORMED")
    refused("a report with an unknown name is refused", daemon.post(
        "/report", {**good, "uploaded": 5}), 400, "MALFORMED")
    for name, data in (("cut", encoded[:-1]), ("with bytes after it", encoded + b"e"),
                       ("that is a list", b"le"), ("of nothing", b"")):
        refused(f"a bencoded report {name} is refused", daemon.post(
            "/report", data, "application/x-bencode"), 400, "MALFORMED")
    answer = daemon.post("/report", {**good, "statements": [5]})
    t.check("the decoder's sentence is in the error", "statement" in answer.json()["error"], answer)
    statement = {k: v for k, v in bob.piece(alice, torrent, 7).items() if k != "signature"}
    refused("10,001 statements are one too many", daemon.post(
        "/report", {**good, "statements": [statement] * 10001}), 400, "LIMIT")
    t.check("none of these changed anything", alice.user() == before)


def aggregates(alice, bob, carol):
    torrent = s.Torrent("aggregated")
    alice.add_torrent(torrent)
    statements = [bob.cumulative(alice, torrent, range(4)), carol.cumulative(alice, torrent, [9])]
    one = alice.sign("aggregate", signatures=[x["signature"] for x in statements])["signature"]
    bare = [{k: v for k, v in x.items() if k != "signature"} for x in statements]
    spoiled = alice.report([bare[0], bare[1], bob.piece(alice, torrent, 8)], aggregate=statements[
        0]["signature"])
    outcome("a wrong aggregate spoils what hangs on it, and no more", spoiled, credited=PIECE,
            refused_count=2)
    for encoding, credited, duplicates in (("bencode", 5 * PIECE, 0), ("json", 0, 5)):
        outcome(f"one aggregate signature serves all, in {encoding}", alice.report(
            bare, encoding=encoding, aggregate=one), credited=credited, duplicates=duplicates)


def prototype_shape(daemon, alice, bob):
    torrent = s.Torrent("prototype")
    alice.add_torrent(torrent)
    receipts = [bob.legacy_receipt(alice, torrent, i) for i in range(3)]
    body = {"user_id": "alice", "receipts": receipts, "uploaded": 10 ** 15, "downloaded": 0}
    answer = daemon.post("/report", body)
    outcome("the prototype's receipts are credited, its claims are not", answer,
            credited=3 * PIECE, pieces=3)
    wrong = {**receipts[0], "piece_hash": torrent.hashes[1].hex()}
    answer = daemon.post("/report", {**body, "receipts": [wrong, receipts[1]]})
    t.check("a wrong piece hash is refused, the other a duplicate",
            verdicts(answer) == ["refused/PIECE_HASH_WRONG", "duplicate"], answer)
    verify_receipts(daemon, alice, bob, torrent)


def verify_receipts(daemon, alice, bob, torrent):
    statement, receipt = bob.cumulative(alice, torrent, [11]), bob.legacy_receipt(alice, torrent, 12)
    before = alice.user()
    good = {"success": True, "valid": True}
    no_sender = {k: v for k, v in statement.items() if k != "sender"}
    for test, body in (("a statement", statement), ("a wrapped statement", {"receipt": statement}),
                       ("a piece statement", bob.piece(alice, torrent, 5)),
                       ("the prototype's receipt", receipt),
                       ("a statement without sender, with user_id", {**no_sender,
                                                                     "user_id": "alice"}),
                       ("the same, wrapped", {"receipt": no_sender, "user_id": "alice"})):
        answer = daemon.post("/verify-receipt", body)
        t.check(f"verify-receipt takes {test}", answer.status == 200 and answer.json() == good,
                answer)
    for test, body, code in (
            ("another's signature", {**statement, "receiver": "carol"}, "BAD_SIGNATURE"),
            ("an unknown sender", {**no_sender, "user_id": "nobody"}, "UNKNOWN_SENDER"),
            ("no sender at all", no_sender, "UNKNOWN_SENDER"),
            ("no signature", {k: v for k, v in statement.items() if k != "signature"},
             "BAD_SIGNATURE"),
            ("another piece hash", {**receipt, "piece_hash": "00" * 20}, "PIECE_HASH_WRONG")):
        got = daemon.post("/verify-receipt", body).json()
        t.check(f"verify-receipt says no to {test}",
                got["success"] is True and got["valid"] is False and got["code"] == code, got)
    for test, body in (("an empty object", {}), ("a list of receipts", {"receipt": [receipt]}),
                       ("no bitmap", {k: v for k, v in statement.items() if k != "bitmap"})):
        refused(f"verify-receipt refuses {test}", daemon.post("/verify-receipt", body), 400,
                "MALFORMED")
    refused("verify-receipt refuses a bad user_id", daemon.post(
        "/verify-receipt", {**no_sender, "user_id": "<b>"}), 400, "UID_INVALID")
    t.check("verify-receipt changes nothing", alice.user() == before)


def held_credit(daemon, alice, helper):
    """An account without credit signs for more than its overdraft."""
    daemon.post("/config", {"init_credit_bytes": 0, "overdraft_bytes": 4 * PIECE},
                headers=daemon.admin())
    eve, torrent = s.Signer(helper, daemon, "eve"), s.Torrent("held")
    alice.add_torrent(torrent)
    before = alice.user()
    answer = alice.report([eve.cumulative(alice, torrent, range(12))])
    got = answer.json()
    t.check("past the overdraft credit is held", got["held"]["bytes"] > 0 and
            got["credited"]["bytes"] + got["held"]["bytes"] == 12 * PIECE and
            got["totals"]["held"] == got["held"]["bytes"], answer)
    only_held = alice.report([eve.piece(alice, torrent, 15)])
    outcome("then a statement is held alone", only_held, held=PIECE, pieces=1)
    t.check("and is called so", verdicts(only_held) == ["held"], only_held)
    t.check("the debit came at once", daemon.get("/user/eve").json()["down_bytes"] == 13 * PIECE)
    held = alice.user()["held_bytes"]
    owed = daemon.get("/user/eve").json()["owed_bytes"]
    t.check("what one holds the other owes", held == owed > 0, (held, owed))
    refused("an administrator cannot set the debit below what is owed", daemon.post(
        "/contract/update", {"username": "eve", "download_size": 0, "upload_size": 5},
        headers=daemon.admin()), 409, "BELOW_OWED")
    fields("credit for the debtor releases it", daemon.post("/contract/update", {
        "username": "eve", "download_size": 13 * PIECE, "upload_size": GIB},
        headers=daemon.admin()), success=True)
    t.check("exactly once", alice.user()["held_bytes"] == 0 and alice.user()["up_bytes"] ==
            before["up_bytes"] + 13 * PIECE, alice.user())


def contract(daemon, admin):
    status = daemon.get("/contract/status").json()
    t.check("the contract's status", status["configured"] is True and status["kind"] == "local" and
            status["entries"] > 1 and status["sealed"] is False and
            status["reputation_address"] == daemon.get("/params").json()["iid"] and
            status["referrer_address"] == "0" * 64, status)
    fields("init tells the ledger that is there", daemon.post("/contract/init", b"", headers=admin),
           success=True, created=False, reputation_address=status["reputation_address"])
    body = {"username": "dora", "salt": "x", "password_hash": "0x" + "ab" * 32, "download_size": 0,
            "upload_size": 0}
    user = daemon.post("/contract/register", body, headers=admin).json()["user"]
    t.check("register reserves a name in the prototype's shape", user["username"] == "dora" and
            user["salt"] == "" and user["passwordHash"] == "" and user["downloadSize"] == 0 and
            user["ratio"] is None, user)
    t.check("such an account has no key", daemon.get("/user/dora").json()["public_key"] is None)
    answer = daemon.post("/contract/register", {**body, "username": "emil", "upload_size": 3000,
                                                "download_size": 2000}, headers=admin)
    t.check("register with totals sets them", answer.json()["user"]["uploadSize"] == 3000 and
            answer.json()["user"]["ratio"] == 1.5, answer)
    answer = daemon.post("/contract/update", {"username": "dora", "download_size": 500000,
                                              "upload_size": 1000000}, headers=admin)
    t.check("update sets totals", answer.json() == daemon.get("/contract/user/dora").json() and
            answer.json()["user"]["ratio"] == 2.0, answer)
    entries = daemon.get("/contract/status").json()["entries"]
    for test, path, change, status_code, code in (
            ("a name that is taken", "register", {}, 409, "UID_TAKEN"),
            ("a bad name", "register", {"username": "<i>"}, 400, "UID_INVALID"),
            ("a negative total", "register", {"username": "f", "upload_size": -1}, 400, "MALFORMED"),
            ("a total of 2^61 + 1", "register", {"username": "f", "upload_size": (1 << 61) + 1}, 400,
             "MALFORMED"),
            ("a total that is a text", "update", {"upload_size": "5"}, 400, "MALFORMED"),
            ("an unknown user", "update", {"username": "nobody"}, 404, "UNKNOWN_USER"),
            ("a key without proof", "register", {"username": "f", "public_key": s.b64(bytes(96))},
             401, "BAD_SIGNATURE"),
            ("a migration without predecessor", "migrate", {}, 409, "NO_PREDECESSOR")):
        refused(f"contract refuses {test}", daemon.post(
            f"/contract/{path}", {**body, **change}, headers=admin), status_code, code)
    refused("update needs both totals", daemon.post("/contract/update", {
        "username": "dora", "upload_size": 5}, headers=admin), 400, "MALFORMED")
    t.check("none of these wrote an entry",
            daemon.get("/contract/status").json()["entries"] == entries)
    for path in ("init", "register", "update", "migrate"):
        refused(f"contract/{path} is the administrator's", daemon.post(f"/contract/{path}", body),
                401, "ADMIN_ONLY")
    refused("an unknown account is not found", daemon.get("/contract/user/nobody"), 404,
            "UNKNOWN_USER")


def races(helper, daemon, alice, bob):
    """The same thing asked many times at once happens once."""
    torrent = s.Torrent("raced")
    alice.add_torrent(torrent)
    before = alice.user()["up_bytes"]
    body, _ = alice.report_body([bob.cumulative(alice, torrent, range(20))])
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: daemon.post("/report", body).json(), range(24)))
        t.check("one report sent 24 times at once is credited once", sorted(
            x["credited"]["bytes"] for x in answers) == [0] * 23 + [torrent.total] and
            sum(x["duplicates"] for x in answers) == 23 * 20, answers[:2])
        t.check("and the sender has it once", alice.user()["up_bytes"] == before + torrent.total)
        racer = s.Signer(helper, daemon, "racer", register=False)
        form = racer.registration()
        codes = list(pool.map(lambda _: daemon.post("/register", form).status, range(16)))
        t.check("of 16 registrations of one name one wins", sorted(codes) == [200] + [409] * 15,
                codes)
        headers = racer.authorization("POST", "/passkey")
        codes = list(pool.map(lambda _: daemon.post("/passkey", b"", headers=headers).status,
                              range(16)))
        t.check("of 16 copies of one rotation one counts", sorted(codes) == [200] + [401] * 15,
                codes)


def survives(daemon):
    kept = [daemon.get("/user/" + u).json() for u in ("alice", "bob", "carol", "eve", "dora")]
    daemon.kill()
    daemon.start()
    now = [daemon.get("/user/" + u).json() for u in ("alice", "bob", "carol", "eve", "dora")]
    for user in kept + now:
        user["allowance_bytes"] = None  # follows the policy, which is the file's again
    t.check("after kill -9 all totals are there", kept == now, (kept, now))


def main():
    helper = s.Helper()
    with t.Daemon() as daemon:
        alice, bob, _, _ = reports(helper, daemon)
        prototype_shape(daemon, alice, bob)
        held_credit(daemon, alice, helper)
        contract(daemon, daemon.admin())
        races(helper, daemon, alice, bob)
        survives(daemon)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
