#!/usr/bin/env python3
# build: asan
# timeout: 240
"""The light client over the network: one storage slot of recorded mainnet, proved from a trusted
beacon block on, with servers that lie at every layer, stall, or are gone. Whatever they do, the
result is the right one or none. The recorded data are not part of the repository."""
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import beacon_nodes as b  # noqa: E402
import pbts_test as t  # noqa: E402

HELPER = Path(os.environ.get("PBTS_HELPERS", t.BIN)) / "beacon_prove"
DAY_S = 24 * 3600
COMMITTEE = "pubkeys.300"

LIES = {
    "bootstrap": [b.flip("bootstrap", path) for path in (
        "header.beacon.slot", "header.beacon.state_root", "header.execution.state_root",
        "header.execution_branch.2", f"current_sync_committee.{COMMITTEE}",
        "current_sync_committee.aggregate_pubkey", "current_sync_committee_branch.0")],
    "update": [b.flip("updates", path) for path in (
        "attested_header.beacon.body_root", "attested_header.execution.block_hash",
        f"next_sync_committee.{COMMITTEE}", "next_sync_committee.aggregate_pubkey",
        "next_sync_committee_branch.4", "finalized_header.beacon.slot", "finality_branch.5",
        "sync_aggregate.sync_committee_bits", "sync_aggregate.sync_committee_signature")],
    "head": [b.flip_heads(path) for path in (
        "attested_header.beacon.slot", "attested_header.beacon.parent_root",
        "attested_header.execution.state_root",
        "attested_header.execution.block_hash", "attested_header.execution.timestamp",
        "attested_header.execution_branch.0", "sync_aggregate.sync_committee_bits",
        "sync_aggregate.sync_committee_signature")],
    "proof": [b.flip("proof", path) for path in (
        "accountProof.0", "accountProof.4", "accountProof.8", "storageProof.0.proof.0",
        "storageProof.0.proof.6")],
}
BEACON_KINDS = ("bootstrap", "updates", "finality_update", "optimistic_update")
GARBAGE = (b"", b"{", b"[]", b"null", b'{"data": 1}', b"<html>busy</html>", bytes(range(256)) * 40,
           b"[" * 100000, b'{"data":{"header":' * 5000)


class Proof:
    """One run of the helper."""

    def __init__(self, chain, beacon, rpc, *options, root=None, time_s=None):
        slot = chain.expected["storage"][0]
        command = [HELPER, "--beacon", ",".join(beacon), "--rpc", ",".join(rpc), "--trusted-root",
                   root or chain.root, "--address", chain.expected["account"]["address"], "--slot",
                   slot["key"], *options]
        if time_s != "clock":
            command += ["--recorded-time", str(time_s or chain.time_s + 2)]
        run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=150,
                             check=False)
        self.text = run.stdout + run.stderr
        block = re.search(r"^block (\d+) (\w+) (\w+) (\d+)$", run.stdout, re.M)
        value = re.search(r"^value (\w+)$", run.stdout, re.M)
        self.block = int(block[1]) if block else None
        head = chain.expected["optimistic"]
        self.is_right = (
            run.returncode == 0 and block is not None and value is not None
            and self.block == head["exec_block_number"]
            and f"0x{block[2]}" == head["exec_block_hash"]
            and f"0x{block[3]}" == head["exec_state_root"]
            and value[1] == slot["value"][2:].rjust(64, "0"))
        self.has_none = run.returncode == 1 and value is None

    def failed(self, where, status, words=""):
        return self.has_none and f"failed {where} {status}: " in self.text and words in self.text


def expect_all(checks):
    """Several at once: each is (name, what to do, what must hold of it)."""
    with ThreadPoolExecutor(4) as pool:
        runs = [(name, pool.submit(run), holds) for name, run, holds in checks]
        for name, run, holds in runs:
            result = run.result()
            t.check(name, holds(result), result.text)


def right(proof):
    return proof.is_right


def none(proof):
    return proof.has_none


def urls(nodes):
    return [node.url for node in nodes]


def head_as_json(asked, message):
    """The same, in another form."""
    return {**message, "execution_optimistic": False} if asked == "optimistic_update" else message


def liars(chain, layer):
    return urls(b.Node(chain, lie, as_ssz=i % 2 == 0) for i, lie in enumerate(LIES[layer]))


def config_yaml(name, genesis_s=b.GENESIS_S, electra="0x05000000"):
    """Mainnet, described as a network of one's own."""
    path = t.TMP / f"{name}.yaml"
    path.write_text(f"""PRESET_BASE: 'mainnet'
GENESIS_TIME: {genesis_s}
GENESIS_VALIDATORS_ROOT: 0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95
SECONDS_PER_SLOT: 12
DEPOSIT_CHAIN_ID: 1
GENESIS_FORK_VERSION: 0x00000000
ALTAIR_FORK_VERSION: 0x01000000
ALTAIR_FORK_EPOCH: 74240
BELLATRIX_FORK_VERSION: 0x02000000
BELLATRIX_FORK_EPOCH: 144896
CAPELLA_FORK_VERSION: 0x03000000
CAPELLA_FORK_EPOCH: 194048
DENEB_FORK_VERSION: 0x04000000
DENEB_FORK_EPOCH: 269568
ELECTRA_FORK_VERSION: {electra}
ELECTRA_FORK_EPOCH: 364032   # and no later fork
""")
    return path


# ---- the tests ----

def test_honest(chain):
    checks = []
    for name, as_ssz in (("SSZ", True), ("JSON", False)):
        url = [b.Node(chain, as_ssz=as_ssz).url]
        checks.append((f"a slot is proved from the trusted root, in {name}",
                       lambda url=url: Proof(chain, url, url), right))
    url = [b.Node(chain).url]
    both = [b.Node(chain, as_ssz=True).url]
    checks += [
        ("what leads from the root to the block can be given to others",
         lambda: Proof(chain, both, url, "--evidence"),
         lambda proof: proof.is_right and re.search(r"^evidence 2 5\d{4}$", proof.text, re.M)),
        ("not when the head's message was not to be had in the files' form",
         lambda: Proof(chain, [b.Node(chain, head_as_json, as_ssz=True).url], url, "--evidence"),
         lambda proof: proof.is_right and "\nevidence none\n" in proof.text),
        ("nor when nodes speak JSON alone",
         lambda: Proof(chain, url, url, "--evidence"),
         lambda proof: proof.is_right and "\nevidence none\n" in proof.text)]
    final = int(chain.messages["updates"][0]["data"]["finalized_header"]["execution"]
                ["block_number"])
    checks += [
        ("what is final is older, and another block",
         lambda: Proof(chain, url, url, "--final", "--age-max", 3 * DAY_S, "--patience", 2000),
         lambda proof: proof.block == final and proof.has_none),
        ("another trusted root leads nowhere",
         lambda: Proof(chain, url, url, root=b.damage(chain.root)),
         lambda proof: proof.failed("block", "IO", "a wrong answer")),
        ("a network of one's own is described by its config.yaml",
         lambda: Proof(chain, url, url, "--preset", config_yaml("own")), right),
        ("another fork version verifies nothing",
         lambda: Proof(chain, url, url, "--patience", 2000, "--preset",
                       config_yaml("fork", electra="0x05000001")), none),
        ("a genesis that is not that of the blocks is noticed",
         lambda: Proof(chain, url, url, "--preset", config_yaml("early", b.GENESIS_S - 3600)),
         lambda proof: proof.failed("block", "DENIED", "genesis time")),
        ("another network's preset leads nowhere",
         lambda: Proof(chain, url, url, "--preset", "sepolia"), none)]
    expect_all(checks)


def test_age(chain):
    url = [b.Node(chain).url]
    words = "give a new trusted root"
    expect_all([
        ("by the clock the recorded chain is too old, and it is said what to do",
         lambda: Proof(chain, url, url, time_s="clock"),
         lambda proof: proof.failed("block", "STALE", words)),
        ("fifteen days later it is too old",
         lambda: Proof(chain, url, url, time_s=chain.time_s + 15 * DAY_S),
         lambda proof: proof.failed("block", "STALE", words)),
        ("a limit of one day is enforced",
         lambda: Proof(chain, url, url, "--trust-age-max", DAY_S),
         lambda proof: proof.failed("block", "STALE", words)),
        ("a head is not taken before its slot",
         lambda: Proof(chain, url, url, "--patience", 2000, time_s=chain.time_s - 2 * b.SLOT_S),
         none),
        ("a head that is older than the limit is none",
         lambda: Proof(chain, url, url, "--patience", 2000, time_s=chain.time_s + 3700),
         lambda proof: proof.failed("block", "STALE", "too old")),
        ("what is final is too old for an hour's limit",
         lambda: Proof(chain, url, url, "--patience", 2000, "--final"),
         lambda proof: proof.failed("block", "STALE"))])


def useless(chain):
    """Servers that are of no use in other ways than by a wrong digit."""
    honest = b.Node(chain).url
    ways = [b.instead(("optimistic_update",), chain.old_head),
            b.instead(BEACON_KINDS, b.Chain("eth/mainnet-jewel/eth_call_electra")),
            *(b.instead(BEACON_KINDS, garbage) for garbage in GARBAGE),
            *(b.instead(BEACON_KINDS, how) for how in (b.ENDLESS, b.HANG_UP, b.ERROR, b.REDIRECT))]
    return [b.dead_url(), *urls(b.Node(chain, way, elsewhere=honest) for way in ways)]


def of_another_fork(chain):
    """Each in one kind of answer, right in the others."""
    fork = b.Chain("eth/mainnet-jewel/eth_call_electra")
    return urls(b.Node(chain, b.instead((kind,), fork)) for kind in BEACON_KINDS)


def test_liars(chain):
    honest = b.Node(chain)
    checks = []
    for layer in ("bootstrap", "update", "head"):
        many = liars(chain, layer)
        checks += [
            (f"{len(many)} servers that lie in the {layer}, before an honest one",
             lambda many=many: Proof(chain, [*many, honest.url], [honest.url]), right),
            (f"only servers that lie in the {layer}: no result",
             lambda many=many: Proof(chain, many, [honest.url]), none)]
    many = liars(chain, "proof")
    checks += [
        ("servers that lie in the proof, before an honest one",
         lambda: Proof(chain, [honest.url], [*many, b.dead_url(), honest.url]), right),
        ("only servers that lie in the proof: no result",
         lambda: Proof(chain, [honest.url], many, "--patience", 3000), none)]
    broken, fork = useless(chain), of_another_fork(chain)
    checks += [
        (f"{len(broken)} servers that are dead, stale, of another root, endless or talk garbage, "
         "before an honest one",
         lambda: Proof(chain, [*broken, honest.url], [honest.url], "--patience", 100000), right),
        ("servers that give parts of another fork, before an honest one",
         lambda: Proof(chain, [*fork, honest.url], [honest.url]), right),
        ("only such servers: no result",
         lambda: Proof(chain, broken, [honest.url], "--patience", 4000), none),
        ("one that sends a byte now and then does not hold it up for ever",
         lambda: Proof(chain, [b.Node(chain, b.instead(BEACON_KINDS, b.SLOW)).url, honest.url],
                       [honest.url]), right),
        ("nobody there: no result",
         lambda: Proof(chain, [b.dead_url()], [honest.url], "--patience", 2000),
         lambda proof: proof.failed("block", "IO"))]
    endless = b.Node(chain, b.instead(BEACON_KINDS, b.ENDLESS))
    checks.append(("who answers endlessly is not asked again soon",
                   lambda: Proof(chain, [endless.url, honest.url], [honest.url], "--blocks", 7),
                   lambda proof: proof.is_right and sum(endless.asked.values()) == 1))
    expect_all(checks)
    one = b.Node(chain, LIES["bootstrap"][1])
    t.check("who lied once is not asked again soon",
            Proof(chain, [one.url, honest.url], [honest.url], "--blocks", 3).is_right
            and sum(one.asked.values()) == 1, str(one.asked))


def test_kept(chain):
    kept = t.TMP / "light.state"
    first, second = b.Node(chain), b.Node(chain)

    def run(node, **options):
        return Proof(chain, [node.url], [node.url], "--keep", kept, **options)

    proof = run(b.Node(chain, LIES["update"][0]))
    early = kept.read_bytes() if kept.exists() else b""
    t.check("what is known is kept, even if it is the bootstrap alone",
            proof.has_none and len(early) > 20000, proof.text)
    proof = run(first)
    t.check("it is kept again when more is final, and was not asked for twice",
            proof.is_right and first.asked["bootstrap"] == 0 and len(kept.read_bytes()) > 40000,
            proof.text)
    proof = run(second)
    t.check("and gone on with: neither bootstrap nor committees are asked for again",
            proof.is_right and second.asked["bootstrap"] == 0 and second.asked["updates"] == 0
            and second.asked["optimistic_update"] == 1, proof.text + str(second.asked))
    t.check("but not from another trusted root",
            run(b.Node(chain), root=b.damage(chain.root)).has_none)
    t.check("nor when it has become too old",
            run(b.Node(chain), time_s=chain.time_s + 15 * DAY_S)
            .failed("block", "STALE", "give a new trusted root"))
    data = bytearray(kept.read_bytes())
    data[20000] ^= 1
    kept.write_bytes(data)
    third = b.Node(chain)
    proof = run(third)
    t.check("what is damaged is not used", proof.is_right and third.asked["bootstrap"] == 1,
            proof.text)
    t.check("and kept anew", bytes(data) != kept.read_bytes())


def tracker_says(chain, *flags):
    """What a tracker says that cannot start: the reasons in its log."""
    daemon = t.Daemon("--ledger", "ethereum", "--chain-contract",
                      chain.expected["account"]["address"], *flags)
    daemon.launch()
    try:
        daemon.process.wait(60)
    except subprocess.TimeoutExpired:
        daemon.kill()
    return daemon.text()


def test_programs(chain):
    """That the programs' options and keys reach the light client; today it is all too old."""
    url = b.Node(chain).url
    words = "give a new trusted root"
    command = ["ledger", "status", "--contract", chain.expected["account"]["address"], "--rpc", url,
               "--timeout", 3, "--beacon"]
    for name, options, status, said in (
            ("is told that its root is too old", [url, "--trusted-root", chain.root], 1, words),
            ("needs a root", [url], 2, "needs --trusted-root"),
            ("needs a network", [url, "--trusted-root", chain.root, "--preset", "x"], 2, "config.yaml"),
            ("needs the network's chain", [url, "--trusted-root", chain.root, "--chain-id", 5], 2,
             "chain 1"),
            ("trusts no other block", [url, "--trusted-root", b.damage(chain.root)], 3,
             "a wrong answer")):
        run = t.pbts(*command, *options, check_exit=False)
        t.check(f"pbts ledger status {name}", run.returncode == status and said in run.stderr,
                f"{run.returncode} {run.stdout}{run.stderr}")
    keys = ["--chain-rpc", url, "--chain-beacon", url]
    for name, flags, said in (
            ("is told that its root is too old", ["--chain-trusted-root", chain.root], words),
            ("needs a root", [], "chain_beacon needs 0x and 64 hex digits here"),
            ("needs a network", ["--chain-trusted-root", chain.root, "--chain-preset", "x"],
             "should be mainnet, sepolia, hoodi"),
            ("needs the network's chain", ["--chain-trusted-root", chain.root, "--chain-id", "5"],
             "is of another chain than chain_id")):
        text = tracker_says(chain, *keys, *flags)
        t.check(f"a tracker {name}", said in text, text[-2000:])


if __name__ == "__main__":
    recorded = b.Chain()
    if recorded.missing:
        t.skip("a slot is proved from the trusted root", recorded.missing)
        sys.exit(0)
    for test in (test_honest, test_age, test_kept, test_programs, test_liars):
        test(recorded)
    t.finish()
