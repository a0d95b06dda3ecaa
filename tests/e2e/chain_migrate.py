#!/usr/bin/env python3
# build: asan
# timeout: 180
"""Accounts outlive their tracker: one that is gone for good is followed by another on an empty machine
with its key and the contract's address alone, that one by a successor with a contract of its own, and
that one by a third, which does not find who never came over. What was on a lost disk alone is nobody
else's afterwards, and a predecessor that goes on by itself keeps nobody out.

Receipts count by the hour. So that an hour passes between two trackers, the contract's epoch is set
back in its slot, as if its last batch had been an hour ago.
"""
import base64
import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import FLAGS, INIT, TORRENT, Scene, announce, credited  # noqa: E402
from commands import asked  # noqa: E402

OLD, NEW = -1, 0    # epochs, relative to now


def hour_passes(chain, contract):
    """Since the contract's last batch."""
    slot = contract.slot(0)
    old = (slot & (1 << 208) - 1) | (slot >> 208) - 1 << 208
    chain.rpc("anvil_setStorageAt", contract.address, k.hex32(0), k.hex32(old))
    chain.mine(3)   # the newest block of before cannot be proved any more


def statuses(answer):
    if answer.status != 200:
        return answer
    return [(x["status"], x.get("code", "")) for x in answer.json()["statements"]]


def totals(users):
    return {u.uid: (u.user()["up_bytes"], u.user()["down_bytes"]) for u in users}


def known_by_passkey(daemon, passkey):
    return b"passkey" not in announce(daemon, passkey)


class Receipts:
    """Bob's, signed by alice in the time of the first tracker."""

    def __init__(self, alice, bob):
        self.counted = alice.piece(bob, TORRENT, 0, s.epoch() + OLD)
        self.late = alice.piece(bob, TORRENT, 1, s.epoch() + OLD)
        self.fresh = alice.piece(bob, TORRENT, 2)


def first_life(helper, chain, factory):
    s.hour_with_room(40)    # the receipts and the contract's last batch are of one
    scene = Scene(helper, chain, factory, "first")
    with a.Miner(chain):
        alice, bob, carol = scene.add_users("alice", "bob", "carol")
        bob.add_torrent(TORRENT)
        receipts = Receipts(alice, bob)
        t.check("a receipt counts", credited(bob.report([receipts.counted])))
        rotate = carol.authorization("POST", "/passkey")
        scene.old_passkey = carol.passkey
        carol.passkey = scene.tracker.post("/passkey", b"", headers=rotate).json()["passkey"]
        scene.agreement.generations["carol"] = 1
        scene.agrees("the first tracker")
    scene.totals = totals(scene.users)
    scene.tracker.kill()
    scene.proxy.stop()
    hour_passes(chain, scene.contract)
    return scene, receipts


def second_life(chain, first, receipts):
    """Only the key and the contract's address."""
    name = "the second tracker"
    tracker = k.ChainTracker(*FLAGS, key=first.tracker.key, name="second")
    tracker.follow(first.contract, [chain.url]).start()
    alice, bob, carol = first.users
    for user in first.users:
        user.daemon = tracker
    t.check(f"{name} is the same instance", tracker.get("/params").json()["iid"] == alice.iid)
    t.check(f"{name} takes every passkey", all(
        known_by_passkey(tracker, u.passkey) for u in first.users))
    t.check(f"{name} refuses the one that was rotated away",
            not known_by_passkey(tracker, first.old_passkey))
    answers = [user.register() for user in first.users]
    t.check(f"{name}: users register again with their keys and keep their passkeys",
            [x.json().get("passkey") for x in answers] == [u.passkey for u in first.users], answers)
    thief = s.Signer(bob.sign, tracker, "bob", register=False).register()
    t.check(f"{name}: a name goes to its key only", thief.status == 409, thief)
    t.check(f"{name} knows all totals", totals(first.users) == first.totals, totals(first.users))
    bob.add_torrent(TORRENT)
    with a.Miner(chain):
        answer = bob.report([receipts.counted, receipts.late])
        t.check(f"{name} refuses receipts that may have counted", statuses(answer) ==
                [("refused", "EPOCH_UNKNOWN_CLAIMS")] * 2, statuses(answer))
        t.check(f"{name} takes a new one", credited(bob.report([receipts.fresh])))
        again = bob.report([receipts.fresh])
        t.check(f"{name} takes it once", statuses(again) == [("duplicate", "")], statuses(again))
        agreement = k.Agreement(tracker, first.contract)
        agreement.generations["carol"] = 1
        agreement.check(name, first.users)
        t.check(f"{name}: the totals moved by that piece", bob.user()["up_bytes"] ==
                first.totals["bob"][0] + TORRENT.sizes[2])
    first.totals = totals(first.users)
    tracker.stop()
    hour_passes(chain, first.contract)
    return tracker


def migrate(chain, factory, old, key):
    """A new contract that follows the old one, which is sealed."""
    with a.Miner(chain):
        made = asked("ledger", "migrate", "--to", "ethereum", "--rpc", chain.url, "--key", key,
                     "--old-key", key, "--from", old.address, "--factory", factory, "--depth", "1",
                     "--yes")
    new = k.Contract(chain, made["contract"])
    state, before = new.state(), old.state()
    t.check("the new contract names the old one, which is sealed for it", state["referrer"] ==
            old.address and before["sealed"] and before["successor"] == new.address,
            (state, before))
    return new


def successor(chain, first, contract, key, receipts):
    name = "the successor"
    tracker = k.ChainTracker(*FLAGS, key=key, name="successor")
    tracker.follow(contract, [chain.url], "--referrer-contract", first.contract.address).start()
    alice, bob, carol = first.users
    old_iid = alice.iid
    params = tracker.get("/params").json()
    t.check(f"{name} is another instance that names its predecessor", params["iid"] ==
            k.instance_id(a.CHAIN_ID, contract.address) and params["predecessor"] == old_iid, params)
    of_old = alice.piece(bob, TORRENT, 3)
    for user in first.users:
        user.daemon, user.iid = tracker, params["iid"]
    registered = [user.register() for user in (alice, bob)]
    t.check(f"{name}: users come over with their keys", [x.status for x in registered] == [200] * 2,
            registered)
    now, had = totals([alice, bob]), {u: first.totals[u] for u in ("alice", "bob")}
    t.check(f"{name}: with their totals", now == had, (now, had))
    bob.add_torrent(TORRENT)
    with a.Miner(chain):
        answer = bob.report([{**receipts.counted, "iid": old_iid}, {**of_old, "iid": old_iid}])
        t.check(f"{name}: of the old instance counts what cannot have counted there",
                statuses(answer) == [("refused", "EPOCH_UNKNOWN_CLAIMS"), ("credited", "")],
                statuses(answer))
        answer = bob.report([{**of_old, "iid": old_iid}])
        t.check(f"{name}: once", statuses(answer) == [("duplicate", "")], statuses(answer))
        t.check(f"{name}: its own receipts count",
                credited(bob.report([alice.piece(bob, TORRENT, 4)])))
        k.Agreement(tracker, contract).check(f"{name}: who came over", [alice, bob])
    t.check(f"{name}: who did not is in the old contract alone",
            contract.account("carol")[3] == "" and first.contract.account("carol")[3] != "")
    t.check(f"{name}: the totals are as they should be", bob.user()["up_bytes"] ==
            had["bob"][0] + TORRENT.sizes[3] + TORRENT.sizes[4])
    first.totals = totals([alice, bob])
    tracker.kill()
    hour_passes(chain, contract)
    return tracker


def second_hop(chain, first, contract, third, key):
    name = "the third contract"
    tracker = k.ChainTracker(*FLAGS, key=key, name="third")
    tracker.follow(third, [chain.url], "--referrer-contract", contract.address).start()
    alice, bob, carol = first.users
    for user in first.users:
        user.daemon, user.iid = tracker, tracker.get("/params").json()["iid"]
        user.register()
    t.check(f"{name}: users of its referrer come over", totals([alice, bob]) == first.totals,
            (totals([alice, bob]), first.totals))
    t.check(f"{name}: who was two contracts back is new here", totals([carol])["carol"] ==
            (INIT, 0), totals([carol]))
    with a.Miner(chain):
        agreement = k.Agreement(tracker, third)
        agreement.check(f"{name}: who is new", [carol])     # the others did not change
    t.check(f"{name}: the tracker ends cleanly", tracker.stop() == 0)


def wrong_successors(chain, first, contract, key):
    """Neither without the referrer, nor with another one, nor on the sealed contract."""
    for name, flags in (("a successor without referrer_contract", ()),
                        ("another referrer", ("--referrer-contract", contract.address))):
        tracker = k.ChainTracker(*FLAGS, key=key, name="wrong")
        tracker.follow(contract, [chain.url], *flags)
        try:
            tracker.start()
            started = True
            tracker.stop()
        except RuntimeError:
            started = False
        t.check(f"{name} is refused", not started and "referrer_contract" in tracker.text(),
                tracker.text())
    tracker = k.ChainTracker(*FLAGS, key=key, name="sealed")
    tracker.follow(first.contract, [chain.url]).start()
    t.check("on a sealed contract it says so", t.wait_until(
        lambda: "sealed" in tracker.ledger()["problem"], 10), tracker.ledger())
    tracker.stop()


# ---- what was on the lost disk alone ----

def number_of(passkey):
    return int.from_bytes(base64.b32decode(passkey.upper())[:4], "big")


def never_written(helper, chain, factory):
    """Who registered while the chain was away is lost with the disk, and their number is the next one's."""
    name = "who was not in the contract yet"
    scene = Scene(helper, chain, factory, "unwritten")
    with a.Miner(chain):
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees(f"before {name}")
        scene.proxy.mode = "close"
        dora, = scene.add_users("dora")
        t.check(f"{name}: has a passkey", known_by_passkey(scene.tracker, dora.passkey))
        scene.tracker.kill()
        scene.proxy.stop()
        tracker = k.ChainTracker(*FLAGS, key=scene.tracker.key, name="unwritten-next")
        tracker.follow(scene.contract, [chain.url]).start()
        thief = s.Signer(helper, tracker, "dora")
        t.check(f"{name}: their number and name are somebody else's now",
                number_of(thief.passkey) == number_of(dora.passkey) == 3)
        t.check(f"{name}: their passkey is not", not known_by_passkey(tracker, dora.passkey) and
                known_by_passkey(tracker, thief.passkey) and thief.passkey != dora.passkey)
        t.check(f"{name}: others' are as they were", all(
            known_by_passkey(tracker, u.passkey) for u in scene.users[:2]))
    t.check(f"{name}: the tracker ends cleanly", tracker.stop() == 0)


# ---- a predecessor that goes on by itself ----

def register_in(chain, contract, owner, user, user_no, word=INIT, key=None):
    row = hashlib.sha256(b"pbts/uid/1" + user.uid.encode()).digest() + k.word(word) + \
        (key or base64.b64decode(user.key)) + user_no.to_bytes(4, "big")
    data = k.call_data("register(uint48,uint48,bytes)", contract.state()["sequence"] + 1,
                       s.epoch() + OLD, 96, len(row))
    chain.transact(owner, contract.address, data + row.ljust(-(-len(row) // 32) * 32, b"\0").hex())


def passed_over(helper, chain, factory):
    """Whoever comes to it after its users were taken over, with a number that is given here; and what its
    owner puts there so that nobody can come up any more, or no newcomer finds a number."""
    name = "a predecessor that goes on"
    owner, key = k.address_of(11), b"\1" + os.urandom(31)
    old = k.make_contract(chain, factory, owner)
    new = k.make_contract(chain, factory, k.address_of(k.writer_secret(key)), old.address)
    chain.mine()
    trackers = []

    def fresh():
        tracker = k.ChainTracker(*FLAGS, key=key, name="goes-on")
        trackers.append(tracker)
        return tracker.follow(new, [chain.url], "--referrer-contract", old.address).start()

    with a.Miner(chain):
        iid = k.instance_id(a.CHAIN_ID, new.address)
        early, late = (s.Signer(helper, None, uid, register=False, iid=iid) for uid in
                       ("early", "late"))
        register_in(chain, old, owner, early, 1)
        newcomer = s.Signer(helper, fresh(), "newcomer")
        t.check(f"{name} is said to be open", "referrer_open" in trackers[0].text())
        t.check(f"{name}: nobody is passed over yet", "passed_over" not in trackers[0].text())
        k.Agreement(trackers[0], new).check(f"{name}: a newcomer", [newcomer])
        trackers[0].kill()
        register_in(chain, old, owner, late, 2)
        traps = ((0, INIT, None), (1 << 22, INIT, None), (7, 1 << 100, None), (8, 1 << 223, None),
                 (9, INIT, b"\xff" * 96), ((1 << 22) - 1, INIT, None))
        for i, (number, word, point) in enumerate(traps):
            trap = s.Signer(helper, None, f"trap{i}", register=False, iid=iid)
            register_in(chain, old, owner, trap, number, word, point)
        early.daemon = late.daemon = newcomer.daemon = fresh()
        log, late_hash = trackers[1].text(), hashlib.sha256(b"pbts/uid/1late").hexdigest()
        t.check(f"{name}: who was passed over is said", "users_passed_over" in log and
                "count=7" in log and late_hash in log and "of_referrer=1" in log, log)
        answers = [early.register(), newcomer.register()]
        t.check(f"{name}: the others are there", [x.status for x in answers] == [200] * 2 and
                answers[1].json()["passkey"] == newcomer.passkey, answers)
        another = s.Signer(helper, trackers[1], "another", register=False).register()
        t.check(f"{name}: and there is room for more", another.status == 200, another)
    trackers[1].stop()


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            factory = k.make_factory(chain)
            first, receipts = first_life(helper, chain, factory)
            second = second_life(chain, first, receipts)
            key = second.data / "tracker.key"
            contract = migrate(chain, factory, first.contract, key)
            wrong_successors(chain, first, contract, second.key)
            successor(chain, first, contract, second.key, receipts)
            third = migrate(chain, factory, contract, key)
            second_hop(chain, first, contract, third, second.key)
            never_written(helper, chain, factory)
            passed_over(helper, chain, factory)
    t.finish()


if __name__ == "__main__":
    main()
