#!/usr/bin/env python3
# build: asan tsan
# timeout: 180
"""CPU time for signatures: what strangers at one address may cause, what one user may, and that
neither is the other's. The budgets here are small, so that few requests are too many."""
import itertools
import sys
import time
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s
from rest import refused

BUDGET_MS = 60          # a minute; about sixty pairings, and one more comes back each second
TRIES = 400             # far more than that
TORRENT = s.Torrent("work", pieces=400)


def via(address):
    return {"X-Forwarded-For": address}


def until_refused(ask):
    """How many were answered before a 429, and that; None when none came."""
    for count in range(TRIES):
        answer = ask()
        if answer.status == 429:
            return count, answer
    return TRIES, None


def exhaust(name, ask):
    count, answer = until_refused(ask)
    t.check(f"{name}: some are answered", count >= 3, (count, answer))
    if not t.check(f"{name}: but not without end", answer is not None, count):
        return
    refused(f"{name}: the refusal says what it is", answer, 429, "TOO_OFTEN")
    t.check(f"{name}: and when to come again", 1 <= int(answer.headers["Retry-After"]) <= 3660,
            answer.headers["Retry-After"])


def owe_much(ask_much):
    """What is owed after exhaust would come back in a moment: one long report, as soon as it may, makes
    it most of a minute or more."""
    t.check("a long report makes it much", t.wait_until(lambda: ask_much().status == 200, 60))


def signed_announce(user, address, at):
    """Its body. Each announce of a user needs a later time."""
    made = user.sign("announce", secret=user.secret, iid=user.iid, infohash=TORRENT.infohash,
                     event=0, time=at)["signature"]
    path = (f"/announce?info_hash={quote(bytes.fromhex(TORRENT.infohash))}&peer_id={'w' * 20}"
            f"&port=6881&left=5&uid={user.uid}&pk={quote(user.key, safe='')}&time={at}"
            f"&sig={quote(made, safe='')}")
    return user.daemon.get(path, headers=via(address)).body


# ---- strangers ----

def strangers(daemon, helper, alice, bob):
    legacy = bob.legacy_receipt(alice, TORRENT, 0)
    address = "203.0.113.1"

    def verify():
        return daemon.post("/verify-receipt", {"receipt": legacy}, headers=via(address))
    t.check("a good receipt is good for a stranger", verify().json()["valid"] is True)
    exhaust("verified receipts", verify)
    long = {"user_id": "bob", "receipts": [alice.legacy_receipt(bob, TORRENT, i) for i in range(100)] * 2}
    owe_much(lambda: daemon.post("/report", long, headers=via(address)))
    carol = s.Signer(helper, daemon, "carol", register=False)
    sign = alice.authorization("GET", "/torrents")
    for name, answer in (
            ("registering", carol.register(headers=via(address))),
            ("a report in the prototype's shape", daemon.post(
                "/report", {"user_id": "alice", "receipts": [legacy]}, headers=via(address))),
            ("a signed report", daemon.post("/report", alice.report_body(
                [bob.piece(alice, TORRENT, 1)])[0], headers=via(address))),
            ("a signed request", daemon.get("/torrents", headers={**via(address), **sign}))):
        refused(f"then {name} waits from there", answer, 429, "TOO_OFTEN")
    body = signed_announce(alice, address, s.now())
    t.check("a signed announce is told when to come again",
            b"failure reason" in body and b"8:retry ini1e" in body, body)
    t.check("a passkey costs nothing and goes on", b"8:interval" in daemon.get(
        f"/announce/{alice.passkey}?info_hash={quote(bytes.fromhex(TORRENT.infohash))}"
        f"&peer_id={'p' * 20}&port=6881&left=5", headers=via(address)).body)
    t.check("reading goes on", daemon.get("/user/alice", headers=via(address)).status == 200)
    t.check("another address is served", daemon.post(
        "/verify-receipt", {"receipt": legacy}, headers=via("203.0.113.2")).status == 200)
    t.check("loopback has no budget", all(daemon.post(
        "/verify-receipt", {"receipt": legacy}).status == 200 for _ in range(150)))


def prototypes_reports(daemon, alice, bob):
    """One is let through however long it is, and paid for by those that follow."""
    receipts = [bob.legacy_receipt(alice, TORRENT, i) for i in range(TORRENT.pieces)]
    body = {"user_id": "alice", "receipts": receipts * 5}
    headers = via("203.0.113.3")
    answer = daemon.post("/report", body, headers=headers)
    t.check("a long report of an address that has its budget counts", answer.status == 200 and
            answer.json()["credited"]["pieces"] == TORRENT.pieces, answer)
    answer = daemon.post("/report", body, headers=headers)
    refused("the next one waits", answer, 429, "TOO_OFTEN")
    t.check("for as long as the first one cost more than there was",
            int(answer.headers["Retry-After"]) > 30, answer.headers["Retry-After"])
    answer = daemon.post("/report", body, headers=via("2001:db8::1"))
    t.check("an IPv6 address may", answer.status == 200, answer)
    refused("its neighbour in the /64 is the same", daemon.post(
        "/report", body, headers=via("2001:db8::ffff:2")), 429, "TOO_OFTEN")


# ---- users ----

def users(daemon, alice, bob):
    """What a user signs is the user's, wherever it comes from, and nobody else's."""
    nat = "203.0.113.10"
    legacy = bob.legacy_receipt(alice, TORRENT, 0)
    statements = [bob.piece(alice, TORRENT, i) for i in range(10)]
    later = itertools.count(s.now() + 1)

    def report(address, what=statements):
        return daemon.post("/report", alice.report_body(what, at=next(later))[0], headers=via(address))
    exhaust("reports of one user", lambda: report(nat))
    long = [bob.piece(alice, TORRENT, i) for i in range(TORRENT.pieces)]
    owe_much(lambda: time.sleep(0.5) or report(nat, long))
    refused("from another address too", report("203.0.113.11"), 429, "TOO_OFTEN")
    answer = daemon.post("/report", bob.report_body([alice.piece(bob, TORRENT, 0)])[0],
                         headers=via(nat))
    t.check("those who share the address report as before", answer.status == 200, answer)
    t.check("and its strangers have their budget", daemon.post(
        "/verify-receipt", {"receipt": legacy}, headers=via(nat)).status == 200)


def announces(daemon, dave, bob):
    nat, at, bodies = "203.0.113.12", s.now(), []
    for n in range(250):
        bodies.append(signed_announce(dave, nat, at + n))
        if b"failure reason" in bodies[-1]:
            break
    t.check("signed announces of one user are limited", len(bodies) > 3 and
            b"8:interval" in bodies[0] and b"too many signatures" in bodies[-1], bodies[-1])
    t.check("those of another behind the same address are not",
            b"8:interval" in signed_announce(bob, nat, s.now()))


def nobody_spends_anothers(daemon, erin, bob):
    """Reports in somebody's name with a bad signature cost the address that sends them."""
    report = erin.report_body([bob.piece(erin, TORRENT, 3)])[0]
    forged = {**report, "time": report["time"] + 1}
    count, answer = until_refused(lambda: daemon.post("/report", forged,
                                                      headers=via("203.0.113.13")))
    t.check("forged reports are stopped", answer is not None and count >= 3, (count, answer))
    answer = daemon.post("/report", report, headers=via("203.0.113.14"))
    t.check("and the user in whose name they were sent reports as before",
            answer.status == 200, answer)


def nobody_spends_by_replay(daemon, frank, bob):
    """Who hears a report on its way, and sends it again and again, pays for that himself."""
    at = s.now()
    heard = frank.report_body([bob.piece(frank, TORRENT, 5)], at=at)[0]
    first = daemon.post("/report", heard, headers=via("203.0.113.15"))
    count, answer = until_refused(lambda: daemon.post("/report", heard,
                                                      headers=via("203.0.113.16")))
    t.check("a report that is sent again and again is stopped", first.status == 200 and
            answer is not None and count >= 3, (first, count, answer))
    sign = frank.authorization("GET", "/torrents")
    count, answer = until_refused(lambda: daemon.get("/torrents", headers={
        **via("203.0.113.17"), **sign}))
    t.check("so is a signed request", answer is not None and count >= 3, (count, answer))
    mine = frank.report_body([bob.piece(frank, TORRENT, 6)], at=at + 1)[0]
    answer = daemon.post("/report", mine, headers=via("203.0.113.15"))
    t.check("and the user whose it was reports as before", answer.status == 200, answer)


def live(daemon, bob, alice):
    admin, headers = daemon.admin(), via("203.0.113.1")
    receipt = {"receipt": bob.legacy_receipt(alice, TORRENT, 0)}
    t.check("the first address has little left", until_refused(lambda: daemon.post(
        "/verify-receipt", receipt, headers=headers))[0] < 20)
    changed = daemon.post("/config", {"address_cpu_ms": 0}, headers=admin)
    t.check("the budget may change at run time", changed.status == 200, changed)
    t.check("0 is none, at once", all(daemon.post(
        "/verify-receipt", receipt, headers=headers).status == 200 for _ in range(150)))


def main():
    helper = s.Helper()
    daemon = t.Daemon("--trusted-proxies", "127.0.0.1", "--address-cpu-ms", str(BUDGET_MS),
                      "--user-cpu-ms", str(BUDGET_MS),
                      "--init-credit-bytes", "1T").start()
    alice, bob, dave, erin, frank = (s.Signer(helper, daemon, uid)
                                     for uid in ("alice", "bob", "dave", "erin", "frank"))
    alice.add_torrent(TORRENT)
    strangers(daemon, helper, alice, bob)
    prototypes_reports(daemon, alice, bob)
    users(daemon, alice, bob)
    announces(daemon, dave, bob)
    nobody_spends_anothers(daemon, erin, bob)
    nobody_spends_by_replay(daemon, frank, bob)
    live(daemon, bob, alice)
    t.check("the log tells it, a few lines a second", "event=rest_limited" in daemon.text())
    t.check("the daemon ends well", daemon.stop() == 0, daemon.text()[-500:])
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
