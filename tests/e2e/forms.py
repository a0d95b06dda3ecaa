#!/usr/bin/env python3
# build: asan
# timeout: 120
"""The four forms of receipts from the command line and over HTTP: each is made, shown, verified and
reported; a piece counts once whatever the form; what is wrong with a session is named by piece."""
import base64
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import (EXIT_REFUSED, EXIT_USAGE, Metainfo, asked, bdecode, fails,  # noqa: E402
                      fill, good, run)

PIECE, PIECES = 16384, 2100
MAGIC = b"pbts-receipts1\n"
# form, pieces, how many receipts that makes; together they are pieces 0 to 1999, once each
MADE = (("piece", "0-99", 100), ("cumulative", "100-199", 1), ("batch", "200-395", 20),
        ("session", "396-1999", 2))


class Place:
    def __init__(self, daemon, folder):
        self.url, self.daemon, self.folder = daemon.url, daemon, folder
        self.torrent = folder / "x.torrent"
        for name in ("alice", "bob"):
            good("key", "new", "--out", self.key(name))
            good("register", "--tracker", self.url, "--key", self.key(name), "--uid", name)
        fill(folder, {"content": PIECES * PIECE - 7})
        good("torrent", "create", folder / "content", "--out", self.torrent, "--piece-length",
             str(PIECE))
        good("torrent", "add", "--tracker", self.url, "--key", self.key("alice"), self.torrent)

    def key(self, name):
        return self.folder / f"{name}.key"

    def make(self, out, form, pieces, *more):
        return ("receipt", "make", "--tracker", self.url, "--key", self.key("bob"), "--sender",
                "alice", "--torrent", self.torrent, "--data", self.folder / "content", "--pieces",
                pieces, "--form", form, "--out", self.folder / out, "--force", *more)

    def report(self, *files, name="alice"):
        """The tracker's answer, whether it refused something or not."""
        done = run("report", "--tracker", self.url, "--key", self.key(name), "--json", *files)
        return json.loads(done.stdout)

    def earned(self):
        return self.daemon.get("/user/alice").json()["up_bytes"] - (1 << 30)


def records(path):
    """The records of a file of receipts, as dictionaries with bytes as keys."""
    data, at, found = path.read_bytes(), len(MAGIC), []
    while at < len(data):
        record, at = bdecode(data, at)
        found.append(record)
    return found


def forms_are_made(place):
    for form, pieces, count in MADE:
        file = place.folder / f"{form}.bin"
        good(*place.make(file.name, form, pieces))
        shown = asked("receipt", "show", file)
        t.check(f"{form}: the file has as many receipts as the form needs",
                [x["form"] for x in shown] == [form] * count, shown[:2])
        verified = asked("receipt", "verify", file, "--torrent", place.torrent)
        t.check(f"{form}: they verify, with the torrent and without it",
                all(x["good"] for x in verified) and
                f"{count} good, 0 bad" in good("receipt", "verify", file))


def batches_hold_their_roots(place):
    hashes = Metainfo(place.torrent).info[b"pieces"]
    wrong = []
    for record in records(place.folder / "batch.bin"):
        bits = record[b"b"]
        pieces = [i for i in range(PIECES) if bits[i // 8] & 0x80 >> i % 8]
        root = s.merkle_root([i.to_bytes(4, "big") + hashes[20 * i:20 * i + 20].ljust(32, b"\0")
                              for i in pieces])
        if root != record[b"m"] or len(pieces) > 10:
            wrong.append((pieces, record))
    t.check("batches have ten pieces and the root that hashlib makes of them", not wrong, wrong[:1])
    five = place.folder / "five.bin"
    good(*place.make(five.name, "batch", "0-11", "--batch", "5"))
    t.check("--batch says how many", [x["pieces"] for x in asked("receipt", "show", five)] ==
            [5, 5, 2])


def sessions_share_a_certificate(place):
    first, second = records(place.folder / "session.bin")
    t.check("the receipts of a session have one certificate and 1,024 pieces at most",
            all(first[k] == second[k] for k in (b"d", b"k", b"t", b"x")) and
            len(first[b"y"]) == 64 * 1024 and len(second[b"y"]) == 64 * (1604 - 1024) and
            first[b"t"] - first[b"e"] * 3600 == 24 * 3600)
    good(*place.make("again.bin", "session", "0-3"))
    again = records(place.folder / "again.bin")[0]
    t.check("the next session has another id and key",
            again[b"d"] != first[b"d"] and again[b"k"] != first[b"k"])


def all_forms_count(place):
    for number, (form, pieces, count) in enumerate(MADE):
        first, last = map(int, pieces.split("-"))
        before = place.earned()
        more = ("--aggregate",) if number % 2 else ()
        answer = place.report(place.folder / f"{form}.bin", *more)
        t.check(f"{form}: reported, every piece counts once", answer["refused"] == 0 and
                answer["credited"] == {"statements": count, "pieces": last - first + 1,
                                       "bytes": (last - first + 1) * PIECE} and
                place.earned() - before == (last - first + 1) * PIECE, answer)
    before = place.earned()
    for form, _, _ in MADE:
        good(*place.make("again.bin", form, "0-1999" if form != "piece" else "1000-1999"))
        answer = place.report(place.folder / "again.bin")
        t.check(f"what was counted in another form is a duplicate as {form}",
                answer["refused"] == 0 and answer["credited"]["pieces"] == 0 and
                answer["duplicates"] == (1000 if form == "piece" else 2000), answer)
    t.check("and earns nothing", place.earned() == before)


def bad_sessions_are_named(place):
    good(*place.make("bad.bin", "session", "2000-2009"))
    file, good_bytes = place.folder / "bad.bin", (place.folder / "bad.bin").read_bytes()
    at = good_bytes.index(b"1:y640:") + 7 + 64 * 6 + 10     # within the signature of piece 2006
    file.write_bytes(good_bytes[:at] + bytes([good_bytes[at] ^ 1]) + good_bytes[at + 1:])
    verified = run("receipt", "verify", file)
    t.check("receipt verify names the piece", verified.returncode == EXIT_REFUSED and
            "signature of piece 2006 does not verify" in verified.stdout, verified)
    before, answer = place.earned(), place.report(file)
    refused = answer["statements"][0]
    t.check("the tracker refuses the statement and names the piece", answer["refused"] == 1 and
            refused["code"] == "BAD_PIECE_SIGNATURE" and refused["piece"] == 2006 and
            "piece 2006" in refused["error"] and place.earned() == before, answer)
    file.write_bytes(good_bytes)
    answer = place.report(file)
    t.check("unharmed it counts", answer["credited"]["pieces"] == 10 and
            place.earned() == before + 10 * PIECE, answer)
    at = good_bytes.index(b"1:p320:") + 7 + 32 * 3
    file.write_bytes(good_bytes[:at] + b"\xff" + good_bytes[at + 1:])
    verified = run("receipt", "verify", file, "--torrent", place.torrent)
    t.check("a hash that is not the torrent's is named", verified.returncode == EXIT_REFUSED and
            "a piece hash is wrong" in verified.stdout, verified)
    text = (place.folder / "batch.bin").read_bytes()
    at = text.index(b"1:m32:") + 6
    file.write_bytes(text[:at] + bytes(32) + text[at + 32:])
    verified = run("receipt", "verify", file, "--torrent", place.torrent)
    t.check("a root that is not the torrent's is named", verified.returncode == EXIT_REFUSED and
            "the Merkle root is wrong" in verified.stdout and "19 good, 1 bad" in verified.stdout,
            verified.stdout[-300:])


def apart(record):
    """A session's record as one for each piece, as a peer stores them while they come."""
    bits, found = record[b"b"], []
    for i in (i for i in range(PIECES) if bits[i // 8] & 0x80 >> i % 8):
        one, at = bytearray(len(bits)), len(found)
        one[i // 8] = 0x80 >> i % 8
        found.append({**record, b"b": bytes(one), b"p": record[b"p"][32 * at:32 * at + 32],
                      b"y": record[b"y"][64 * at:64 * at + 64]})
    return found


def single_pieces_are_joined(place):
    good(*place.make("whole.bin", "session", "2010-2049"))
    file, pieces = place.folder / "single.bin", apart(records(place.folder / "whole.bin")[0])
    spoilt = [*pieces[:7], {**pieces[7], b"y": bytes(64)}, *pieces[8:]]
    file.write_bytes(MAGIC + b"".join(s.bencode(x) for x in spoilt))
    done = run("report", "--tracker", place.url, "--key", place.key("alice"), file)
    t.check("a bad piece of forty that are reported as one is named",
            done.returncode == EXIT_REFUSED and "receipt 0 (alice -> bob" in done.stdout and
            "and 39 more of its session): the session's signature of piece 2017" in done.stdout,
            done)
    file.write_bytes(MAGIC + b"".join(s.bencode(x) for x in pieces[:20]))
    other = place.folder / "other.bin"
    other.write_bytes(MAGIC + b"".join(s.bencode(x) for x in pieces[20:]))
    for more, want in (((), (40, 0)), (("--aggregate",), (0, 40))):
        done = run("report", "--tracker", place.url, "--key", place.key("alice"), "--json", *more,
                   file, other)
        answer = json.loads(done.stdout)
        t.check(f"pieces of a session in two files are one statement {more}",
                len(answer["statements"]) == 1 and answer["refused"] == 0 and
                (answer["credited"]["pieces"], answer["duplicates"]) == want, answer)


def wrong_options(place):
    for name, arguments, words in (
            ("an unknown form", ("x.bin", "merkle", "0"), ["--form merkle", "batch or session"]),
            ("a batch of nothing", ("x.bin", "batch", "0", "--batch", "0"), ["--batch 0", "4096"]),
            ("a batch of too many", ("x.bin", "batch", "0", "--batch", "4097"), ["--batch 4097"]),
            ("a batch that is none", ("x.bin", "session", "0", "--batch", "5"), ["--form batch"])):
        fails(f"{name} is a mistake of usage", EXIT_USAGE, words, *place.make(*arguments))
    t.check("and nothing was made", not (place.folder / "x.bin").exists())


def over_http(daemon, helper):
    """Statements in JSON, and POST /verify-receipt."""
    alice, bob = (s.Signer(helper, daemon, f"http.{name}") for name in ("alice", "bob"))
    torrent = s.Torrent("forms", pieces=40, piece_length=16384, last=9)
    alice.add_torrent(torrent)
    session = bob.session(alice, torrent)
    batch, pieces = bob.batch(alice, torrent, range(10)), session.pieces(range(10, 40))
    for name, statement in (("batch", batch), ("session", pieces)):
        answer = daemon.post("/verify-receipt", statement)
        t.check(f"POST /verify-receipt calls a good {name} valid", answer.json()["valid"], answer)
    signatures = bytearray(base64.b64decode(pieces["piece_signatures"]))
    signatures[64 * 5] ^= 1
    bad = {**pieces, "piece_signatures": s.b64(signatures)}
    answer = daemon.post("/verify-receipt", bad).json()
    t.check("and names the piece of a bad one", not answer["valid"] and answer["piece"] == 15 and
            answer["code"] == "BAD_PIECE_SIGNATURE", answer)
    ended = bob.session(alice, torrent, expires=s.epoch() * 3600).pieces([1])
    forever = bob.session(alice, torrent, expires=(s.epoch() + 26) * 3600).pieces([1])
    other = {**bob.batch(alice, torrent, range(10)), "bitmap": s.b64(torrent.bitmap(range(11)))}
    answer = alice.report([bad, ended, forever, other, batch, pieces]).json()
    codes = [x.get("code") for x in answer["statements"]]
    t.check("bad ones are named with their reasons, the good ones count",
            codes == ["BAD_PIECE_SIGNATURE", "SESSION_EXPIRED", "SESSION_TOO_LONG", "BAD_SIGNATURE",
                      None, None] and answer["credited"]["bytes"] == torrent.total, answer)


def main():
    helper, folder = s.Helper(), t.TMP / "forms"
    folder.mkdir()
    with t.Daemon("--rest-threads", "2", "--deficit-max-bytes", "0") as daemon:
        place = Place(daemon, folder)
        forms_are_made(place)
        batches_hold_their_roots(place)
        sessions_share_a_certificate(place)
        all_forms_count(place)
        bad_sessions_are_named(place)
        single_pieces_are_joined(place)
        wrong_options(place)
        over_http(daemon, helper)
        t.check("the daemon ends cleanly", daemon.stop() == 0, daemon.text()[-1000:])
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
