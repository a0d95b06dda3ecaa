#!/usr/bin/env python3
# build: asan
# timeout: 150
"""Reorganisations deeper than what was confirmed, on a real chain, that put a batch on another one than
it was made for: an idle writer sees them at its next polls, and the contract comes to what the tracker
has again, in both modes; in root mode nobody is told wrong numbers meanwhile."""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_replay import Replay, RootScene, TO_ROOT, agrees  # noqa: E402
from chain_scene import FLAGS, TORRENT, Scene, credited  # noqa: E402
from commands import EXIT_IO, fails, good  # noqa: E402

DEPTH = 3
NOT_ITS_ROOT = "the contract's root is not what its data lead to"


def last_raw(chain):
    """The newest transaction that is in a block."""
    number = chain.number()
    while True:
        hashes = chain.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
        if hashes:
            return chain.rpc("eth_getRawTransactionByHash", hashes[-1])
        number -= 1


def confirmed(scene, name):
    """A receipt counts, and is in the contract for good, as far as the depth tells."""
    before = scene.contract.state()["sequence"]
    t.check(f"{name}: a receipt counts", credited(scene.exchange()))
    t.check(f"{name}: it gets to the contract", t.wait_until(
        lambda: scene.contract.state()["sequence"] > before, 20), scene.tracker.ledger())
    scene.chain.mine(DEPTH + 1)
    t.check(f"{name}: it is confirmed", t.wait_until(scene.tracker.is_level, 20),
            scene.tracker.ledger())


def lost_batches(scene, name):
    """Three batches are confirmed and then gone, and one is written in their place: the second of
    them, which fits behind that and says less."""
    start, first = scene.chain.number(), scene.contract.state()["sequence"]
    confirmed(scene, name)
    confirmed(scene, name)
    stray = last_raw(scene.chain)
    confirmed(scene, name)
    head = scene.chain.number()
    scene.chain.reorg(head - start)
    gone = scene.contract.state(hex(head))["sequence"]     # the tracker may write again at once
    t.check(f"{name}: they are gone", gone == first, (gone, first))
    t.check(f"{name}: one batch is written in their place", t.wait_until(
        lambda: scene.contract.state()["sequence"] == first + 1, 20), scene.tracker.ledger())
    return stray


def lands(scene, name, stray):
    before = scene.contract.state()["sequence"]
    scene.chain.rpc("eth_sendRawTransaction", stray)
    t.check(f"{name}: the old batch lands on it", t.wait_until(
        lambda: scene.contract.state()["sequence"] > before, 10))   # and the next may follow at once


def seen_at_once(helper, chain, factory):
    """A poll takes a second here; 25 of them is when an idle writer looks in any case."""
    name = "an idle writer"
    scene = Scene(helper, chain, factory, "idle", depth=DEPTH, poll_ms=1000)
    with a.Miner(chain, 0.3) as scene.miner:
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees(name, 60)
        with scene.miner.paused():
            start, first = chain.number(), scene.contract.state()["sequence"]
            confirmed(scene, name)
            asked = []
            for method in ("eth_getBlockByNumber", "eth_getProof"):
                scene.proxy.before[method] = lambda _, method=method: asked.append(method[7:])
            t.wait_until(lambda: asked[-3:] == ["BlockByNumber"] * 3, 20)     # the last look is over
            begun = time.monotonic()
            del asked[:]
            t.wait_until(lambda: len(asked) >= 4, 20)
            t.check(f"{name} asks for one block a poll, and reads nothing",
                    len(asked) >= 4 and "Proof" not in asked and time.monotonic() - begun > 2, asked)
            before = len(asked)
            chain.reorg(chain.number() - start)
            t.check(f"{name} writes again what a reorganisation took", t.wait_until(
                lambda: scene.contract.state()["sequence"] > first, 40))
            polls = [*asked[before:], "Proof"].index("Proof")
            t.check(f"{name} sees it at the next polls", polls < 8, polls)
            scene.proxy.clear()
        scene.agrees(f"{name}, afterwards", 60)
        # An old batch on a newer one that is confirmed: its values are older.
        with scene.miner.paused():
            stray = lost_batches(scene, "slots")
            chain.mine(DEPTH + 1)
            t.check("slots: the new batch is confirmed", t.wait_until(scene.tracker.is_level, 20),
                    scene.tracker.ledger())
            lands(scene, "slots", stray)
            t.check("slots: the contract has old values", scene.agreement.differences(scene.users))
        scene.tracker.stop()    # or it would look after 25 polls
        scene.tracker.start()
        scene.agrees("slots, afterwards", 60)
    scene.end(name)


def in_root_mode(helper, chain, factory):
    name = "root mode"
    scene = RootScene(helper, chain, factory)
    with a.Miner(chain) as scene.miner:
        scene.add_users("carol", "dave")
        scene.users[1].add_torrent(TORRENT)
        agrees(scene, name)
        with scene.miner.paused():
            stray = lost_batches(scene, name)
            lands(scene, name, stray)
            t.check(f"{name} has a name for it", t.wait_until(
                lambda: NOT_ITS_ROOT in scene.tracker.ledger()["problem"] and
                scene.tracker.metric("chain_problem") == 1, 20), scene.tracker.ledger())
        replay = agrees(scene, f"{name}, afterwards", 40)
        t.check(f"{name}: what counted twice was set right", replay.set > 0 or replay.strays > 0)
        t.check(f"{name}: it is well again", t.wait_until(
            lambda: scene.tracker.metric("chain_problem") == 0, 10), scene.tracker.ledger())
        confirmed(scene, f"{name}, afterwards")
        killed_meanwhile(scene, "root mode, killed")
        known = {u.uid: Replay(scene.contract).account(u.uid)[:2] for u in scene.users}
        scene.end(name)
        fresh = k.ChainTracker(*FLAGS, key=scene.tracker.key, name="fresh-root")
        fresh.follow(scene.contract, [chain.url], *TO_ROOT, depth=DEPTH).start()
        bad = [u.uid for u in scene.users for now in [fresh.get(f"/user/{u.uid}").json()]
               if (now["up_bytes"], now["down_bytes"]) != known[u.uid]]
        t.check("a fresh machine comes up with every user afterwards", not bad, bad)
        fresh.stop()


def killed_meanwhile(scene, name):
    """Nobody is told wrong numbers as long as the tracker that can put it right is away."""
    contract, url = scene.contract, scene.chain.url
    path = t.TMP / "deep.proof"
    prove = ("ledger", "prove", "--rpc", url, "--contract", contract.address, "--out", path)
    with scene.miner.paused():
        stray = lost_batches(scene, name)
        scene.tracker.kill()
        lands(scene, name, stray)
        replay = Replay(contract)
        t.check(f"{name}: the root is not that of the data",
                int.from_bytes(replay.root(), "big") != contract.state()["root"])
        fails(f"{name}: nothing is proved to anybody", EXIT_IO, ["its data lead to"], *prove,
              "carol")
        scene.chain.mine(DEPTH + 1)
        other = k.ChainTracker(*FLAGS, key=scene.tracker.key, name="too-early")
        other.follow(contract, [url], *TO_ROOT, depth=DEPTH)
        try:
            other.start()
            started = True
        except RuntimeError:
            started = False
        t.check(f"{name}: no fresh machine comes up with them", not started and
                "its data lead to" in other.text(), other.text()[-1000:])
    scene.tracker.start()
    agrees(scene, f"{name}, started again", 40)
    good(*prove, "carol")


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            factory = k.make_factory(chain)
            in_root_mode(helper, chain, factory)
            seen_at_once(helper, chain, factory)
    t.finish()


if __name__ == "__main__":
    main()
