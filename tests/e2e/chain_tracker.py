#!/usr/bin/env python3
# build: asan tsan
# timeout: 300
"""A tracker whose accounts are kept by a contract, on a real chain: what gets there, what waits while
the chain is away, what a reorganisation does to it, and what is said when something is wrong."""
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import FLAGS, INIT, TORRENT, Scene, announce, credited  # noqa: E402

PATIENCE_S = 20     # the tracker's, with a silent server

# ---- accounts get to the contract, and wait while it cannot be reached ----

def pages(scene):
    tracker, contract = scene.tracker, scene.contract
    health, state = tracker.ledger(), contract.state()
    t.check("/health names contract, chain and writer", (
        health["kind"], health["contract"], health["writer"], health["chain_id"]) == (
            "ethereum", contract.address, tracker.writer, a.CHAIN_ID), health)
    t.check("and how far the contract is", health["confirmed_sequence"] == state["sequence"] > 0
            and health["set_aside"] == 0 and abs(health["confirmed_time"] - time.time()) < 60,
            (health, state))
    params = tracker.get("/params").json()["ledger"]
    status = tracker.get("/contract/status").json()
    t.check("/params and /contract/status say the same", all(
        x["kind"] == "ethereum" and x["contract"] == contract.address and x["lag"] == 0
        for x in (params, status)), (params, status))
    t.check("/metrics too", (tracker.metric("chain_sequence"), tracker.metric(
        "chain_waiting_accounts"), tracker.metric("chain_problem")) == (state["sequence"], 0, 0))
    t.check("the contract was written to by its owner, in slots, in this hour", (
        state["owner"], state["mode"], state["sealed"]) == (tracker.writer, 1, False) and
        abs(state["epoch"] - s.epoch()) <= 1, state)
    t.check("evidence of a TEE would be bound to that owner",
            tracker.get("/tee/status").json()["owner"] == state["owner"])


def fresh(scene):
    alice, bob, carol = scene.add_users("alice", "bob", "carol")
    iid = k.instance_id(a.CHAIN_ID, scene.contract.address)
    t.check("the instance is named after chain and contract", alice.iid == iid, (alice.iid, iid))
    scene.agrees("new users")
    bob.add_torrent(TORRENT)
    t.check("receipts count", credited(scene.exchange(3)))
    scene.agrees("totals")
    pages(scene)
    rotate = carol.authorization("POST", "/passkey")
    carol.passkey = scene.tracker.post("/passkey", b"", headers=rotate).json()["passkey"]
    scene.agreement.generations["carol"] = 1
    scene.agrees("a passkey that was rotated")
    before = scene.contract.state()
    time.sleep(0.5)
    t.check("nothing is written when nothing changes", scene.contract.state() == before)


def away(scene):
    """No server: everything is answered as ever, and written afterwards."""
    _, bob, carol = scene.users[:3]
    for mode in ("close", "silent"):
        scene.proxy.mode = mode
        started = time.monotonic()
        t.check(f"{mode}: receipts are answered", credited(scene.exchange(2)))
        t.check(f"{mode}: announces too", b"8:complete" in announce(scene.tracker, carol.passkey))
        scene.add_users(f"away-{mode}")
        t.check(f"{mode}: and registrations; nobody waits for the chain",
                time.monotonic() - started < PATIENCE_S / 2, time.monotonic() - started)
        t.check(f"{mode}: what waits is said", t.wait_until(
            lambda: scene.tracker.ledger()["lag"] == 3, 5), scene.tracker.ledger())
        if mode == "close":
            t.check(f"{mode}: and why", t.wait_until(
                lambda: "cannot be read" in scene.tracker.ledger()["problem"], 20),
                scene.tracker.ledger())
            scene.tracker.stop()
            scene.tracker.start()
            t.check(f"{mode}: a tracker that was set up starts without the chain",
                    b"8:complete" in announce(scene.tracker, bob.passkey))
        scene.proxy.clear()
        scene.agrees(f"{mode}, then back", 40)


# ---- reorganisations ----

def reorganised(scene, depth, name):
    """The batch is in a block; that block and those behind it go away."""
    with scene.miner.paused():
        before = scene.tracker.ledger()["confirmed_sequence"]
        t.check(f"{name}: a receipt counts", credited(scene.exchange()))
        mined = t.wait_until(lambda: scene.contract.state()["sequence"] > before, 10)
        t.check(f"{name}: it is in a block", mined, scene.tracker.ledger())
        t.check(f"{name}: which the tracker knows", t.wait_until(
            lambda: scene.tracker.ledger()["state"] == "mined", 20), scene.tracker.ledger())
        scene.chain.mine(depth - 1)
        time.sleep(0.3)
        head = scene.chain.number()
        scene.chain.reorg(depth)
        gone = scene.contract.state(hex(head))["sequence"]  # the tracker may send it again at once
        t.check(f"{name}: and is not any more", gone == before, (gone, before))
    scene.agrees(name)


def confirmed_then_gone(scene):
    """Behind what was believed: three batches, confirmed, vanish at once."""
    name = "a reorganisation behind the depth"
    with scene.miner.paused():
        start = scene.chain.number()
        first = scene.contract.state()["sequence"]
        for i in range(3):
            if i == 1:
                scene.add_users("lost-and-found")
            scene.exchange()
            t.wait_until(lambda: scene.contract.state()["sequence"] > first + i, 10)
            t.check(f"{name}: batch {i} is confirmed", t.wait_until(
                lambda: scene.chain.mine() or scene.tracker.is_level(), 10, 0.2),
                scene.tracker.ledger())
        head = scene.chain.number()
        scene.chain.reorg(head - start)
        gone = scene.contract.state(hex(head))["sequence"]  # the tracker may write again at once
        t.check(f"{name}: the contract is where it was", gone == first, (gone, first))
    # An idle writer looks once in 25 polls.
    t.check(f"{name} is noticed and logged", t.wait_until(
        lambda: "ethereum_rewound" in scene.tracker.text(), 10), scene.tracker.ledger())
    scene.agrees(name, 40)


def reorganisations(helper, chain, factory):
    scene = Scene(helper, chain, factory, "reorg", depth=3)
    with a.Miner(chain) as scene.miner:
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees("before")
        for depth in (1, 2, 3):
            reorganised(scene, depth, f"a reorganisation of {depth}")
        t.check("they are counted", scene.tracker.metric("chain_reorgs") >= 3)
        confirmed_then_gone(scene)
        total = sum(TORRENT.sizes[:scene.next_piece])
        t.check("every piece counted once", scene.contract.account("bob")[0] == INIT + total and
                scene.contract.account("alice")[1] == total, scene.contract.account("bob"))
        scene.end("after reorganisations")


# ---- what is wrong is said ----

def refused(name, words, tracker):
    """It does not start, says why, and leaves no instance behind."""
    try:
        tracker.start(60)   # it waits half a minute for a block
        started = True
        tracker.stop()
    except RuntimeError:
        started = False
    t.check(f"{name} stops the first start", not started, tracker.text())
    t.check(f"{name}: the log says so", all(w in tracker.text() for w in words), tracker.text())
    t.check(f"{name}: and nothing that leads astray", not any(
        w in tracker.text() for w in ("Success", "backup")), tracker.text())


def wrong_at_the_start(helper, chain, factory):
    tracker = k.ChainTracker(*FLAGS, name="wrong")
    mine = k.make_contract(chain, factory, tracker.writer)
    other = k.make_contract(chain, factory, k.address_of(7))
    chain.mine()
    no_contract = k.Contract(chain, k.address_of(8))
    no_reputation = k.Contract(chain, factory)
    for name, words, contract, options in (
            ("another's contract", ("another key",), other, {}),
            ("no contract", ("no contract",), no_contract, {}),
            ("a contract of another kind", ("ethereum_failed",), no_reputation, {}),
            ("another chain", ("31337", "chain_id"), mine, {"chain_id": 5})):
        tracker.flags = list(FLAGS)
        refused(name, words, tracker.follow(contract, [chain.url], **options))
    tracker.flags = list(FLAGS)
    tracker.follow(mine, [chain.url]).start()
    agreement = k.Agreement(tracker, mine)
    user = s.Signer(helper, tracker, "zoe")
    with a.Miner(chain):
        agreement.check("when it is put right", [user])
    tracker.stop()
    late = k.ChainTracker(*FLAGS, key=tracker.key, name="late")
    refused("a first block that is not there yet", ("chain_first_block",), late.follow(
        mine, [chain.url], "--chain-first-block", str(chain.number() + 1000)))
    for name, contract, options in (("another contract", other, {}),
                                    ("another chain id", mine, {"chain_id": 5})):
        tracker.flags = list(FLAGS)
        refused(f"{name} at a later start", ("another contract or chain",),
                tracker.follow(contract, [chain.url], **options))
    tracker.flags = list(FLAGS)
    refused("a local ledger where there was a contract", ("ethereum",), tracker)


def wrong_meanwhile(helper, chain, factory):
    scene = Scene(helper, chain, factory, "money")
    with a.Miner(chain) as miner:
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees("with funds")
        with miner.paused():
            scene.set_balance(1000)
        t.check("without funds receipts count", credited(scene.exchange()))
        t.check("and the lack is said", t.wait_until(
            lambda: "funds" in scene.tracker.ledger()["problem"], 10), scene.tracker.ledger())
        t.check("in the log and /metrics too", "funds" in scene.tracker.text() and
                scene.tracker.metric("chain_problem") == 1)
        with miner.paused():
            scene.set_balance(k.ETHER)
        scene.agrees("with funds again")
        with miner.paused():    # each further block would be cheaper
            chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(500 * 10 ** 9))
            chain.mine()
            t.check("when gas is dear receipts count", credited(scene.exchange()))
            t.check("and it waits and says so", t.wait_until(
                lambda: "chain_max_fee_gwei" in scene.tracker.ledger()["problem"], 20),
                scene.tracker.ledger())
        scene.agrees("when gas is cheap again", 40)
        scene.end("after poverty")


def reserved(helper, chain, factory):
    """Names without a key are the tracker's alone: the contract does not wait for them."""
    scene = Scene(helper, chain, factory, "reserved")
    with a.Miner(chain):
        scene.add_users("alice", "bob")
        scene.agrees("before names are reserved")
        made = scene.tracker.post("/contract/register", {"username": "reserved"},
                                  headers=scene.tracker.admin())
        t.check("an administrator reserves a name", made.status == 200, made)
        before = scene.contract.state()
        time.sleep(0.5)
        t.check("no batch comes of it, and nothing waits", scene.contract.state() == before and
                scene.tracker.ledger()["lag"] == 0 and
                scene.tracker.metric("chain_waiting_accounts") == 0, scene.tracker.ledger())
    scene.end("with names reserved")


def clock(helper, chain, factory):
    """By the chain's blocks this machine's clock is years ahead, and then it is not any more."""
    tracker = k.ChainTracker(*FLAGS, name="clock")
    contract = k.make_contract(chain, factory, tracker.writer)
    chain.mine()
    strict = ("--chain-age-max-s", "3600")
    refused("a clock that is ahead", ("clock",), tracker.follow(contract, [chain.url], *strict))
    tracker.flags = list(FLAGS)
    tracker.follow(contract, [chain.url]).start()
    tracker.stop()
    tracker.flags = list(FLAGS)
    tracker.follow(contract, [chain.url], *strict).start()
    with a.Miner(chain):
        user = s.Signer(helper, tracker, "early")
        t.check("users register all the same", user.user()["up_bytes"] == INIT)
        t.check("a clock that is ahead is named in /health", t.wait_until(
            lambda: "clock is ahead" in tracker.ledger()["problem"], 40), tracker.ledger())
        t.check("in the log and /metrics too", "clock is ahead" in tracker.text() and
                tracker.metric("chain_problem") == 1, tracker.text())
        time.sleep(0.5)
        t.check("and nothing of it is in the contract", contract.state()["sequence"] == 0,
                contract.state())
        newest = int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        chain.rpc("evm_increaseTime", int(time.time()) - newest)
        k.Agreement(tracker, contract).check("when the clocks agree", [user], 40)
        t.check("the epoch is this hour's", abs(contract.state()["epoch"] - s.epoch()) <= 1,
                contract.state())
    tracker.stop()


def fresh_and_away(helper, chain, factory):
    scene = Scene(helper, chain, factory, "fresh")
    with a.Miner(chain):
        fresh(scene)
        away(scene)
        scene.end("fresh")


def gathered(scene, uids, name):
    """New users and totals of old ones, while the chain cannot be reached; how many batches they take."""
    before = scene.contract.state()["sequence"]
    scene.proxy.mode = "close"
    scene.add_users(*uids)
    t.check(f"{name}: a receipt counts", credited(scene.exchange()))
    scene.proxy.clear()
    scene.agrees(name, 40)
    return scene.contract.state()["sequence"] - before


def rounds(helper, chain, factory):
    """With hours between rounds: whoever is marked when one begins gets to the contract in it, however many
    batches that takes, and whatever comes in between."""
    scene = Scene(helper, chain, factory, "rounds")
    tracker = scene.tracker

    def again(seconds):
        tracker.stop()
        tracker.flags += ["--chain-interval-s", str(seconds)]
        tracker.start()

    with a.Miner(chain) as miner:
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees("before rounds")
        for i in range(3):
            batches = gathered(scene, [f"gathered-{i}-{x}" for x in range(5)], f"gathered {i}")
            t.check(f"gathered {i}: new users take one batch, totals one", batches == 2, batches)
        again(3600)
        t.check("the round is over", t.wait_until(tracker.is_level, 20), tracker.ledger())
        time.sleep(0.5)
        before = scene.contract.state()
        scene.add_users("first", "second", "third")
        t.check("a receipt counts between rounds", credited(scene.exchange()))
        time.sleep(1)
        t.check("and waits for the next", scene.contract.state() == before and
                tracker.ledger()["lag"] == 5, tracker.ledger())
        again(3600)
        scene.agrees("the round that a start begins")
        scene.add_users("late")
        t.check("a receipt counts before a poor round", credited(scene.exchange()))
        with miner.paused():
            scene.set_balance(1000)
        again(3600)
        t.check("a lack of funds is said", t.wait_until(
            lambda: "funds" in tracker.ledger()["problem"], 10), tracker.ledger())
        time.sleep(1)
        t.check("as long as it lasts", "funds" in tracker.ledger()["problem"], tracker.ledger())
        with miner.paused():
            scene.set_balance(k.ETHER)
        scene.agrees("the same round, with funds")
        scene.end("after rounds")


def on_a_chain(*scenes):
    """One after the other, beside those on other chains: they wait most of their time."""
    with a.Anvil() as chain:
        helper, factory = s.Helper(), k.make_factory(chain)
        for scene in scenes:
            scene(helper, chain, factory)


def main():
    if a.fetch():
        groups = [(fresh_and_away,), (reorganisations,), (rounds,)]
        if os.environ.get("PBTS_BUILD") != "tsan":      # these are about words, not about threads
            groups += [(wrong_at_the_start, wrong_meanwhile, reserved), (clock,)]
        t.threads([lambda g=group: on_a_chain(*g) for group in groups])
    t.finish()


if __name__ == "__main__":
    main()
