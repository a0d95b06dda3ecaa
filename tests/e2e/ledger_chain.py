#!/usr/bin/env python3
# build: asan
# timeout: 240
"""`pbts ledger address`, `deploy`, `status`, `prove`, `verify-proof` and `migrate` on a real chain, with
servers that are dead, wrong, or lie."""
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
from commands import (EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, asked, fails, good,  # noqa: E402
                      run)
from fault_proxy import FaultProxy  # noqa: E402

NOWHERE = "0x" + "77" * 20
UP, DOWN, GENERATION = 123456789, 1000000, 3
PUBLIC_KEY = bytes(range(96))
EPOCH = 500000
SOON = ("--timeout", "4")


class Key:
    """A tracker's key file and the address that goes with it, computed without our code."""

    def __init__(self, name):
        secret = b"\1" + os.urandom(31)
        self.path = t.TMP / f"{name}.key"
        self.path.write_text(secret.hex() + "\n")
        self.path.chmod(0o600)
        self.number = k.writer_secret(secret)
        self.address = k.address_of(self.number)


def uid_hash(uid):
    return hashlib.sha256(b"pbts/uid/1" + uid.encode()).digest()


def fund(chain, *keys, wei=10 * k.ETHER):
    """In a block, or nothing proves it."""
    for key in keys:
        chain.set_balance(key.address, wei)
    chain.mine()


def register(chain, contract, owner, uid, user_no=0):
    packed = GENERATION << 224 | DOWN << 112 | UP
    row = uid_hash(uid) + k.word(packed) + PUBLIC_KEY + user_no.to_bytes(4, "big")
    sequence = contract.state()["sequence"] + 1
    data = k.call_data("register(uint48,uint48,bytes)", sequence, EPOCH, 96, len(row))
    chain.transact(owner, contract.address, data + row.ljust(-(-len(row) // 32) * 32, b"\0").hex())


def status(rpc, contract, *more):
    return ("ledger", "status", "--rpc", rpc, "--contract", contract, *more)


# ---- 1 ----

def addresses(key):
    done = good("ledger", "address", "--key", key.path)
    t.check("the address is that of the derived key", done == key.address + "\n", done)
    own = t.TMP / "own.key"
    own.write_text(f"0x{7:064x}\n")
    own.chmod(0o600)
    t.check("or that of an Ethereum key", asked("ledger", "address", "--eth-key", own) == {
        "address": k.address_of(7)})
    own.chmod(0o644)
    fails("a key that others may read is refused", EXIT_IO, ["chmod 600"], "ledger", "address",
          "--eth-key", own)
    own.chmod(0o600)
    for bad in ("0" * 64, "f" * 64, "7" * 63, "", "x" * 64):
        own.write_text(bad)
        fails(f"{bad[:4]!r}… is no Ethereum key", EXIT_IO, ["no Ethereum key"], "ledger",
              "address", "--eth-key", own)
    fails("no key has no address", EXIT_USAGE, ["--key"], "ledger", "address")


# ---- 2 ----

def deploy(rpc, key, *more):
    return ("ledger", "deploy", "--rpc", rpc, "--key", key.path, *more)


def check_created(name, chain, made, key, referrer=None):
    contract = k.Contract(chain, made["contract"])
    state = contract.state()
    t.check(f"{name}: the contract is there, the key's, and new", (
        state["owner"], state["sequence"], state["user_count"], state["sealed"],
        state["referrer"]) == (key.address, 0, 0, False, referrer or k.NOBODY), state)
    wanted = {"owner": key.address, "chain_id": a.CHAIN_ID, "referrer": referrer,
              "iid": k.instance_id(a.CHAIN_ID, made["contract"])}
    t.check(f"{name}: and what is printed says so", wanted.items() <= made.items(), made)
    block = chain.rpc("eth_getBlockByNumber", hex(made["block"]["number"]), False)
    t.check(f"{name}: the block is the chain's", block["hash"] == made["block"]["hash"], made)
    return contract


def deployments(chain, key):
    poor = Key("poor")
    fails("an empty account is told to be funded, and by how much", EXIT_REFUSED,
          [poor.address, "has 0 ether", "needs up to 0."], *deploy(chain.url, poor))
    t.check("and nothing was sent", int(chain.rpc("eth_getTransactionCount", poor.address,
                                                  "latest"), 16) == 0)
    fund(chain, poor, wei=10 ** 9)
    fails("so is one with too little", EXIT_REFUSED, ["has 0.000000001 ether"],
          *deploy(chain.url, poor))
    for bad in ("0", "x", "99999999999"):
        fails(f"a limit of {bad} gwei is none", EXIT_USAGE, ["--max-fee-gwei"],
              *deploy(chain.url, key, "--max-fee-gwei", bad))
    fund(chain, key)
    chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(5 * 10 ** 9))
    chain.mine()
    fails("more than the limit is not paid", EXIT_REFUSED, ["above --max-fee-gwei (2)"],
          *deploy(chain.url, key, "--max-fee-gwei", "2"))
    done = run(*deploy(chain.url, key, "--json"))
    t.check("a contract is deployed", done.returncode == EXIT_OK, done)
    made = json.loads(done.stdout)
    sent = re.findall(r"sending transaction (0x[0-9a-f]{64})", done.stderr)
    t.check("every transaction was named before it was sent", len(sent) == 2 and
            sent[1] == made["transaction"], (sent, made))
    contract = check_created("deploy", chain, made, key)
    text = good(*deploy(chain.url, key, "--factory", made["factory"]))
    t.check("the configuration is printed", all(line in text for line in (
        "ledger = ethereum", f"chain_id = {a.CHAIN_ID}", f"chain_rpc = {chain.url}",
        "chain_contract = 0x", "chain_first_block = ")), text)
    follower = asked(*deploy(chain.url, key, "--factory", made["factory"], "--referrer",
                             contract.address))
    check_created("with a referrer", chain, follower, key, contract.address)
    fails("a referrer needs its factory", EXIT_USAGE, ["--factory"],
          *deploy(chain.url, key, "--referrer", contract.address))
    fails("a referrer of no factory is refused", EXIT_REFUSED, ["contract refuses"],
          *deploy(chain.url, key, "--factory", made["factory"], "--referrer", NOWHERE))
    fails("nothing is no factory", EXIT_REFUSED, ["no contract at this address"],
          *deploy(chain.url, key, "--factory", NOWHERE))
    fails("a Reputation is no factory", EXIT_REFUSED, ["refuses"],
          *deploy(chain.url, key, "--factory", contract.address))
    return contract, made["factory"]


def start_deploy(chain, key, rpc=None):
    """(process, what it says first): the transaction that it then waits for."""
    command = [str(t.BIN / "pbts"), *map(str, deploy(rpc or chain.url, key, "--depth", "1",
                                                     "--json"))]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    said = process.stderr.readline().decode()
    t.wait_until(lambda: chain.rpc("txpool_status")["pending"] == "0x1", 10)
    return process, said


def interrupted():
    """The program is ended while its transaction waits; the next run sends the same one."""
    key = Key("interrupted")
    with a.Anvil(mines=False, name="slow") as chain:
        chain.mine(2)
        fund(chain, key)
        first, said = start_deploy(chain, key)
        first.kill()
        first.communicate()
        factory = re.search(r"makes (0x[0-9a-f]{40})", said)
        t.check("an interrupted run said what it sent", factory is not None, said)
        second, said_again = start_deploy(chain, key)
        t.check("the next run sends the same transaction", said == said_again, (said, said_again))
        with a.Miner(chain, 0.3):
            try:
                out, words = second.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                second.kill()
                out, words = second.communicate()
        if t.check("and comes to its end", second.returncode == EXIT_OK, words):
            made = json.loads(out)
            t.check("with the same factory", factory and made["factory"] == factory[1], made)
            check_created("after an interruption", chain, made, key)


def outbid():
    """A dearer transaction of the same nonce waits, and the server replaces as geth does."""
    key = Key("outbid")
    with a.Anvil(mines=False, name="dear") as chain:
        proxy = FaultProxy(chain.url)
        proxy.replacement_rule = True
        chain.mine(2)
        fund(chain, key)
        proxy.after["eth_maxPriorityFeePerGas"] = lambda *_: hex(k.ETHER // (2 * 10 ** 9))
        first, _ = start_deploy(chain, key, proxy.url)
        first.kill()
        first.communicate()
        t.check("the first run offers a tip of half a gwei", [x[1] for x in proxy.sent] == [
            5 * 10 ** 8], proxy.sent)
        proxy.after["eth_maxPriorityFeePerGas"] = lambda *_: hex(3 * 10 ** 8)
        offers = proxy.sent = []
        second, _ = start_deploy(chain, key, proxy.url)
        t.wait_until(lambda: offers and offers[-1][1] >= 55 * 10 ** 7, 10)
        with a.Miner(chain, 0.3):
            out, words = second.communicate(timeout=60)
        if t.check("the next run outbids it", second.returncode == EXIT_OK, words):
            check_created("after outbidding", chain, json.loads(out), key)
        same = [x for x in offers if x[0] == offers[0][0]]
        t.check("what was refused is offered again, with both fees an eighth higher at least",
                proxy.refused_replacements >= 3 and len(same) == proxy.refused_replacements + 1 and
                all(8 * y[1] >= 9 * x[1] and 8 * y[2] >= 9 * x[2]
                    for x, y in zip(same, same[1:])), same)
        t.check("and not by more than it takes", same[0][1] == 3 * 10 ** 8 and
                same[-2][1] < 55 * 10 ** 7 <= same[-1][1], same)
        proxy.stop()


# ---- 3 ----

def states(chain, contract, key):
    shown, real = asked(*status(chain.url, contract.address)), contract.state()
    t.check("status shows the contract as it is", (
        shown["owner"], shown["sequence"], shown["users"], shown["sealed"], shown["mode"],
        shown["epoch"], int(shown["head"], 16)) == (
            key.address, real["sequence"], real["user_count"], False, "slots", EPOCH,
            real["head"]), (shown, real))
    age = time.time() - shown["block"]["unix_time"]
    t.check("and how old its block is", abs(shown["block"]["age_s"] - age) < 30, shown)
    t.check("and its servers", [x["url"] for x in shown["endpoints"]] == [chain.url] and
            shown["endpoints"][0]["last"] == "GOOD", shown["endpoints"])
    text = good(*status(chain.url, contract.address))
    t.check("also in words", all(word in text for word in (contract.address, "slots", "proved in")),
            text)
    fails("nothing is no contract", EXIT_REFUSED, ["no contract at this address"],
          *status(chain.url, NOWHERE))
    fails("an address has 40 digits", EXIT_USAGE, ["--contract"], *status(chain.url, NOWHERE[:-1]))
    for bad in ("", "ftp://x", ",", ",".join(["http://127.0.0.1:1"] * 17)):
        fails(f"--rpc {bad[:9]!r} is refused", EXIT_USAGE, ["--rpc"], *status(bad, NOWHERE))
    for bad in ("0", "2", "x"):
        fails(f"a quorum of {bad} of 1 is refused", EXIT_USAGE, ["--quorum"],
              *status(chain.url, NOWHERE, "--quorum", bad))


def endpoints(chain, contract, factory):
    fails("another chain is refused", EXIT_IO, ["chain"],
          *status(chain.url, contract.address, "--chain-id", "1", *SOON))
    fails("a dead server gives nothing", EXIT_IO, ["127.0.0.1:1"],
          *status("http://127.0.0.1:1", contract.address))
    proxies = [FaultProxy(chain.url) for _ in range(3)]
    urls = ",".join(proxy.url for proxy in proxies)
    wanted = contract.state()["head"]

    def right(name):
        shown = asked(*status(urls, contract.address))
        return t.check(name, shown and int(shown["head"], 16) == wanted, shown) and shown

    for mode in ("close", "error", "garbage", "cut", "other_id", "huge", "silent"):
        proxies[0].mode = mode
        shown = right(f"one server of three that answers like \"{mode}\" does not matter")
        if mode == "garbage":
            t.check("and is named", shown["endpoints"][0]["bad"] > 0, shown["endpoints"])
    proxies[0].clear()

    def lie(params, proof):
        """Another word in a leaf of the storage."""
        for slot in proof["storageProof"]:
            if slot["proof"]:
                last = slot["proof"][-1]
                slot["proof"][-1] = last[:-2] + f"{int(last[-2:], 16) ^ 1:02x}"
                slot["value"] = "0x5"
        return proof

    def other_block(params):
        return a.call(chain.url, "eth_getProof", params[0], params[1], "0x2")

    def other_hash(params, block):
        return {**block, "hash": "0x" + "12" * 32} if block else block

    for name, before, after in (("state", {}, {"eth_getProof": lie}),
                                ("the state of another block", {"eth_getProof": other_block}, {}),
                                ("blocks", {}, {"eth_getBlockByNumber": other_hash})):
        proxies[0].before, proxies[0].after = before, after
        for _ in range(2):
            right(f"one server of three that lies about {name} is not believed")
        alone = run(*status(proxies[0].url, contract.address, *SOON))
        t.check(f"nor alone: {name}", alone.returncode == EXIT_IO and not alone.stdout, alone)
        proxies[0].clear()
    proxies[0].before = {"eth_blockNumber": lambda params: "0x1"}
    right("a server that lags does not matter")
    proxies[0].before = {"eth_chainId": lambda params: "0x1"}
    right_id = asked(*status(urls, contract.address, "--chain-id", str(a.CHAIN_ID)))
    t.check("nor one of another chain, when it is said which",
            right_id and right_id["chain_id"] == a.CHAIN_ID, right_id)
    fails("when it is not, they contradict each other", EXIT_REFUSED, ["different chains"],
          *status(urls, contract.address))
    proxies[0].clear()
    false_event(chain, proxies[0], factory)
    for proxy in proxies:
        proxy.stop()


def false_event(chain, proxy, factory):
    """The server names a contract of its own as the one that was created."""
    key, thief = Key("robbed"), Key("thief")
    fund(chain, key)
    theirs = k.make_contract(chain, factory, thief.address)

    def swap(params, logs):
        for log in logs:
            log["topics"][1] = "0x" + "0" * 24 + theirs.address[2:]
        return logs

    proxy.after = {"eth_getLogs": swap}
    fails("another's contract is not taken for the new one", EXIT_REFUSED, ["another owner"],
          *deploy(proxy.url, key, "--factory", factory, "--json"))
    proxy.clear()


# ---- 4 ----

def verify(path, *more):
    return ("ledger", "verify-proof", path, *more)


def check_proof(name, chain, contract, path, uid, present):
    block = chain.rpc("eth_getBlockByNumber", "latest", False)
    shown = asked(*verify(path, "--uid", uid, "--block-hash", block["hash"], "--contract",
                          contract.address, "--chain-id", a.CHAIN_ID))
    t.check(f"{name}: block, contract and chain are right", (
        shown["block"]["hash"], shown["block"]["number"], shown["block"]["unix_time"],
        shown["contract"], shown["chain_id"]) == (
            block["hash"], int(block["number"], 16), int(block["timestamp"], 16), contract.address,
            a.CHAIN_ID), shown)
    user = shown["user"]
    wanted = {"uid_hash": uid_hash(uid).hex(), "present": present}
    if present:
        wanted |= {"up_bytes": UP, "down_bytes": DOWN, "generation": GENERATION,
                   "key_hash": hashlib.sha256(PUBLIC_KEY).hexdigest(), "ratio": UP / DOWN}
    t.check(f"{name}: the user is right", user == wanted, user)
    t.check(f"{name}: it says what it rests on", "block hash" in shown["rests_on"], shown)
    return block["hash"]


def secretless(chain, contract):
    """What is secret in a server's URL is not in what is made to be shown around."""
    proxy, path = FaultProxy(chain.url), t.TMP / "shown.proof"
    host = proxy.url.split("//")[1]
    secrets = ("aladdin", "sesame", "projectkey", "token")
    url = f"http://aladdin:sesame@{host}/v3/projectkey?token=1"
    text = good("ledger", "prove", "alice", "--rpc", f"{url}, {chain.url}", "--quorum", "2",
                "--contract", contract.address, "--out", path)
    data = path.read_bytes()
    t.check("a proof names its servers by host", f"{proxy.url},{chain.url}".encode() in data)
    t.check("and nothing that is secret in their URLs", not any(
        secret.encode() in data or secret in text for secret in secrets), text)
    block = json.loads(run(*verify(path, "--json")).stdout)["block"]["hash"]
    good(*verify(path, "--block-hash", block))
    proxy.stop()


def proofs(chain, contract):
    path = t.TMP / "alice.proof"
    prove = ("ledger", "prove", "--rpc", chain.url, "--contract", contract.address, "--out")
    text = good(*prove, path, "alice")
    t.check("prove prints the totals", "123456789" in text and "123.457" in text, text)
    block = check_proof("present", chain, contract, path, "alice", True)
    none = t.TMP / "none.proof"
    good(*prove, none, "nobody")
    check_proof("absent", chain, contract, none, "nobody", False)
    done = run(*verify(path))
    t.check("without a block hash it rests on nothing", done.returncode == EXIT_REFUSED and
            "rests on nothing" in done.stderr and "123.457" in done.stdout, done)
    for words, more in ((["another block"], ("--block-hash", "11" * 32)),
                        (["another user"], ("--uid", "bob", "--block-hash", block)),
                        (["another contract"], ("--contract", NOWHERE, "--block-hash", block)),
                        (["another chain"], ("--chain-id", "1", "--block-hash", block)),
                        (["no signatures"], ("--trusted-root", "22" * 32))):
        fails(f"a proof is refused: {words[0]}", EXIT_REFUSED, words, *verify(path, *more))
    fails("a hash has 64 digits", EXIT_USAGE, ["--block-hash"], *verify(path, "--block-hash", "1"))
    damaged, data = t.TMP / "damaged.proof", path.read_bytes()
    for at in (0, 20, len(data) // 2, len(data) - 1):
        bytes_ = bytearray(data)
        bytes_[at] ^= 1
        damaged.write_bytes(bytes_)
        fails(f"damage at byte {at} is found", EXIT_REFUSED, ["damaged.proof"],
              *verify(damaged, "--block-hash", block))
    forged = bytearray(data[:-32])
    forged[len(data) // 2] ^= 1
    damaged.write_bytes(forged + hashlib.sha256(forged).digest())
    fails("a forger's checksum does not help", EXIT_REFUSED, ["damaged.proof"],
          *verify(damaged, "--block-hash", block))
    secretless(chain, contract)
    chain.mine(3)
    check = run(*verify(path, "--block-hash", block))
    t.check("a proof stays good", check.returncode == EXIT_OK, check)
    other = t.TMP / "other.txt"
    other.write_text("mine")
    fails("another file is not replaced", EXIT_IO, ["other.txt"], *prove, other, "alice")
    fails("a name has 32 characters", EXIT_USAGE, ["1 to 32"], *prove, none, "x" * 33)
    fails("a place without a contract has no proof", EXIT_REFUSED, ["no contract"], "ledger",
          "prove", "--rpc", chain.url, "--contract", NOWHERE, "--out", none, "alice")


def older(chain, contract, factory, key):
    """A server names one of the same key and factory, which is in use, as the one that was made."""
    proxy = FaultProxy(chain.url)
    named = "0x" + "0" * 24 + contract.address[2:]
    proxy.after["eth_getLogs"] = lambda _, logs: [
        {**log, "topics": [log["topics"][0], named, *log["topics"][2:]]} for log in logs]
    fails("an older contract is not taken for a new one", EXIT_REFUSED, [contract.address, "in use"],
          *deploy(proxy.url, key, "--factory", factory))
    proxy.stop()


# ---- 5 ----

def moved_on(chain, old, new):
    """What a proof of either contract is not about."""
    path = t.TMP / "moved.proof"
    prove = ("ledger", "prove", "alice", "--rpc", chain.url, "--out", path, "--contract")
    text = good(*prove, old)
    t.check("a proof of a sealed contract says that, and where the user may have gone", all(
        x in text for x in ("123456789", "sealed", new)), text)
    shown = json.loads(run(*verify(path, "--json")).stdout)
    t.check("also to programs", shown["sealed"] and shown["successor"] == new and
            shown["referrer"] is None, shown)
    text = good(*prove, new)
    t.check("that a user is not there says that the referrer was not asked", all(
        x in text for x in ("is not in this contract", "referrer", old)), text)
    shown = json.loads(run(*verify(path, "--json")).stdout)
    t.check("also to programs", shown["referrer"] == old and not shown["sealed"] and
            not shown["user"]["present"], shown)


def migrations(chain, contract, factory, old):
    new = Key("new")
    fund(chain, new)
    base = ("ledger", "migrate", "--to", "ethereum", "--rpc", chain.url, "--key", new.path)
    fails("without --yes nothing is done", EXIT_USAGE, ["nothing was done"], *base, "--from",
          contract.address, "--factory", factory)
    fails("a contract's factory must be named", EXIT_USAGE, ["--factory"], *base, "--from",
          contract.address, "--yes")
    fails("a place without a contract is not migrated", EXIT_REFUSED, ["no contract"], *base,
          "--from", NOWHERE, "--factory", factory, "--yes")
    made = asked(*base, "--from", contract.address, "--factory", factory, "--yes")
    check_created("migrate", chain, made, new, contract.address)
    t.check("without the old key nothing is sealed", not made["from_sealed"] and
            not contract.state()["sealed"], made)
    stranger = Key("stranger")
    fund(chain, stranger)
    fails("a stranger's key does not seal", EXIT_REFUSED, ["refuses", "--new"], *base, "--from",
          contract.address, "--factory", factory, "--old-key", stranger.path, "--yes")
    unrelated = asked(*deploy(chain.url, new, "--factory", factory))["contract"]
    fails("it is not sealed for a contract that does not follow it", EXIT_REFUSED, ["does not follow"],
          *base, "--from", contract.address, "--factory", factory, "--new", unrelated, "--old-key",
          old.path, "--yes")
    fails("nor for a place without a contract", EXIT_REFUSED, ["no contract"], *base, "--from",
          contract.address, "--factory", factory, "--new", NOWHERE, "--old-key", old.path, "--yes")
    t.check("and stays open", not contract.state()["sealed"])
    text = good(*base, "--from", contract.address, "--factory", factory, "--new",
                made["contract"], "--old-key", old.path, "--yes")
    state = contract.state()
    t.check("the old contract is sealed for the new one",
            state["sealed"] and state["successor"] == made["contract"], (state, text))
    shown = asked(*status(chain.url, contract.address))
    t.check("and its status says so", shown["sealed"] and
            shown["successor"] == made["contract"], shown)
    moved_on(chain, contract.address, made["contract"])
    done = run(*base, "--from", contract.address, "--factory", factory, "--yes", "--json")
    t.check("a second successor is told who the first one is", done.returncode == EXIT_OK and
            f"is sealed for {made['contract']}" in done.stderr, done)
    second = json.loads(done.stdout)["contract"]
    fails("a seal for another is not taken for one's own", EXIT_REFUSED,
          [f"is sealed for {made['contract']}"], *base, "--from", contract.address, "--factory", factory,
          "--new", second, "--old-key", old.path, "--yes")
    again = good(*base, "--from", contract.address, "--factory", factory, "--yes")
    t.check("the configuration names the referrer",
            f"referrer_contract = {contract.address}" in again, again)
    from_local(base, new)


def from_local(base, new):
    export = t.TMP / "ledger.bin"
    with t.Daemon() as daemon:
        good("ledger", "export", "--data", daemon.data, "--out", export)
    text = good(*base, "--from", export, "--yes")
    t.check("from a local ledger: the export is the referrer",
            f"referrer = {export}" in text and "ledger = ethereum" in text, text)
    text = good("ledger", "migrate", "--to", "local", "--from", export)
    t.check("from local to local it says how", f"--referrer {export}" in text, text)
    export.write_bytes(b"no ledger")
    done = run(*base, "--from", export, "--yes")
    t.check("what is no ledger is not migrated", done.returncode != EXIT_OK and not done.stdout,
            done)


def main():
    if not a.fetch():
        t.finish()
    key = Key("tracker")
    addresses(key)
    with a.Anvil() as chain:
        chain.mine(3)
        contract, factory = deployments(chain, key)
        register(chain, contract, key.address, "alice")
        states(chain, contract, key)
        endpoints(chain, contract, factory)
        proofs(chain, contract)
        older(chain, contract, factory, key)
        migrations(chain, contract, factory, key)
    interrupted()
    outbid()
    t.finish()


if __name__ == "__main__":
    main()
