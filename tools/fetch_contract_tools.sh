#!/usr/bin/env bash
# Put the Solidity compiler, Anvil and the ABI coder into contracts/node_modules, as pinned with their
# integrity hashes in contracts/package-lock.json. Only tests of the contracts and `./run --chain` need
# them. Does nothing when they are there already.
set -euo pipefail
cd "$(dirname "$0")/../contracts"
stamp=node_modules/.from-lock
if [ -e "$stamp" ] && cmp -s package-lock.json "$stamp"; then exit 0; fi
command -v npm >/dev/null || { echo "fetch_contract_tools: npm is missing; tools/setup.sh installs it" >&2; exit 1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for try in 1 2 3; do
    # No scripts of packages are run; Anvil's would only link a program that we call by its own path.
    if npm ci --ignore-scripts --no-audit --no-fund >"$log" 2>&1; then
        cp package-lock.json "$stamp"
        exit 0
    fi
    sleep $((try * 2))
done
tail -20 "$log" >&2
echo "fetch_contract_tools: npm could not install what contracts/package-lock.json names" >&2
exit 1
