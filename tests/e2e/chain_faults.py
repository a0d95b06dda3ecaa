#!/usr/bin/env python3
# build: asan
# timeout: 180
"""Several servers of one chain that die, lag, lie, go silent or talk nonsense: what the contract gets is
right, what the tracker believes was proved, and it goes on while enough of them are honest.

Each server is a proxy before a node of its own. The nodes have the same blocks: they mine the same
transactions at the same times.
"""
import http.client
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
from fault_proxy import FaultProxy  # noqa: E402

NODES, QUORUM = 3, 2
GAS_FLOOR = 10 ** 9


class Network:
    """Nodes with equal blocks. `history` has what a node that was away has to mine again."""

    def __init__(self):
        self.nodes = [a.Anvil(mines=False, name=f"node{i}").start() for i in range(NODES)]
        self.away, self.history = set(), []
        self.time = a.GENESIS_TIME
        self.lock, self.ending = threading.Lock(), threading.Event()   # the lock: pools stand still
        self.paused = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    # As a chain for contracts to be made on; the first node is the one that is read.

    def rpc(self, method, *params):
        return self.nodes[0].rpc(method, *params)

    def set_balance(self, address, wei):
        for node in self.nodes:
            node.set_balance(address, wei)

    def transact(self, sender, to, data):
        call = {"from": sender, "data": data, "gas": hex(1 << 24), "maxFeePerGas": hex(10 ** 10),
                "maxPriorityFeePerGas": hex(10 ** 9), **({"to": to} if to else {})}
        for node in self.nodes:
            node.rpc("anvil_impersonateAccount", sender)
            made = node.rpc("eth_sendTransaction", call)
        self._mine_all()
        return self.rpc("eth_getTransactionReceipt", made)

    def _mine_one(self, node, when):
        node.rpc("evm_mine", when)

    def _pool(self, node):
        """Raw transactions that a node would mine."""
        pending = node.rpc("txpool_content")["pending"]
        hashes = [x["hash"] for nonces in pending.values() for x in nonces.values()]
        return {hash_: node.rpc("eth_getRawTransactionByHash", hash_) for hash_ in hashes}

    def _mine_all(self):
        self.time += 12
        for node in self.nodes:
            self._mine_one(node, self.time)

    def mine(self, count=1):
        """A block of what any node's pool has, on all that are not away."""
        with self.lock:
            for _ in range(count):
                self._mine_shared()

    def pause(self, paused):
        """Once it is set there is no block under way."""
        with self.lock:
            self.paused = paused

    def _mine_shared(self):
        here = [n for i, n in enumerate(self.nodes) if i not in self.away]
        pools = [self._pool(node) for node in here]
        everything = {h: raw for pool in pools for h, raw in pool.items()}
        for node, pool in zip(here, pools):
            for hash_ in everything.keys() - pool.keys():
                self._offer(node, everything[hash_])
        self.time += 12
        for node in here:
            self._mine_one(node, self.time)
        block = here[0].rpc("eth_getBlockByNumber", "latest", False)
        raws = [here[0].rpc("eth_getRawTransactionByHash", h) for h in block["transactions"]]
        self.history.append((self.time, raws))

    @staticmethod
    def _offer(node, raw):
        try:
            node.rpc("eth_sendRawTransaction", raw)
        except a.RpcError:
            pass    # another of the same nonce offers more

    def leave(self, i):
        """Stands still, with all it has."""
        with self.lock:
            self.away.add(i)
            self.missed = len(self.history)

    def back(self, i):
        with self.lock:
            for when, raws in self.history[self.missed:]:
                self.nodes[i].rpc("anvil_dropAllTransactions")
                for raw in raws:
                    self._offer(self.nodes[i], raw)
                self._mine_one(self.nodes[i], when)
            self.away.discard(i)

    def agree(self):
        with self.lock:
            return len({n.rpc("eth_getBlockByNumber", "latest", False)["hash"]
                        for n in self.nodes}) == 1

    def _run(self):
        while not self.ending.wait(0.15):
            try:
                with self.lock:
                    if not self.paused:
                        self._mine_shared()
            except (OSError, http.client.HTTPException):
                pass

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.thread.join()
        for node in self.nodes:
            node.stop()


class Servers(Scene):
    """A tracker behind several proxies."""

    def __init__(self, helper, network, factory, name):
        self.helper, self.chain = helper, network
        self.proxies = [FaultProxy(node.url, network.lock) for node in network.nodes]
        self.tracker = k.ChainTracker("--init-credit-bytes", str(INIT), "--overdraft-bytes",
                                      str(1 << 30), name=name)
        self.contract = k.make_contract(network, factory, self.tracker.writer)
        network._mine_all()
        self.tracker.follow(self.contract, [p.url for p in self.proxies], "--chain-quorum",
                            str(QUORUM)).start()
        self.agreement = k.Agreement(self.tracker, self.contract)
        self.users, self.next_piece = [], 0

    def fresh_server(self, i):
        """One of the proxies, with a tracker that knows no ill of any."""
        self.tracker.stop()
        self.tracker.start()
        return self.proxies[i % NODES]

    def end(self, name):
        t.check(f"{name}: the tracker ends cleanly", self.tracker.stop() == 0,
                self.tracker.text()[-3000:])
        for proxy in self.proxies:
            proxy.stop()


# ---- lies ----

def flip(text):
    """Another digit in the middle."""
    at = len(text) // 2
    return text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1:]


def false_value(_, proof):
    for entry in proof["storageProof"]:
        entry["proof"] = [flip(node) for node in entry["proof"]]
    return proof


def false_account(_, proof):
    proof["accountProof"][-1] = flip(proof["accountProof"][-1])
    return proof


def missing_nodes(_, proof):
    proof["storageProof"] = [{**x, "value": "0x0", "proof": []} for x in proof["storageProof"]]
    return proof


def other_blocks_state(node):
    def lie(params, _):
        return node.rpc("eth_getProof", params[0], params[1], "0x2")
    return lie


def false_header(_, block):
    return block and {**block, "stateRoot": flip(block["stateRoot"])}


def boast(_, number):
    return hex(int(number, 16) + 1000)


def lies(node):
    return (("a false slot", {"eth_getProof": false_value}),
            ("a false account", {"eth_getProof": false_account}),
            ("slots that are said to be empty", {"eth_getProof": missing_nodes}),
            ("another block's state", {"eth_getProof": other_blocks_state(node)}),
            ("a false header", {"eth_getBlockByNumber": false_header,
                                "eth_getBlockByHash": false_header}),
            ("a height that is not there", {"eth_blockNumber": boast}),
            ("another chain's id", {"eth_chainId": lambda *_: "0x1"}),
            ("estimates of nothing", {"eth_estimateGas": lambda *_: "0x1"}),
            ("receipts of failure", {"eth_getTransactionReceipt": lambda _, r: r and {
                **r, "status": "0x0"}}))


# ---- tests ----

def one_of_three(scene):
    """Whatever one server does, two honest ones are enough."""
    for i, mode in enumerate(("close", "silent", "error", "busy", "garbage", "cut", "empty", "huge",
                              "other_id", "slow")):
        proxy = scene.fresh_server(i)
        proxy.mode = mode
        t.check(f"one server, {mode}: a receipt counts", credited(scene.exchange()))
        scene.agrees(f"one server, {mode}", 40)
        proxy.clear()
    for i, (what, hooks) in enumerate(lies(scene.chain.nodes[0])):
        proxy = scene.fresh_server(i)
        proxy.after.update(hooks)
        scene.exchange()
        scene.agrees(f"one server tells {what}", 40)
        proxy.clear()


def one_lags(scene):
    scene.fresh_server(0)
    scene.chain.leave(1)
    for _ in range(2):
        scene.exchange()
        scene.agrees("one server stands still", 40)
    scene.chain.back(1)
    t.check("the node that stood still has the same blocks again",
            t.wait_until(scene.chain.agree, 5))
    scene.chain.leave(2)
    scene.exchange()
    scene.agrees("another stands still", 40)
    scene.chain.back(2)


def all_lie(scene):
    """Then nothing goes on, nothing false is believed, and it ends with the lies."""
    for what, hooks in lies(scene.chain.nodes[0])[:6]:
        scene.fresh_server(0)
        t.wait_until(scene.tracker.is_level, 10)
        before = scene.tracker.ledger()["confirmed_sequence"]
        for proxy in scene.proxies:
            proxy.after.update(hooks)
        scene.exchange()
        time.sleep(0.7)
        now = scene.tracker.ledger()
        state = scene.contract.state()      # later, so that it cannot be behind
        t.check(f"all tell {what}: no more is believed than is there",
                before <= now["confirmed_sequence"] <= state["sequence"], (before, now, state))
        for proxy in scene.proxies:
            proxy.clear()
        scene.agrees(f"after all told {what}", 40)
    t.check("it never took itself for another", "are not of this store" not in scene.tracker.text() and
            "set_aside" not in scene.tracker.text(), scene.tracker.text()[-2000:])


def dear_blocks(scene):
    """The base fee rises above what was offered; a replacement must offer 10 % more of both fees."""
    scene.fresh_server(0)
    for proxy in scene.proxies:
        proxy.replacement_rule = True
        proxy.sent.clear()
    scene.chain.pause(True)     # what is sent stays in the pools
    scene.exchange()
    t.check("a transaction that is not mined is offered again with higher fees", t.wait_until(
        lambda: len({x[1:3] for x in scene.proxies[0].sent}) >= 3, 20), scene.proxies[0].sent)
    scene.chain.pause(False)
    offers = list(dict.fromkeys(x[:3] for x in scene.proxies[0].sent))
    same_nonce = [(x, y) for x, y in zip(offers, offers[1:]) if x[0] == y[0]]
    t.check("both fees rise by an eighth at least", same_nonce and all(
        y[1] * 8 >= x[1] * 9 and y[2] * 8 >= x[2] * 9 for x, y in same_nonce), offers)
    t.check("no replacement was refused", not any(p.refused_replacements for p in scene.proxies))
    with scene.chain.lock:      # of the same block on all nodes
        for node in scene.chain.nodes:
            node.rpc("anvil_setNextBlockBaseFeePerGas", hex(30 * GAS_FLOOR))
    scene.exchange()
    scene.agrees("when the base fee has risen", 40)


def little_money(scene):
    """What one server says of gas and tips decides nothing: there is enough for what it really costs, and
    not for what that one names; and a tip of nothing would not be mined elsewhere."""
    scene.fresh_server(0)
    with scene.chain.lock:
        scene.chain.set_balance(scene.tracker.writer, 10 ** 15)
        scene.chain._mine_all()     # the newest block of before cannot be proved any more
    liar, *honest = scene.proxies
    for gas, tip in ((14_000_000, "0x0"), (14_000_000, hex(10 ** 18))):
        liar.after["eth_estimateGas"] = lambda *_, gas=gas: hex(gas)
        liar.after["eth_maxPriorityFeePerGas"] = lambda *_, tip=tip: tip
        for proxy in honest:    # so that the liar's comes first
            proxy.after["eth_maxPriorityFeePerGas"] = lambda _, result: time.sleep(0.2) or result
        liar.sent.clear()
        scene.exchange()
        scene.agrees(f"one server names gas {gas} and a tip of {int(tip, 16)}", 40)
        tips = {x[1] for x in liar.sent}
        t.check(f"a tip of {int(tip, 16)}: what is offered first is what the others say",
                min(tips, default=0) == 5 * 10 ** 8, tips)
        for proxy in scene.proxies:
            proxy.clear()


def main():
    if a.fetch():
        helper = s.Helper()
        network = Network()
        factory = k.make_factory(network)
        scene = Servers(helper, network, factory, "faults")
        with network:
            scene.add_users("alice", "bob")
            scene.users[1].add_torrent(TORRENT)
            scene.agrees("three honest servers")
            one_of_three(scene)
            one_lags(scene)
            all_lie(scene)
            dear_blocks(scene)
            little_money(scene)
            total = sum(TORRENT.sizes[:scene.next_piece])
            t.check("every piece counted once", scene.contract.account("bob")[0] == INIT + total)
            scene.end("at the end")
    t.finish()


if __name__ == "__main__":
    main()
