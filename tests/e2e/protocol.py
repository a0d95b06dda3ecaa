#!/usr/bin/env python3
# build: asan
# timeout: 60
"""The values that docs/protocol.md promises to other implementers are those that our code makes."""
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "protocol.jsonl"


def main():
    helper = s.Helper()
    lines = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    t.check("there are vectors for every signature", {x["in"]["cmd"] for x in lines} >= {
        "register", "announce", "request", "piece", "cumulative", "batch",
        "session", "session_piece", "aggregate", "report", "peer"})
    for number, line in enumerate(lines, 1):
        made = helper(**line["in"])
        t.check(f"vector {number}, {line['in']['cmd']}", made == line["out"], made)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
