#!/usr/bin/env python3
# build: asan
# timeout: 60
"""The values that docs/protocol.md promises to other implementers are those that our code makes."""
import base64
import hashlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s

VECTORS = Path(__file__).resolve().parents[1] / "vectors" / "protocol.jsonl"


def places(of):
    """What hashlib makes of the documents' formulas; `of`: the vectors by command."""
    def sha256(*parts):
        return hashlib.sha256(b"".join(parts)).digest()

    beacon, member = of["beacon"]["out"], base64.b64decode(of["member"]["out"]["member"])
    certificate, key = of["dht_certificate"], of["dht_key"]
    value = sha256(b"pbts/dht/beacon/1", base64.b64decode(beacon["beacon"])[8:])
    t.check("a beacon's value is the hash of its signature", value.hex() == beacon["value"])
    t.check("a node's id is the hash of key and value", sha256(
        b"pbts/dht/1", member[:96], value)[:20].hex() == certificate["out"]["id"])
    shown = base64.b64decode(certificate["out"]["certificate"])
    t.check("a certificate is its parts", len(shown) == 346 and shown[0] == 1 and
            shown[1:193] == member and shown[193:249] == base64.b64decode(beacon["beacon"]) and
            int.from_bytes(shown[282:290], "big") == certificate["in"]["issued"] and
            int.from_bytes(shown[290:298], "big") == certificate["in"]["expires"])
    secret = sha256(b"pbts/dht/torrent/1", base64.b64decode(key["in"]["info"]))
    t.check("a lookup key is the documented hash", sha256(
        b"pbts/dht/key/1", bytes.fromhex(key["in"]["iid"]), secret,
        key["in"]["epoch"].to_bytes(8, "big"))[:20].hex() == key["out"]["key"])
    record = base64.b64decode(of["dht_record"]["out"]["record"])
    t.check("a record is its parts", len(record) == 466 and record[56:402] == shown and
            record[:40] == bytes.fromhex(key["out"]["key"]) + bytes([2, 4, 192, 0, 2, 1]) +
            bytes(12) + (6881).to_bytes(2, "big"))


def main():
    helper = s.Helper()
    lines = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    t.check("there are vectors for every signature", {x["in"]["cmd"] for x in lines} >= {
        "register", "announce", "request", "piece", "cumulative", "batch",
        "session", "session_piece", "aggregate", "report", "peer", "member", "beacon",
        "dht_certificate", "dht_record", "dht_key"})
    for number, line in enumerate(lines, 1):
        made = helper(**line["in"])
        t.check(f"vector {number}, {line['in']['cmd']}", made == line["out"], made)
    places({x["in"]["cmd"]: x for x in lines})
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
