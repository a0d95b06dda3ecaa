#!/usr/bin/env python3
# build: asan
# timeout: 180
"""Everything at once, by a seed, in both modes: kill -9, reorganisations behind what was confirmed, old
transactions that somebody kept and sends again, and a server that lies. When it is over, contract and
store agree, everything that was told 2xx is there, and nothing counts twice.
PBTS_STORM_ROUNDS: how long (default 10). PBTS_STORM_SEED: repeats the same choices.
"""
import os
import random
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_replay import TO_ROOT, agrees  # noqa: E402
from chain_scene import FLAGS, INIT, TORRENT, Scene, credited  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

ROUNDS = int(os.environ.get("PBTS_STORM_ROUNDS", "10"))
SEED = int(os.environ.get("PBTS_STORM_SEED", str(random.randrange(1 << 32))))
DEPTH, KEPT = 2, 12


def flip(text):
    at = len(text) // 2
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1:]


LIES = {
    "eth_getBlockByNumber": lambda _, block: block and {**block, "stateRoot": flip(
        block["stateRoot"])},
    "eth_getProof": lambda _, proof: {**proof, "accountProof": [
        flip(node) for node in proof["accountProof"]]},
    "eth_getTransactionReceipt": lambda _, receipt: receipt and {**receipt, "status": "0x0"},
    "eth_estimateGas": lambda *_: "0x1",
    "eth_getLogs": lambda *_: [],
    "eth_blockNumber": lambda _, number: hex(int(number, 16) + 500),
    "eth_sendRawTransaction": lambda *_: "0x" + "00" * 32,
}


class Storm(Scene):
    """A chain, a contract, a tracker behind one server, and somebody who keeps what it sends."""

    def __init__(self, helper, chain, factory, mode):
        self.helper, self.chain = helper, chain
        self.choice = random.Random(f"{SEED} {mode}")
        self.kept, self.stranded = [], 0
        self.proxy = FaultProxy(chain.url)
        self.tracker = k.ChainTracker(*FLAGS, name=f"storm-{mode}")
        self.contract = k.make_contract(chain, factory, self.tracker.writer)
        chain.mine()
        flags = TO_ROOT if mode == "root" else ()
        self.tracker.follow(self.contract, [self.proxy.url], *flags, depth=DEPTH).start()
        self.agreement = k.Agreement(self.tracker, self.contract)
        self.users, self.next_piece, self.generations = [], 0, {}
        self.honest()

    def keep(self, params):
        if params[0] not in self.kept:
            self.kept = [*self.kept, params[0]][-KEPT:]

    def honest(self):
        self.proxy.clear()
        self.proxy.before["eth_sendRawTransaction"] = self.keep

    def kill(self):
        self.tracker.kill()
        if self.choice.random() < 0.3:
            self.reorganise()
        self.tracker.start()

    def drop(self, blocks):
        try:
            self.chain.reorg(min(blocks, self.chain.number() - self.first))
        except a.RpcError:
            pass    # Anvil does not have the states of long ago

    def reorganise(self):
        with self.miner.paused():
            self.drop(self.choice.randrange(1, 25))
            if self.choice.random() < 0.7:
                self.send_old()

    def send_old(self):
        """In the order of their nonces or in any."""
        some = self.choice.sample(self.kept, min(len(self.kept), self.choice.randrange(1, 5)))
        self.send(some if self.choice.random() < 0.5 else sorted(some, key=self.kept.index))

    def send(self, raws):
        for raw in raws:
            try:
                self.chain.rpc("eth_sendRawTransaction", raw)
                self.stranded += 1
            except a.RpcError:
                pass    # its nonce is used up

    def batch(self, seconds):
        before = self.contract.state()["sequence"]
        self.exchange()
        t.wait_until(lambda: self.contract.state()["sequence"] > before, seconds)

    def strand(self):
        """Some batches vanish, another comes in their place, and then they are sent again."""
        t.wait_until(self.tracker.is_level, 10)
        start = self.chain.number()
        for _ in range(3):
            self.batch(5)
        t.wait_until(self.tracker.is_level, 10)
        with self.miner.paused():
            before = self.contract.state()["sequence"]
            self.drop(self.chain.number() - start)
            gone = self.contract.state()["sequence"]
            if gone < before:
                t.wait_until(lambda: self.contract.state()["sequence"] > gone, 6)
            if self.choice.random() < 0.5:
                self.tracker.kill()
            self.send(self.kept)
        if self.tracker.process.poll() is not None:
            self.tracker.start()

    def lie(self):
        method = self.choice.choice(list(LIES))
        self.proxy.after[method] = LIES[method]
        time.sleep(self.choice.random() * 0.6)
        self.honest()

    def round(self, number):
        if number % 4 == 1:
            self.add_users(f"storm-{number}")
        t.check(f"round {number}: a receipt counts", credited(self.exchange()))
        for _ in range(self.choice.randrange(1, 4)):
            self.choice.choice((self.kill, self.reorganise, self.strand, self.send_old, self.lie))()
            time.sleep(self.choice.random() * 0.5)


def storm(helper, chain, factory, mode):
    scene = Storm(helper, chain, factory, mode)
    with a.Miner(chain) as scene.miner:
        scene.add_users(f"alice-{mode}", f"bob-{mode}")
        scene.users[1].add_torrent(TORRENT)
        scene.agrees(mode) if mode == "slots" else agrees(scene, mode)
        scene.first = chain.number()
        for number in range(ROUNDS):
            scene.round(number)
        name = f"{mode}, after the storm"
        if mode == "slots":
            scene.agrees(name, 60)
            t.check(f"{name}: every piece counted once", scene.contract.account(f"bob-{mode}")[0] ==
                    INIT + sum(TORRENT.sizes[:scene.next_piece]))
        else:
            replay = agrees(scene, name, 60)
            t.check(f"{name}: every piece counted once", replay.account(f"bob-{mode}")[0] ==
                    INIT + sum(TORRENT.sizes[:scene.next_piece]))
            print(f"# {replay.strays} strays, {replay.set} set", flush=True)
        print(f"# {scene.stranded} old transactions were taken", flush=True)
        t.check(f"{name}: it never met a stranger's batch", "are not of this store" not in
                scene.tracker.text(), scene.tracker.text()[-2000:])
    scene.end(name)


def main():
    print(f"# PBTS_STORM_SEED={SEED}", flush=True)
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            factory = k.make_factory(chain)
            for mode in ("root", "slots"):
                storm(helper, chain, factory, mode)
    t.finish()


if __name__ == "__main__":
    main()
