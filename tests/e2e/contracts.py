#!/usr/bin/env python3
# build: asan
# timeout: 180
"""The contracts on a real EVM: contracts/test/run.mjs, with the compiler and Anvil from npm. Without
those packages the tests did not run, and that is a failure."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FETCH_LIMIT_S, RUN_LIMIT_S = 60, 100


def fetch():
    """Whether the npm packages are there, installed now if need be."""
    try:
        done = subprocess.run([ROOT / "tools/fetch_contract_tools.sh"], timeout=FETCH_LIMIT_S,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        words, good = done.stdout.decode(errors="replace"), done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        words, good = str(error), False
    for line in words.splitlines():
        print(f"# {line}")
    print("ok" if good else "not ok", "the pinned compiler and development chain can be had")
    return good


def run():
    command = ["node", ROOT / "contracts/test/run.mjs", *sys.argv[1:]]
    sys.stdout.flush()
    with subprocess.Popen(command, cwd=ROOT, env=os.environ) as tests:
        try:
            return tests.wait(timeout=RUN_LIMIT_S)
        except subprocess.TimeoutExpired:
            tests.terminate()  # it ends its Anvil on the way out
            print(f"not ok the tests of the contracts end within {RUN_LIMIT_S} s")
            return 1


if __name__ == "__main__":
    sys.exit(0 if fetch() and run() == 0 else 1)
