"""A contract in root mode, replayed from the transactions on its chain alone (docs/ethereum.md, Root
mode; no line of src/eth is used), and a tracker that writes to one."""
import base64
import hashlib

import chain_kit as k
import pbts_test as t
from chain_scene import FLAGS, Scene

WRITTEN = "0x" + k.keccak(b"Written(uint48,uint48,uint32,bytes32)").hex()
WRITE_ROOT = k.keccak(b"writeRoot(uint48,uint48,uint32,bytes32,bytes)")[:4]
TO_ROOT = ("--chain-mode", "root")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def merkle_root(leaves):
    """RFC 6962."""
    if len(leaves) < 2:
        return sha256(b"\0", leaves[0]) if leaves else sha256()
    half = 1
    while 2 * half < len(leaves):
        half *= 2
    return sha256(b"\1", merkle_root(leaves[:half]), merkle_root(leaves[half:]))


class Data:
    """One batch's data."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        self.at += count
        assert self.at <= len(self.data)
        return self.data[self.at - count:self.at]

    def number(self, count):
        return int.from_bytes(self.take(count), "big")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def rows(self):
        """(user_no, (uid_hash, key) or None, whether values are set and not increased, [up, down,
        generation])."""
        user_no = 0
        while self.at < len(self.data):
            first, who, generation = self.number(2), None, 0
            if first < 0x8000:
                user_no += first + 1
                yield user_no, None, False, [self.number(5), self.number(5), 0]
                continue
            user_no += self.varint() + 1
            if first & 1:
                who = self.take(32), self.take(96)
            up, down = self.varint(), self.varint()
            if first & 2:
                generation = self.varint()
            yield user_no, who, bool(first & 4), [up, down, generation]


class Replay:
    """Every account of a contract in root mode, from the transactions on its chain alone."""

    def __init__(self, contract):
        self.accounts, self.head, self.sizes, self.strays, self.set = {}, b"\0" * 32, [], 0, 0
        logs = contract.chain.rpc("eth_getLogs", {
            "address": contract.address, "topics": [WRITTEN], "fromBlock": "0x0",
            "toBlock": "latest"})
        for log in logs:
            call = contract.chain.rpc("eth_getTransactionByHash", log["transactionHash"])["input"]
            self.add(bytes.fromhex(call[2:]))

    def add(self, call):
        assert call[:4] == WRITE_ROOT
        length = int.from_bytes(call[4 + 160:4 + 192], "big")
        data = call[196:196 + length]
        self.head = k.keccak(self.head + k.keccak(data))
        self.sizes.append(length)
        after = self.after(data)
        self.strays += after is None
        self.accounts = self.accounts if after is None else after

    def after(self, data):
        """The accounts then; None when the data cannot be applied to those that are there."""
        accounts = dict(self.accounts)
        for user_no, who, sets, values in Data(data).rows():
            if bool(who) == (user_no in accounts):
                return None
            *old_who, up, down, generation = accounts.get(user_no, [*(who or ()), 0, 0, 0])
            old = [up, down, generation]
            self.set += sets
            if sets and all(x >= y for x, y in zip(values, old)):
                return None
            accounts[user_no] = [*old_who, *(values if sets else map(sum, zip(values, old)))]
        return accounts

    def root(self):
        return merkle_root([
            uid_hash + (generation << 224 | down << 112 | up).to_bytes(32, "big") + sha256(key) +
            user_no.to_bytes(4, "big")
            for user_no, (uid_hash, key, up, down, generation) in sorted(self.accounts.items())])

    def account(self, uid):
        wanted = sha256(b"pbts/uid/1", uid.encode())
        for uid_hash, key, up, down, generation in self.accounts.values():
            if uid_hash == wanted:
                return up, down, generation, key
        return None


class RootScene(Scene):
    """A chain, a contract in root mode, a tracker, its users."""

    def __init__(self, helper, chain, factory):
        self.helper, self.chain = helper, chain
        self.tracker = k.ChainTracker(*FLAGS, name="root")
        self.contract = k.make_contract(chain, factory, self.tracker.writer)
        chain.mine()
        self.tracker.follow(self.contract, [chain.url], *TO_ROOT, depth=3).start()
        self.generations = {}
        self.users, self.next_piece = [], 0

    def end(self, name):
        t.check(f"{name}: the tracker ends cleanly", self.tracker.stop() == 0,
                self.tracker.text()[-3000:])


def agrees(scene, name, seconds=20):
    """The contract has all, the root is that of the data, and the data are what the tracker says."""
    tracker, state = scene.tracker, scene.contract.state
    level = t.wait_until(lambda: tracker.is_level() and state()["user_count"] == len(scene.users),
                         seconds)
    t.check(f"{name}: the contract catches up", level, tracker.ledger())
    replay, now = Replay(scene.contract), state()
    t.check(f"{name}: the data lead to the contract's head", int.from_bytes(
        replay.head, "big") == now["head"] and len(replay.sizes) == now["sequence"], now)
    t.check(f"{name}: and to its root", int.from_bytes(replay.root(), "big") == now["root"] and
            len(replay.accounts) == now["user_count"] == len(scene.users), now)
    bad = []
    for user in scene.users:
        mine = tracker.get(f"/user/{user.uid}").json()
        wanted = (mine["up_bytes"], mine["down_bytes"],
                  scene.generations.get(user.uid, 0), base64.b64decode(user.key))
        if replay.account(user.uid) != wanted:
            bad.append((user.uid, wanted, replay.account(user.uid)))
    t.check(f"{name}: it has every user's key, totals and generation", not bad, bad[:3])
    return replay
