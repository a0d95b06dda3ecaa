#!/usr/bin/env python3
# build: asan
# timeout: 120
"""A tracker whose accounts are under one root in a contract (chain_mode = root), on a real chain: the root
is that of a tree made here from the transactions' data, through restarts and reorganisations; a fresh
machine comes up with every user; a successor takes them over."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import EXIT_IO, EXIT_REFUSED, EXIT_USAGE, asked, fails, good  # noqa: E402
from chain_replay import Replay, RootScene, TO_ROOT, WRITTEN, agrees, sha256  # noqa: E402
from chain_scene import FLAGS, TORRENT, announce, credited  # noqa: E402

# ---- what happens ----

def used(scene):
    alice, bob, carol = scene.add_users("alice", "bob", "carol")
    agrees(scene, "new users")
    t.check("in root mode", scene.contract.state()["mode"] == 2, scene.contract.state())
    bob.add_torrent(TORRENT)
    t.check("receipts count", credited(scene.exchange(3)))
    replay = agrees(scene, "totals")
    t.check("two accounts that moved took 24 bytes", replay.sizes[-1] == 24, replay.sizes)
    rotate = carol.authorization("POST", "/passkey")
    carol.passkey = scene.tracker.post("/passkey", b"", headers=rotate).json()["passkey"]
    scene.generations["carol"] = 1
    agrees(scene, "a passkey that was rotated")
    scene.tracker.stop()
    scene.tracker.start()
    t.check("a tracker that starts again knows everybody",
            b"8:complete" in announce(scene.tracker, carol.passkey))
    t.check("and counts receipts", credited(scene.exchange(2)))
    agrees(scene, "after a restart")
    scene.tracker.kill()
    scene.tracker.start()
    scene.add_users("dave")
    t.check("and after a crash", credited(scene.exchange()))
    agrees(scene, "after a crash")
    t.check("what it needs is in its store: nothing was read from the chain again",
            "ethereum_root_loaded" not in scene.tracker.text())


def proved(scene):
    """Totals leave as a file that is checked without a server; who is not there has none."""
    path, contract, url = t.TMP / "user.proof", scene.contract.address, scene.chain.url
    with scene.miner.paused():
        replay = Replay(scene.contract)
        prove = ("ledger", "prove", "--rpc", url, "--contract", contract, "--out", path)
        for user in scene.users:
            good(*prove, user.uid)
            block = scene.chain.rpc("eth_getBlockByNumber", "latest", False)["hash"]
            shown = asked("ledger", "verify-proof", path, "--uid", user.uid, "--contract",
                          contract, "--block-hash", block).get("user")
            up, down, generation, key = replay.account(user.uid)
            wanted = {"uid_hash": sha256(b"pbts/uid/1", user.uid.encode()).hex(),
                      "present": True, "up_bytes": up, "down_bytes": down,
                      "ratio": up / down if down else None, "generation": generation,
                      "key_hash": sha256(key).hex()}
            t.check(f"a file proves what the root has of {user.uid}", shown == wanted, shown)
        first = int(scene.chain.rpc("eth_getLogs", {
            "address": contract, "topics": [WRITTEN], "fromBlock": "0x0",
            "toBlock": "latest"})[0]["blockNumber"], 16)
        uid = scene.users[0].uid
        good(*prove, uid)
        from_all = path.read_bytes()
        good(*prove, uid, "--first-block", first)
        t.check("the first batch's block is early enough to read from", path.read_bytes() ==
                from_all)
        fails("a later one is not", EXIT_IO, ["batches"], *prove, uid, "--first-block", first + 1)
        fails("nor is one that is not there yet", EXIT_REFUSED, ["batches"], *prove, uid,
              "--first-block", 10 ** 9)
        fails("nor is no number", EXIT_USAGE, ["--first-block x: should be a number"], *prove, uid,
              "--first-block", "x")
        t.check("and no file comes of it", path.read_bytes() == from_all)
        fails("a user who is not there is not proved absent", EXIT_REFUSED, ["root mode"], *prove,
              "nobody")


def in_parts(scene):
    """More accounts changed than fit into one batch: each has its turn."""
    scene.tracker.stop()
    scene.tracker.flags += ["--chain-batch-rows", "3"]
    scene.tracker.start()
    before = scene.contract.state()["sequence"]
    with scene.miner.paused():
        scene.add_users(*(f"one-of-{i}" for i in range(8)))
    agrees(scene, "in parts", 40)
    t.check("in several batches", scene.contract.state()["sequence"] >= before + 3,
            scene.contract.state())


def reorganised(scene):
    """Three confirmed batches vanish at once: the tree is read from the chain again."""
    name = "a reorganisation behind the depth"
    with scene.miner.paused():
        start, first = scene.chain.number(), scene.contract.state()["sequence"]
        for i in range(3):
            if i == 1:
                scene.add_users("lost-and-found")
            scene.exchange()
            t.wait_until(lambda: scene.contract.state()["sequence"] > first + i, 10)
            t.check(f"{name}: batch {i} is confirmed", t.wait_until(
                lambda: scene.chain.mine() or scene.tracker.is_level(), 20, 0.2),
                scene.tracker.ledger())
        head = scene.chain.number()
        scene.chain.reorg(head - start)
        gone = scene.contract.state(hex(head))["sequence"]  # the tracker may write again at once
        t.check(f"{name}: the contract is where it was", gone == first, (gone, first))
    agrees(scene, name, 40)
    t.check(f"{name} is logged", all(x in scene.tracker.text() for x in (
        "ethereum_rewound", "ethereum_root_loaded")))


def same_users(name, tracker, users, told):
    bad = [(u.uid, told[u.uid], now) for u in users
           for now in [tracker.get(f"/user/{u.uid}").json()]
           if (now["up_bytes"], now["down_bytes"]) != told[u.uid]]
    t.check(f"{name} has every user's totals", not bad, bad[:3])
    known = [u.uid for u in users if b"8:complete" not in announce(tracker, u.passkey) and
             b"not registered" not in announce(tracker, u.passkey)]
    t.check(f"{name} takes every user's passkey", not known, known)


def fresh_machine(scene):
    """The machine is gone; contract and key are left."""
    told = {u.uid: (now["up_bytes"], now["down_bytes"]) for u in scene.users
            for now in [scene.tracker.get(f"/user/{u.uid}").json()]}
    scene.end("the first machine")
    wrong = k.ChainTracker(*FLAGS, key=scene.tracker.key, name="wrong")
    wrong.follow(scene.contract, [scene.chain.url])
    try:
        wrong.start()
    except RuntimeError:
        pass
    t.check("a contract in another mode is refused, with the reason",
            "chain_mode is slots" in wrong.text(), wrong.text()[-1000:])
    old, scene.tracker = scene.tracker, k.ChainTracker(*FLAGS, key=scene.tracker.key, name="fresh")
    scene.tracker.follow(scene.contract, [scene.chain.url], *TO_ROOT, depth=3).start()
    t.check("it is the same instance", scene.tracker.get("/params").json()["iid"] == scene.users[
        0].iid and scene.tracker.data != old.data)
    for user in scene.users:
        user.daemon = scene.tracker
    scene.users[1].add_torrent(TORRENT)
    same_users("a fresh machine", scene.tracker, scene.users, told)
    scene.add_users("new-here")
    agrees(scene, "a fresh machine goes on")
    scene.tracker.stop()
    return {u.uid: (now[0], now[1]) for u in scene.users
            for now in [Replay(scene.contract).account(u.uid)]}


def successor(scene, factory, told, mode):
    """Another key and contract; the predecessor's users come over, from its root."""
    name = f"a successor with {mode}"
    tracker = k.ChainTracker(*FLAGS, name=f"successor-{mode}")
    with scene.miner.paused():      # Anvil's state roots are wrong when two threads make blocks
        contract = k.make_contract(scene.chain, factory, tracker.writer, scene.contract.address)
        scene.chain.mine(2)
    tracker.follow(contract, [scene.chain.url], "--referrer-contract", scene.contract.address,
                   "--chain-mode", mode).start()
    bad = [u.uid for u in scene.users for now in [tracker.get(f"/user/{u.uid}").json()]
           if (now["up_bytes"], now["down_bytes"]) != told[u.uid]]
    t.check(f"{name} has every user of the predecessor", not bad, bad[:3])
    more = s.Signer(scene.helper, tracker, "of-the-successor")
    t.check(f"{name}: a new user gets to its contract", t.wait_until(
        lambda: tracker.is_level() and contract.state()["user_count"] > 0, 20), tracker.ledger())
    if mode == "root":
        replay = Replay(contract)
        t.check(f"{name}: under its root", replay.account(more.uid) is not None and
                int.from_bytes(replay.root(), "big") == contract.state()["root"])
    else:
        t.check(f"{name}: in its slots", contract.account(more.uid)[3] != "")
    t.check(f"{name} ends cleanly", tracker.stop() == 0, tracker.text()[-2000:])


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            factory = k.make_factory(chain)
            scene = RootScene(helper, chain, factory)
            with a.Miner(chain) as scene.miner:
                used(scene)
                proved(scene)
                in_parts(scene)
                reorganised(scene)
                told = fresh_machine(scene)
                for mode in ("root", "slots"):
                    successor(scene, factory, told, mode)
    t.finish()


if __name__ == "__main__":
    main()
