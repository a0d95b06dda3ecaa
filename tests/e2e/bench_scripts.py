#!/usr/bin/env python3
# build: release
# timeout: 120
"""The scripts of bench/ say what they do, and bench/dht measures what it says, on a small network."""
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402

BENCH = t.ROOT / "bench"
SCRIPTS = sorted(path for path in BENCH.iterdir()
                 if path.is_file() and os.access(path, os.X_OK) and not path.suffix)


def run(script, *words, seconds=60):
    return subprocess.run([script, *map(str, words)], capture_output=True, text=True, timeout=seconds,
                          check=False)


def helps():
    t.check("there are scripts", {"dht", "tee", "paper-tables"} <= {path.name for path in SCRIPTS})
    readme = (BENCH / "README.md").read_text()
    for script in SCRIPTS:
        done = run(script, "--help")
        t.check(f"bench/{script.name} --help has usage, what it is for, and options",
                done.returncode == 0 and done.stdout.startswith(f"usage: {script.name}") and
                "options:" in done.stdout and "See bench/README.md" in " ".join(done.stdout.split()), done)
        t.check(f"bench/{script.name} refuses options that it does not have",
                run(script, "--no-such-option").returncode == 2)
        t.check(f"bench/README.md has bench/{script.name}", f"`bench/{script.name}" in readme)


def measure(out, *words, table="dht-lookups.tsv", grown="0"):
    done = run(BENCH / "dht", "--bin", t.BIN, "--out", out, "--lookups", 20, "--rounds", 1, "--no-results",
               "--grown", grown, *words)
    rows = []
    if t.check(f"bench/dht {' '.join(words)}", done.returncode == 0, done.stderr[-500:]):
        header, *lines = [line.split("\t") for line in (out / table).read_text().splitlines()]
        rows = [dict(zip(header, map(float, line))) for line in lines]
    return done, rows


def small_network():
    out = t.TMP / "figures"
    _, rows = measure(out, "--nodes", "100", "--attackers", "0")
    _, rows = measure(out, "--nodes", "60", "--attackers", "20+30", "--keep")
    t.check("a row for each network, also of the run before",
            [(r["nodes"], r["attackers_%"], r["dead_%"]) for r in rows] == [(60, 20, 30), (100, 0, 0)], rows)
    honest = rows[-1]
    t.check("lookups among honest nodes succeed within six rounds, and all who come join within 2 s",
            honest["lookups"] == 20 and honest["success_%"] == 100 and 1 <= honest["rounds"] <= 6 and
            honest["joined_%"] == 100 and 0 < honest["join_ms"] < 2000, honest)
    t.check("a node's memory is counted: dozens of contacts of 200 bytes",
            12000 < honest["node_bytes"] < 40000, honest)
    _, rows = measure(out, "--nodes", "", "--grown-attackers", "0,20+30", table="dht-grown.tsv", grown="80")
    t.check("a network that grew: all joined, a tenth was exchanged, and lookups of the honest succeed",
            [(r["nodes"], r["attackers_%"], r["dead_%"]) for r in rows] == [(80, 0, 0), (80, 20, 30)] and
            all(r["joined_%"] == r["churn_joined_%"] == 100 and 6 <= r["churned"] <= 8 for r in rows) and
            rows[0]["success_%"] == 100, rows)
    figures = dict(line.split("\t") for line in (out / "dht-trust.tsv").read_text().splitlines()[1:])
    t.check("a certificate that is known costs a hundredth of a new one",
            100 * float(figures["certificate_known_us"]) < float(figures["certificate_new_us"]), figures)
    t.check("a record in memory is larger than on the wire, by less than half",
            1 < float(figures["record_stored_bytes"]) / float(figures["record_bytes"]) < 1.5, figures)
    done, rows = measure(out, "--nodes", "100000000")
    t.check("more nodes than memory has room for are left out, with a sentence",
            "100,000,000 nodes are left out" in done.stderr and len(rows) == 2, done.stderr)


if __name__ == "__main__":
    helps()
    small_network()
    t.finish()
