#!/usr/bin/env python3
# build: asan
# timeout: 180
"""kill -9 of a tracker that writes to a contract, between any two steps of its writer: when it asks for
something, right after it was answered, and at random times, with blocks that come and go meanwhile.
After each restart contract and store come to agree, and nothing counts twice.
PBTS_CRASH_KILLS: how often at random (default 12). PBTS_CRASH_SEED: repeats the same choices.
"""
import http.client
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import INIT, TORRENT, Scene, credited  # noqa: E402
from fault_proxy import Hang  # noqa: E402

KILLS = int(os.environ.get("PBTS_CRASH_KILLS", "12"))
SEED = int(os.environ.get("PBTS_CRASH_SEED", str(random.randrange(1 << 32))))
# What the writer asks, in the order of a batch's life.
STEPS = ("eth_getProof", "eth_maxPriorityFeePerGas", "eth_estimateGas", "eth_sendRawTransaction")


class Killer:
    """Ends the tracker once, when a method is asked for (`before`), when the node has done it but no
    answer has left (`after`), or when the answer has (`then`)."""

    def __init__(self, scene, moment, method, count=1):
        self.scene, self.left, self.done = scene, count, threading.Event()
        hook = {"before": lambda _: self.maybe(), "after": self.after, "then": self.maybe}[moment]
        getattr(scene.proxy, moment)[method] = hook

    def maybe(self):
        self.left -= 1
        if self.left == 0:
            self.scene.tracker.process.kill()
            self.done.set()

    def after(self, _, result):
        self.maybe()
        if self.done.is_set():
            raise Hang
        return result


def rotated(scene):
    """Whether it was answered: an idle writer asks too, and the tracker may die before."""
    headers = scene.users[0].authorization("POST", "/passkey")
    try:
        return scene.tracker.post("/passkey", b"", headers=headers).status == 200
    except (OSError, http.client.HTTPException):
        return False


def count(scene, name, answered):
    """Alice's rotation, which happened if it was answered, and else may have."""
    known = scene.agreement.generations.get("alice", 0)
    if not answered:
        t.wait_until(scene.tracker.is_level, 20)
        answered = scene.contract.account("alice")[2] != known
        t.check(f"{name}: nobody was told whether", scene.contract.account("alice")[2] in (
            known, known + 1))
    scene.agreement.generations["alice"] = known + answered


def at_each_step(scene):
    for method in STEPS:
        for moment in ("before", "after", "then"):
            name = f"killed {moment} {method}"
            killer = Killer(scene, moment, method)
            answered = rotated(scene)
            t.check(f"{name}: it is", killer.done.wait(10), scene.tracker.text()[-2000:])
            scene.tracker.process.wait()
            scene.proxy.clear()
            scene.tracker.start()
            count(scene, name, answered)
            scene.agrees(name)


def while_confirming(scene):
    """With the batch in a block, and not deep enough."""
    for reorganised in (False, True):
        name = "killed while a batch waits for its depth" + (
            ", and the block is gone" if reorganised else "")
        with scene.miner.paused():
            before = scene.contract.state()["sequence"]
            t.check(f"{name}: a receipt counts", credited(scene.exchange()))
            t.wait_until(lambda: scene.contract.state()["sequence"] > before, 10)
            scene.tracker.kill()
            if reorganised:
                scene.chain.reorg(1)
        scene.tracker.start()
        scene.agrees(name)


def at_random(scene):
    """Users register and report on; a kill may hit any instruction."""
    choice = random.Random(SEED)
    print(f"# PBTS_CRASH_SEED={SEED}", flush=True)
    for number in range(KILLS):
        scene.add_users(f"r{number}")
        t.check(f"random {number}: a receipt counts", credited(scene.exchange()))
        time.sleep(choice.random() * 0.6)
        scene.tracker.kill()
        if choice.random() < 0.4:
            with scene.miner.paused():
                scene.chain.reorg(choice.randrange(1, 4))
        scene.tracker.start()
        if choice.random() < 0.3:   # again, while it starts to write
            time.sleep(choice.random() * 0.2)
            scene.tracker.kill()
            scene.tracker.start()
    scene.agrees("after all random kills", 40)


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            scene = Scene(helper, chain, k.make_factory(chain), "kill", depth=2)
            with a.Miner(chain) as scene.miner:
                scene.add_users("alice", "bob")
                scene.users[1].add_torrent(TORRENT)
                scene.agrees("before")
                at_each_step(scene)
                while_confirming(scene)
                at_random(scene)
                total = sum(TORRENT.sizes[:scene.next_piece])
                t.check("every piece counted once", scene.contract.account("bob")[0] ==
                        INIT + total and scene.contract.account("alice")[1] == total,
                        scene.contract.account("bob"))
                t.check("it never met a stranger's batch",
                        "are not of this store" not in scene.tracker.text())
                scene.end("at the end")
    t.finish()


if __name__ == "__main__":
    main()
