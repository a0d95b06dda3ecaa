#!/usr/bin/env python3
# build: release
# timeout: 600
"""Real nodes of the DHT in one process on virtual time, liars among them, and lookups against the
truth. What is asked of them is what issue and paper promise; see bench/dht_world.c.

Joining: in the grown worlds every node comes by itself, in a wave of 300 a virtual second, through the
addresses of eight earlier nodes, colluders too, who answer with one another alone; then a tenth leave
without a word while as many new ones join. Ten thousand that grow so take minutes of CPU time, so they
are a row of `bench/dht` (docs/figures/dht-grown.tsv); here 2,000 grow, and into a network of 10,000 with
tables as after long 500 new ones come while 500 leave. Every tenth node is at an IPv6 address."""
import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402

INVENTOR, SLANDERER = 2, 3
GROWN = {"nodes": 2000, "grown": 1, "per_s": 300, "churn": 200, "lookups": 1000}
FEWER = GROWN | {"nodes": 1000, "churn": 100}
# name, what is needed of 1,000 lookups, settings
CASES = (
    ("1,000 join, 100 leave and come, 1 % loss: lookups are right", 999, FEWER | {"seed": 1, "loss_ppm": 10000}),
    ("2,000 join, 200 leave and come, 20 % colluders: 99.9 %", 999, GROWN | {"seed": 2, "liars": 20}),
    ("1,000 join, 20 % colluders, then 30 % dead: 99 %", 990, FEWER | {"seed": 3, "liars": 20, "dead": 30}),
    ("1,000 join, 50 % colluders: 95 %", 950, FEWER | {"seed": 4, "liars": 50}),
    ("500 join ten thousand as 500 leave, 20 % colluders: 99.9 %", 999,
     {"seed": 5, "liars": 20, "churn": 500, "per_s": 300}),
    ("ten thousand, 1 % loss: lookups are right", 995, {"seed": 6, "loss_ppm": 10000, "lookups": 500}),
    ("ten thousand, 20 % colluders, 30 % dead: 99 %", 990, {"seed": 7, "liars": 20, "dead": 30}),
    ("ten thousand, 50 % colluders: 95 %", 950, {"seed": 8, "liars": 50}),
    ("ten thousand, 20 % who name nobody's ids: 99 %", 990,
     {"seed": 9, "liars": 20, "manner": INVENTOR, "lookups": 300}),
    ("ten thousand, 20 % who name wrong addresses: 99 %", 990,
     {"seed": 10, "liars": 20, "manner": SLANDERER, "lookups": 300}),
)
ROUNDS_MAX = 6
JOIN_MS_MAX, JOIN_MS_MAX_LOSS = 2000, 3000      # a datagram that is lost costs 700 ms
HITS_OF_1000 = 990      # of the 20 closest, where nobody lies


def run(name, needed, settings):
    command = [t.BIN / "bench" / "dht_world", *(f"{key}={value}" for key, value in settings.items())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode != 0:
        t.check(name, False, done.stderr[-500:])
        return
    r = json.loads(done.stdout)
    good = r["ended"] == r["lookups"] and r["succeeded"] * 1000 >= needed * r["lookups"]
    good = good and r["rounds_median"] <= ROUNDS_MAX and r["churn_joined"] == r["churn"]
    if r["grown"]:
        in_time = r["join_ms_median"] < (JOIN_MS_MAX_LOSS if r["loss_ppm"] else JOIN_MS_MAX)
        good = good and r["joined"] == r["nodes"] and in_time
    if not r["liars"] and not r["dead"]:
        good = good and r["hits"] * 1000 >= HITS_OF_1000 * r["truths"]
    t.check(name, good, r)


if __name__ == "__main__":
    for one in CASES:
        run(*one)
    t.finish()
