#!/usr/bin/env python3
# build: asan
# timeout: 90
"""A contract of other code than this tracker was made with, with the same slots: it could say anything in
them. It is refused, with the hash that a person who knows better can allow."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import anvil as a  # noqa: E402
import chain_kit as k  # noqa: E402
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from chain_scene import FLAGS  # noqa: E402


def change_code(chain, contract):
    """One byte more, behind the last, which is never carried out. Returns the new code's hash."""
    code = chain.rpc("eth_getCode", contract.address, "latest") + "00"
    chain.rpc("anvil_setCode", contract.address, code)
    chain.mine()
    return "0x" + k.keccak(bytes.fromhex(code[2:])).hex()


def refused(name, words, tracker, *options):
    tracker.flags = tracker.plain_flags + list(options)
    try:
        tracker.start()
        started = True
        tracker.stop()
    except RuntimeError:
        started = False
    t.check(f"{name}: the tracker does not come up", not started, tracker.text()[-2000:])
    t.check(f"{name}: and says why", all(w in tracker.text() for w in words),
            tracker.text()[-2000:])


def main():
    if a.fetch():
        helper = s.Helper()
        with a.Anvil() as chain:
            factory = k.make_factory(chain)
            tracker = k.ChainTracker(*FLAGS, name="code")
            contract = k.make_contract(chain, factory, tracker.writer)
            chain.mine()
            code_hash = change_code(chain, contract)
            tracker.follow(contract, [chain.url])
            tracker.plain_flags = list(tracker.flags)
            refused("other code", ("chain_code_hash", code_hash), tracker)
            refused("another hash", ("chain_code_hash", code_hash), tracker, "--chain-code-hash",
                    "0x" + "5" * 64)
            refused("half a hash", ("chain_code_hash", "64 hex digits"), tracker,
                    "--chain-code-hash", code_hash[:-2])
            tracker.flags = tracker.plain_flags + ["--chain-code-hash", code_hash]
            tracker.start()
            with a.Miner(chain):
                user = s.Signer(helper, tracker, "alice")
                k.Agreement(tracker, contract).check("with its hash", [user])
            t.check("the tracker ends cleanly", tracker.stop() == 0, tracker.text()[-2000:])
    t.finish()


if __name__ == "__main__":
    main()
