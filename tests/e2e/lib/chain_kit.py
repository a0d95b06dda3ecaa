"""What tests with a contract share: keys, deployment, slots read from a node without any code of
ours, and a tracker whose ledger is the contract.

Formats: docs/ethereum.md. What is computed here shares no line with src/eth.
"""
import base64
import hashlib
import hmac
import json
import os

import anvil as a
import pbts_test as t

ETHER = 10 ** 18
NOBODY = "0x" + "0" * 40
FIELDS = ("sequence", "epoch", "owner", "referrer", "user_count", "sealed", "mode", "successor",
          "head", "registrations", "root")


# ---- Keccak-256 and secp256k1, as their papers have them ----

def _rounds():
    state, constants = 1, []
    for _ in range(24):
        constant = 0
        for j in range(7):
            if state & 1:
                constant |= 1 << ((1 << j) - 1)
            state = state << 1 ^ (0x171 if state & 0x80 else 0)
        constants.append(constant)
    return constants


ROUNDS = _rounds()
MASK = (1 << 64) - 1


def _permute(lanes):
    def turn(value, by):
        by %= 64
        return (value << by | value >> (64 - by)) & MASK if by else value

    for constant in ROUNDS:
        c = [lanes[x][0] ^ lanes[x][1] ^ lanes[x][2] ^ lanes[x][3] ^ lanes[x][4] for x in range(5)]
        d = [c[(x + 4) % 5] ^ turn(c[(x + 1) % 5], 1) for x in range(5)]
        lanes = [[lanes[x][y] ^ d[x] for y in range(5)] for x in range(5)]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], turn(current, (step + 1) * (step + 2) // 2)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & MASK & row[(x + 2) % 5])
        lanes[0][0] ^= constant
    return lanes


def keccak(data):
    rate, lanes = 136, [[0] * 5 for _ in range(5)]
    padding = rate - len(data) % rate
    data += b"\x81" if padding == 1 else b"\x01" + b"\0" * (padding - 2) + b"\x80"
    for at in range(0, len(data), rate):
        for i in range(rate // 8):
            lanes[i % 5][i // 5] ^= int.from_bytes(data[at + 8 * i:at + 8 * i + 8], "little")
        lanes = _permute(lanes)
    return b"".join(lanes[i][0].to_bytes(8, "little") for i in range(4))


P = 2 ** 256 - 2 ** 32 - 977
ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
BASE = (0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798,
        0x483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8)


def _add(one, two):
    if one is None or two is None:
        return one or two
    if one[0] == two[0]:
        if (one[1] + two[1]) % P == 0:
            return None
        slope = 3 * one[0] ** 2 * pow(2 * one[1], -1, P)
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, P)
    x = (slope * slope - one[0] - two[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P


def address_of(secret):
    """Of a private key, a number."""
    point, step = None, BASE
    while secret:
        if secret & 1:
            point = _add(point, step)
        step, secret = _add(step, step), secret >> 1
    return "0x" + keccak(b"".join(x.to_bytes(32, "big") for x in point))[12:].hex()


def writer_secret(tracker_key):
    """The Ethereum key of a tracker, from its own (32 bytes): HKDF-SHA-256 (RFC 5869)."""
    middle = hmac.digest(b"\0" * 32, tracker_key, "sha256")
    for attempt in range(256):
        info = b"pbts/ethereum-writer/1" + (bytes([attempt]) if attempt else b"")
        secret = int.from_bytes(hmac.digest(middle, info + b"\1", "sha256"), "big")
        if 0 < secret < ORDER:
            return secret
    raise ValueError


def instance_id(chain_id, contract):
    """The iid of the instance whose accounts a contract keeps, in hex."""
    return hashlib.sha256(b"pbts/iid/1" + chain_id.to_bytes(8, "big") +
                          bytes.fromhex(contract[2:])).hexdigest()


# ---- contracts ----

def built(name):
    return json.loads((t.ROOT / f"contracts/build/{name}.json").read_text())


def word(value):
    """A value of the contract ABI."""
    if isinstance(value, str):
        value = int(value, 16)
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def hex32(value):
    return f"0x{value:064x}"


def call_data(signature, *words):
    return "0x" + keccak(signature.encode())[:4].hex() + b"".join(map(word, words)).hex()


def make_factory(chain):
    """Deployed by some rich account; its address."""
    sender = chain.rpc("eth_accounts")[0]
    code = built("ReputationFactory")["bytecode"]
    code = code if code.startswith("0x") else "0x" + code
    return chain.transact(sender, None, code + word(0).hex())["contractAddress"]


def make_contract(chain, factory, owner, referrer=NOBODY):
    """A Reputation of this owner."""
    if int(chain.rpc("eth_getBalance", owner, "latest"), 16) < ETHER:
        chain.set_balance(owner, 10 * ETHER)
    data = call_data("createReputation(address,bytes)", referrer, 64, 0)
    receipt = chain.transact(owner, factory, data)
    topic = "0x" + keccak(b"ReputationCreated(address,address,address)").hex()
    log = next(log for log in receipt["logs"] if log["topics"][0] == topic)
    return Contract(chain, "0x" + log["topics"][1][26:])


class Contract:
    """A Reputation as its slots say."""

    def __init__(self, chain, address):
        self.chain, self.address = chain, address

    def slot(self, key, block="latest"):
        return int(self.chain.rpc("eth_getStorageAt", self.address, hex(key), block), 16)

    def state(self, block="latest"):
        slots = [self.slot(i, block) for i in range(6)]

        def cut(number, at, bits):
            return slots[number] >> at & (1 << bits) - 1

        return dict(zip(FIELDS, (
            cut(0, 160, 48), cut(0, 208, 48), f"0x{cut(0, 0, 160):040x}",
            f"0x{cut(1, 0, 160):040x}", cut(1, 160, 32), bool(cut(1, 192, 8)), cut(1, 200, 8),
            f"0x{slots[2]:040x}", slots[3], slots[4], slots[5])))

    def account(self, uid):
        """(up, down, generation, SHA-256 of the key or ""), as the slots have it."""
        uid_hash = hashlib.sha256(b"pbts/uid/1" + uid.encode()).digest()
        packed, key = (self.slot(int.from_bytes(keccak(uid_hash + word(slot)), "big"))
                       for slot in (6, 7))
        low = (1 << 112) - 1
        return packed & low, packed >> 112 & low, packed >> 224, f"{key:064x}" if key else ""


# ---- a tracker ----

class ChainTracker(t.Daemon):
    """A tracker that writes to a contract; its key is there before its folder is."""

    def __init__(self, *flags, key=None, name="chain", **options):
        super().__init__(*flags, name=name, **options)
        self.key = key or os.urandom(32)
        self.data.mkdir(parents=True, exist_ok=True)
        path = self.data / "tracker.key"
        path.write_text(f"pbts-tracker-key2 {self.key.hex()}\n")
        path.chmod(0o600)
        self.writer = address_of(writer_secret(self.key))

    def follow(self, contract, urls, *flags, depth=1, poll_ms=50, chain_id=a.CHAIN_ID):
        """With this contract, through these servers."""
        self.flags += ["--ledger", "ethereum", "--chain-rpc", ",".join(urls), "--chain-id",
                       str(chain_id), "--chain-contract", contract.address, "--chain-depth",
                       str(depth), "--chain-interval-s", "0", "--chain-poll-ms", str(poll_ms),
                       "--chain-age-max-s", "0", *flags]
        return self

    def ledger(self):
        return self.get("/health").json()["ledger"]

    def metric(self, name):
        for line in self.get("/metrics", headers=self.admin()).body.decode().splitlines():
            if line.startswith(f"pbts_{name} "):
                return int(line.split()[1])
        return None

    def is_level(self):
        """The contract has all, and the last batch is confirmed."""
        now = self.ledger()
        return now["lag"] == 0 and now["state"] == "idle" and now["problem"] == ""


class Agreement:
    """Whether the contract has, for each user, what the tracker says."""

    def __init__(self, tracker, contract):
        self.tracker, self.contract = tracker, contract
        self.generations = {}

    def differences(self, users):
        found = []
        for user in users:
            mine = user.daemon.get(f"/user/{user.uid}").json()
            key = hashlib.sha256(base64.b64decode(user.key)).hexdigest()
            wanted = (mine["up_bytes"], mine["down_bytes"], self.generations.get(user.uid, 0), key)
            there = self.contract.account(user.uid)
            if wanted != there:
                found.append((user.uid, wanted, there))
        return found

    def check(self, name, users, seconds=20):
        """Wait until nothing waits, then compare every user, and the number of them."""
        level = t.wait_until(self.tracker.is_level, seconds)
        t.check(f"{name}: the contract catches up", level, self.tracker.ledger())
        bad = self.differences(users)
        state = self.contract.state()
        t.check(f"{name}: it has every user's key, totals and generation", not bad, bad[:3])
        t.check(f"{name}: and no other user", state["user_count"] == len(users), state)
