#!/usr/bin/env python3
# build: asan
# timeout: 90
"""A machine is lost while a batch of it waits in the pools. The next one with its key waits until that
batch is mined, or puts something else in its place, before it reads the contract: no CONFLICT later.
And a contract that is younger than chain_depth is waited for."""
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import FLAGS, TORRENT, Scene, credited  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402


def pending(chain, address):
    return int(chain.rpc("eth_getTransactionCount", address, "pending"), 16)


def mined(chain, address):
    return int(chain.rpc("eth_getTransactionCount", address, "latest"), 16)


class Coming:
    """A tracker that is being started."""

    def __init__(self, tracker):
        self.tracker, self.error = tracker, None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self):
        try:
            self.tracker.start()
        except RuntimeError as error:
            self.error = error

    def up(self, seconds):
        self.thread.join(seconds)
        return not self.thread.is_alive() and self.error is None


def lost(helper, chain, factory, name):
    """A machine that is killed when its last batch is in the pool."""
    with a.Miner(chain):
        scene = Scene(helper, chain, factory, name)
        scene.add_users("alice", "bob")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees(name)
    time.sleep(0.3)
    t.check(f"{name}: a receipt counts", credited(scene.exchange()))
    writer = scene.tracker.writer
    t.check(f"{name}: its batch waits in the pool", t.wait_until(
        lambda: pending(chain, writer) > mined(chain, writer), 10))
    scene.tracker.kill()
    return scene


def successor(scene, name, *flags, urls=None, **options):
    tracker = k.ChainTracker(*FLAGS, key=scene.tracker.key, name=name)
    tracker.follow(scene.contract, urls or [scene.proxy.url], *flags, **options)
    return tracker


def check_goes_on(scene, tracker, name):
    """It writes, and nobody's batch is in the way."""
    for user in scene.users:
        user.daemon = tracker
    scene.tracker = scene.agreement.tracker = tracker
    scene.add_users(f"after-{name.replace(' ', '-')}")
    scene.agrees(name)
    t.check(f"{name}: it never took itself for another", "are not of this store" not in
            tracker.text(), tracker.text()[-2000:])


def waited_for(helper, chain, factory):
    name = "a batch that waits"
    scene = lost(helper, chain, factory, "lost")
    tracker = successor(scene, "waits", poll_ms=400)   # 20 polls, then it is replaced
    coming = Coming(tracker)
    t.check(f"{name}: the next machine says that it waits", t.wait_until(
        lambda: "transactions of this key are pending" in tracker.text(), 10), tracker.text())
    t.check(f"{name}: and does not come up", not coming.up(0.3))
    told = scene.contract.account("bob")
    chain.mine(2)
    with a.Miner(chain):
        t.check(f"{name}: it comes up when that is mined", coming.up(20), tracker.text()[-2000:])
        now = tracker.get("/user/bob").json()
        there = scene.contract.account("bob")
        t.check(f"{name}: with what was in it", there[0] > told[0] and
                (now["up_bytes"], now["down_bytes"]) == there[:2], (told, there, now))
        t.check(f"{name}: nothing was replaced", "ethereum_replaced" not in tracker.text())
        check_goes_on(scene, tracker, name)
    scene.end(name)


def replaced(helper, chain, factory):
    """No block is made for long. Then one takes what offers most."""
    name = "a batch that is not mined"
    scene = lost(helper, chain, factory, "cheap")
    tracker = successor(scene, "replaces", poll_ms=200)
    told, before = scene.contract.account("bob"), mined(chain, tracker.writer)
    coming = Coming(tracker)
    t.check(f"{name}: the next machine replaces it", t.wait_until(
        lambda: "ethereum_replaced" in tracker.text(), 30), tracker.text()[-2000:])
    chain.mine()
    t.check(f"{name}: by a transfer of nothing", mined(chain, tracker.writer) == before + 1 and
            scene.contract.account("bob") == told)
    with a.Miner(chain):
        t.check(f"{name}: it comes up", coming.up(20), tracker.text()[-2000:])
        check_goes_on(scene, tracker, name)
    scene.end(name)


def boasts(helper, chain, factory):
    """A server that names transactions that are not there costs some nonces, and no more."""
    name = "a server that boasts"
    with a.Miner(chain):
        scene = Scene(helper, chain, factory, "boast")
        scene.add_users("erin", "frank")
        scene.agrees(name)
        scene.tracker.kill()
        before = mined(chain, scene.tracker.writer)
        proxy = FaultProxy(chain.url)
        proxy.after["eth_getTransactionCount"] = lambda *_: "0xffffffff"
        tracker = successor(scene, "boasted", urls=[proxy.url])
        coming = Coming(tracker)
        t.check(f"{name}: the next machine comes up", coming.up(30), tracker.text()[-2000:])
        t.check(f"{name}: at the price of eight transfers",
                mined(chain, scene.tracker.writer) == before + 8)
        proxy.clear()
        check_goes_on(scene, tracker, name)
        scene.end(name)
        proxy.stop()


def young(helper, chain, factory):
    """A contract that was made less than chain_depth blocks ago is there all the same, for who made it
    and for who comes after."""
    name = "a young contract"
    with a.Miner(chain):
        chain.mine(60)
        made = chain.number()
        scene = Scene(helper, chain, factory, "young", depth=30)
        scene.add_users("grace", "heidi")
        scene.agrees(name)
        t.check(f"{name}: is not said to be missing", "there is no contract" not in
                scene.tracker.text(), scene.tracker.text()[-2000:])
        scene.tracker.kill()
        tracker = successor(scene, "younger", depth=chain.number() - made + 30)
        coming = Coming(tracker)
        t.check(f"{name}: the next machine waits until it is old enough", coming.up(40),
                tracker.text()[-2000:])
        check_goes_on(scene, tracker, name)
        scene.end(name)


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil(mines=False) as chain:
            with a.Miner(chain):
                factory = k.make_factory(chain)
            for test in (waited_for, replaced, boasts, young):
                test(helper, chain, factory)
    t.finish()


if __name__ == "__main__":
    main()
