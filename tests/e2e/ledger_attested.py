#!/usr/bin/env python3
# build: asan
# timeout: 180
"""`pbts ledger deploy-verifier`, and `deploy --attestation`: a factory that lets in whom a key service
vouches for, on a real chain, and nobody else."""
import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import EXIT_IO, EXIT_REFUSED, EXIT_USAGE, asked, fails, good  # noqa: E402
from fault_proxy import FaultProxy  # noqa: E402

LINEAGE, MEASUREMENT = hashlib.sha256(b"lineage").digest(), hashlib.sha384(b"guest").digest()
FAR = 4_000_000_000
LINEAGES_MAX = 16
FIELD_ORDER = int("1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f624"
                  "1eabfffeb153ffffb9feffffffffaaab", 16)


class Key:
    """A tracker's key file and the address that goes with it."""

    def __init__(self, chain, name):
        secret = b"\1" + os.urandom(31)
        self.path = t.TMP / f"{name}.key"
        self.path.write_text(secret.hex() + "\n")
        self.path.chmod(0o600)
        self.address = k.address_of(k.writer_secret(secret))
        chain.set_balance(self.address, 10 * k.ETHER)


class Payer:
    """An Ethereum key of its own."""

    def __init__(self):
        number = int.from_bytes(os.urandom(31), "big") + 1
        self.path = t.TMP / f"{number:x}.key"
        self.path.write_text(f"{number:064x}\n")
        self.path.chmod(0o600)
        self.address = k.address_of(number)


def created_address(sender, nonce):
    """Where a contract will stand: Keccak-256 of the RLP list of both; nonces of one byte."""
    item = bytes([nonce]) if nonce else b"\x80"
    return "0x" + k.keccak(b"\xd6\x94" + bytes.fromhex(sender[2:]) + item)[12:].hex()


class Service:
    """One key in place of a group's: what it signs looks the same."""

    def __init__(self, helper):
        self.helper, self.secret = helper, "11" * 32
        self.key = bytes.fromhex(self.sign(b"")["public"])

    def sign(self, message):
        return self.helper("kms_attest", secret=self.secret, message=message.hex())

    def attestation(self, verifier, owner, expiry=FAR, chain_id=a.CHAIN_ID):
        claims = LINEAGE + MEASUREMENT + expiry.to_bytes(8, "big")
        message = (chain_id.to_bytes(8, "big") + bytes.fromhex(verifier[2:]) +
                   bytes.fromhex(owner[2:]) + claims)
        return claims + bytes.fromhex(self.sign(message)["signature"])


def compressed(key):
    """A point of G2 as EIP-2537 has it, as a service shows it: c1 first, and y as one bit."""
    field = [int.from_bytes(key[at:at + 64], "big") for at in range(0, 256, 64)]
    x0, x1, y0, y1 = field
    is_larger = (y1 or y0) > (FIELD_ORDER - 1) // 2
    out = bytearray(x1.to_bytes(48, "big") + x0.to_bytes(48, "big"))
    out[0] |= 0x80 | 0x20 * is_larger
    return out.hex()


def deploy_verifier(url, payer, public, lineages, *more):
    return ("ledger", "deploy-verifier", "--rpc", url, "--eth-key", payer.path, "--public", public, "--lineage",
            ",".join(lineages), *more)


def what_is_refused(chain, payer, public):
    """Before anything is sent."""
    def bad(name, words, key, lineages):
        fails(name, EXIT_USAGE, words, *deploy_verifier(chain.url, payer, key, lineages))

    one = LINEAGE.hex()
    for key in (public[:-2], public[:-1] + "x", "00" * 96, public[:-2] + "ff", "c0" + "00" * 95):
        bad("what is no key in G2 is refused", ["--public"], key, [one])
    for lineages in ([one[:-2]], [one[:-1] + "x"], [one, ""], [""]):
        bad(f"{len(lineages)} lineages, one of them wrong, are refused", ["--lineage", "64"], public, lineages)
    bad("a lineage twice is refused", ["--lineage", "twice"], public, [one, one])
    bad("17 lineages are too many", ["--lineage", "16"], public, [f"{i:064x}" for i in range(LINEAGES_MAX + 1)])
    fails("whoever has nothing is told how much it takes", EXIT_REFUSED, [payer.address, "has 0 ether"],
          *deploy_verifier(chain.url, payer, public, [one]))
    t.check("and nothing was sent", int(chain.rpc("eth_getTransactionCount", payer.address, "latest"), 16) == 0)


def make_verified_factory(chain, service):
    """A verifier and its factory, of an account that is no tracker's."""
    payer, public = Payer(), compressed(service.key)
    what_is_refused(chain, payer, public)
    chain.set_balance(payer.address, 10 * k.ETHER)
    chain.mine()
    lineages = [f"{i:064x}" for i in range(1, LINEAGES_MAX)] + [LINEAGE.hex()]
    made = asked(*deploy_verifier(chain.url, payer, public, lineages))
    verifier, factory = made["verifier"], made["factory"]

    def ask(to, function, *arguments):
        return chain.rpc("eth_call", {"to": to, "data": k.call_data(function, *arguments)}, "latest")[2:]

    t.check("the factory asks the verifier, which answers the factory",
            (ask(factory, "verifier()"), ask(verifier, "factory()")) ==
            (verifier[2:].rjust(64, "0"), factory[2:].rjust(64, "0")), made)
    t.check("the verifier has the service's key", service.key.hex() in ask(verifier, "publicKey()"))
    t.check("and 16 lineages, no other", [int(ask(verifier, "isLineage(bytes32)", bytes.fromhex(one)), 16)
                                          for one in (*lineages, "ee" * 32)] == [1] * LINEAGES_MAX + [0])
    text = good(*deploy_verifier(chain.url, payer, public, lineages[:1]))
    t.check("it says what to do next", "pbts ledger deploy --rpc" in text and "--attestation" in text, text)
    return verifier, factory


def somebody_sends_too(chain, service):
    """From the same account, between the two: the factory would stand where nobody answers it."""
    payer, proxy = Payer(), FaultProxy(chain.url)
    chain.set_balance(payer.address, 10 * k.ETHER)
    chain.mine()

    def overtake(_, result):
        if result:
            chain.rpc("anvil_setNonce", payer.address, "0x7")
            chain.mine()
        return result

    proxy.after["eth_getTransactionReceipt"] = overtake
    fails("a verifier whose factory cannot come is said to be of no use", EXIT_REFUSED,
          ["no factory will stand", created_address(payer.address, 1)],
          *deploy_verifier(proxy.url, payer, compressed(service.key), [LINEAGE.hex()]))
    t.check("and the factory was not paid for", len(proxy.sent) == 1, proxy.sent)


def attested(chain, service):
    verifier, factory = make_verified_factory(chain, service)
    key, thief = Key(chain, "tracker"), Key(chain, "thief")
    chain.mine()
    file = t.TMP / "attestation"

    def deploy(who, *more):
        return ("ledger", "deploy", "--rpc", chain.url, "--key", who.path, *more)

    def refused(name, who, content):
        file.write_bytes(content)
        fails(name, EXIT_REFUSED, ["contract refuses", "attestation"],
              *deploy(who, "--factory", factory, "--attestation", file))

    fails("without an attestation the factory refuses", EXIT_REFUSED, ["contract refuses"],
          *deploy(key, "--factory", factory))
    fails("a new factory asks for none", EXIT_USAGE, ["--attestation", "--factory"],
          *deploy(key, "--attestation", file))
    fails("a file that is missing is said to be", EXIT_IO, [str(file)],
          *deploy(key, "--factory", factory, "--attestation", file))
    file.write_bytes(bytes(64 * 1024 + 1))
    fails("so is one that is too long", EXIT_IO, [str(file)],
          *deploy(key, "--factory", factory, "--attestation", file))
    refused("64 KiB are passed on, and are none", key, bytes(64 * 1024))
    good = service.attestation(verifier, key.address)
    refused("an attestation of another's is refused", thief, good)
    refused("one for another chain is refused", key,
            service.attestation(verifier, key.address, chain_id=1))
    refused("one that has expired is refused", key,
            service.attestation(verifier, key.address, expiry=1_000_000_000))
    refused("one of a damaged signature is refused", key, good[:-1] + bytes([good[-1] ^ 1]))
    file.write_bytes(good)
    made = asked(*deploy(key, "--factory", factory, "--attestation", file))
    state = k.Contract(chain, made["contract"]).state()
    t.check("whom the service vouches for has a contract", (state["owner"], made["factory"]) ==
            (key.address, factory), (state, made))
    follower = asked(*deploy(key, "--factory", factory, "--attestation", file, "--referrer",
                             made["contract"]))
    t.check("and a successor, with the same one", follower["referrer"] == made["contract"],
            follower)


def main():
    if a.fetch():
        with a.Anvil() as chain:
            chain.mine(3)
            service = Service(s.Helper())
            attested(chain, service)
            somebody_sends_too(chain, service)
    t.finish()


if __name__ == "__main__":
    main()
