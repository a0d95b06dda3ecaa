#!/usr/bin/env python3
# build: asan release
# timeout: 240
"""The tour of the command-line tool: each command as people type it, against a real tracker, with
every number checked; what is refused on the way, and that no secret is ever printed."""
import base64
import json
import os
import shutil
import stat
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import (EXIT_IO, EXIT_REFUSED, EXIT_USAGE, Metainfo, asked, bdecode,  # noqa: E402
                      fails, fill, good, outputs, piece_sizes, run, secrets_of)

INIT = 1 << 30
PIECE = 16384
FILES = {"a/first.bin": 40 * PIECE + 5, "a/second.bin": 60 * PIECE, "b.bin": 30 * PIECE + 4321,
         "tiny": 3}
SET, SET_COUNT = "0-99,120", 101
VERSIONS = ((), ("--v2",), ("--hybrid",))


class Tour:
    """Alice serves, Bob receives; what the tracker must say of them."""

    def __init__(self, daemon, folder):
        self.url, self.daemon, self.folder = daemon.url, daemon, folder
        self.alice, self.bob = folder / "alice.key", folder / "bob.key"
        self.moved = 0

    def path(self, name):
        return self.folder / name


def keys(tour):
    old = os.umask(0)       # the worst one
    made = good("key", "new", "--out", tour.alice) + good("key", "new", "--out", tour.bob)
    os.umask(old)
    modes = [stat.S_IMODE(key.stat().st_mode) for key in (tour.alice, tour.bob)]
    t.check("key files are for their owner alone, whatever the umask", modes == [0o600] * 2, modes)
    shown = asked("key", "show", tour.alice)
    t.check("key new prints the public half that key show shows", shown["public_key"] in made and
            bytes.fromhex(shown["public_key_hex"]) == base64.b64decode(shown["public_key"]), shown)
    before = tour.alice.read_bytes()
    fails("key new does not overwrite a key", EXIT_IO, ["exists already", "--force"],
          "key", "new", "--out", tour.alice)
    t.check("and leaves it as it was", tour.alice.read_bytes() == before)
    (tour.path("alias")).symlink_to(tour.path("nowhere"))
    fails("nor writes through a dangling link", EXIT_IO, ["alias"], "key", "new", "--out",
          tour.path("alias"))
    t.check("and makes nothing behind it", not tour.path("nowhere").exists())


def register(tour):
    out = good("register", "--tracker", tour.url, "--key", tour.alice, "--uid", "alice")
    t.check("register prints the announce URL",
            out.startswith(f"announce URL  {tour.url}/announce/") and len(out.split()[2]) ==
            len(tour.url) + len("/announce/") + 32, out)
    answer = asked("register", "--tracker", tour.url + "///", "--key", tour.bob, "--uid", "bob")
    t.check("register --json has it too, and a slash more does not matter",
            answer["announce_url"].endswith(answer["passkey"]) and answer["user_id"] == "bob" and
            f"{tour.url}/announce/" in answer["announce_url"], answer)
    shown = asked("key", "show", tour.bob)
    t.check("the key file knows name and instance now", (shown["uid"], shown["iid"]) ==
            ("bob", tour.daemon.get("/params").json()["iid"]), shown)
    t.check("and is still for its owner alone", stat.S_IMODE(tour.bob.stat().st_mode) == 0o600)
    rotated = good("passkey", "rotate", "--tracker", tour.url, "--key", tour.bob)
    t.check("passkey rotate prints another announce URL", rotated.startswith("announce URL  ") and
            answer["passkey"] not in rotated, rotated)
    fails("a taken name is refused", EXIT_REFUSED, ["UID_TAKEN"], "register", "--tracker", tour.url,
          "--key", tour.bob, "--uid", "alice")
    t.check("and the key file keeps the old one", asked("key", "show", tour.bob)["uid"] == "bob")


def totals(tour, when):
    alice = asked("user", "show", "--tracker", tour.url, "alice")
    bob = asked("user", "show", "--tracker", tour.url, "bob")
    t.check(f"{when}: alice's totals are exact", (alice["up_bytes"], alice["down_bytes"],
            alice["held_bytes"], alice["ratio"]) == (INIT + tour.moved, 0, 0, None), alice)
    # The tracker gives 15 digits.
    want = None if tour.moved == 0 else float(f"{INIT / tour.moved:.15g}")
    t.check(f"{when}: bob's totals and ratio are exact", (bob["up_bytes"], bob["down_bytes"],
            bob["held_bytes"], bob["ratio"]) == (INIT, tour.moved, 0, want), (bob, want))


def torrent(tour, version, name):
    """Create and add; the metainfo and the bytes of each piece."""
    content = fill(tour.path(name), FILES, seed=len(name))
    made = tour.path(name + ".torrent")
    out = good("torrent", "create", tour.path(name), "--out", made, "--piece-length", PIECE,
               *version)
    meta = Metainfo(made)
    sizes = piece_sizes(content, PIECE, bool(version))
    infohash = meta.v1 or meta.v2[:40]
    t.check(f"{name}: torrent create says infohash and pieces",
            f"infohash {infohash}, {len(sizes)} pieces of" in out, out)
    want = {"--v2": (False, True), "--hybrid": (True, True)}.get("".join(version), (True, False))
    t.check(f"{name}: it has the versions that were asked for",
            (meta.v1 is not None, meta.v2 is not None) == want)
    shown = asked("torrent", "show", made)
    t.check(f"{name}: torrent show --json says what is in it", shown == {
        **({"infohash": meta.v1} if meta.v1 else {}),
        **({"infohash_v2": meta.v2} if meta.v2 else {}), "name": name, "private": True,
        "total_bytes": sum(FILES.values()), "piece_length": PIECE, "pieces": len(sizes),
        "files": [{"path": p, "length_bytes": len(x)} for p, x in content.items()]}, shown)
    text = good("torrent", "show", made)
    t.check(f"{name}: and so does torrent show", infohash in text and "a/second.bin" in text and
            f"pieces       {len(sizes)} of" in text, text)
    added = good("torrent", "add", "--tracker", tour.url, "--key", tour.alice, made)
    t.check(f"{name}: torrent add says the infohash", infohash in added, added)
    fails(f"{name}: adding it again is refused", EXIT_REFUSED, ["TORRENT_EXISTS"], "torrent", "add",
          "--tracker", tour.url, "--key", tour.bob, made)
    listed = asked("torrent", "list", "--tracker", tour.url, "--key", tour.bob)
    t.check(f"{name}: torrent list has it", [x["name"] for x in listed if
            infohash in (x["infohash"], (x["infohash_v2"] or "")[:40])] == [name], listed)
    t.check(f"{name}: in text too", infohash in good(
        "torrent", "list", "--tracker", tour.url, "--key", tour.bob))
    return meta, sizes


def receipt(tour, name, *more, out="r.bin", form="cumulative", pieces=SET):
    return ("receipt", "make", "--tracker", tour.url, "--key", tour.bob, "--sender", "alice",
            "--torrent", tour.path(name + ".torrent"), "--data", tour.path(name), "--pieces",
            pieces, "--form", form, "--out", tour.path(out), *more)


def receipts(tour, name, meta, sizes):
    """Both forms over one set: made, verified, shown, reported, reported again."""
    file = tour.path(name + ".r.bin")
    bytes_ = sum(sizes[:100]) + sizes[120]
    made = good(*receipt(tour, name, out=file.name))
    t.check(f"{name}: receipt make says how many pieces", f"{SET_COUNT} pieces from alice" in made)
    shown = asked("receipt", "show", file)
    t.check(f"{name}: receipt show --json has the receipt", len(shown) == 1 and
            (shown[0]["form"], shown[0]["infohash"], shown[0]["pieces"], shown[0]["piece_count"],
             shown[0]["sender"], shown[0]["receiver"]) ==
            ("cumulative", meta.v1 or meta.v2[:40], SET_COUNT, len(sizes), "alice", "bob"), shown)
    verified = asked("receipt", "verify", file, "--torrent", tour.path(name + ".torrent"))
    t.check(f"{name}: receipt verify calls it good", [x["good"] for x in verified] == [True])
    t.check(f"{name}: in text too", "1 good, 0 bad" in good("receipt", "verify", file) and
            f"alice -> bob, torrent {meta.v1 or meta.v2[:40]}, {SET_COUNT} of {len(sizes)} pieces"
            in good("receipt", "show", file))
    report = ("report", "--tracker", tour.url, "--key", tour.alice, file)
    answer = asked(*report)
    tour.moved += bytes_
    t.check(f"{name}: report credits exactly these bytes", (answer["credited"], answer["duplicates"],
            answer["refused"], answer["totals"]) ==
            ({"statements": 1, "pieces": SET_COUNT, "bytes": bytes_}, 0, 0,
             {"up": INIT + tour.moved, "down": 0, "held": 0, "ratio": None}), answer)
    totals(tour, name)
    again = asked(*report)
    t.check(f"{name}: the same report again says that it was counted before",
            (again["credited"]["bytes"], again["duplicates"], again["refused"]) ==
            (0, SET_COUNT, 0), again)
    text = good(*report)
    t.check(f"{name}: in text too", f"duplicates  {SET_COUNT} pieces counted before" in text and
            "credited    0 bytes, 0 pieces" in text, text)
    single = tour.path(name + ".p.bin")
    good(*receipt(tour, name, out=single.name, form="piece", pieces="99-100"))
    verified = asked("receipt", "verify", single, "--torrent", tour.path(name + ".torrent"))
    t.check(f"{name}: the piece form makes a receipt for each", [
        (x["form"], x["piece_index"], x["good"]) for x in verified] ==
        [("piece", 99, True), ("piece", 100, True)], verified)
    answer = asked("report", "--aggregate", "--tracker", tour.url, "--key", tour.alice, single)
    tour.moved += sizes[100]
    t.check(f"{name}: a piece counts once, however its receipt is formed",
            (answer["credited"]["bytes"], answer["duplicates"]) == (sizes[100], 1), answer)
    totals(tour, name + ", both forms")


def piece_sets(tour, name, sizes):
    last = len(sizes) - 1
    for pieces, count in (("all", last + 1), ("0", 1), (f"{last}", 1), (f"0-{last}", last + 1),
                          ("5-5", 1), ("3,1,2", 3), ("0-9,5-14", 15)):
        done = run(*receipt(tour, name, out="set.bin", pieces=pieces))
        shown = asked("receipt", "show", tour.path("set.bin"))
        t.check(f"--pieces {pieces} is {count} pieces", done.returncode == 0 and
                shown[0]["pieces"] == count, (done, shown))
        tour.path("set.bin").unlink()
    for pieces in ("", "a", "-1", "1-", "-", "0,,1", ",", "1,", "2-1", " 1", "1 ", "0x1", "All",
                   f"{last + 1}", f"0-{last + 1}", "4294967296", "18446744073709551616", "0--1"):
        fails(f"--pieces \"{pieces}\" is refused", EXIT_USAGE, ["--pieces", f"0 to {last}"],
              *receipt(tour, name, out="set.bin", pieces=pieces))
    t.check("and nothing is written", not tour.path("set.bin").exists())


def wrong_data(tour, name):
    """Every way in which the bytes on disk are not the torrent's."""
    source, copy = tour.path(name), tour.path("wrong")

    def attempt(test, piece, file, change, pieces=SET, words=()):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(source, copy)
        change(copy / file)
        command = list(receipt(tour, name, out="wrong.bin", pieces=pieces))
        command[command.index("--data") + 1] = copy
        fails(f"{test} is refused by piece and file", EXIT_REFUSED,
              [f"piece {piece}", str(copy / file), "no receipt is made", *words], *command)
        t.check(f"and for {test} nothing is written", not list(tour.folder.glob("wrong.bin*")))

    def flip(at):
        def change(path):
            with open(path, "r+b") as file:
                file.seek(at)
                byte = file.read(1)
                file.seek(at)
                file.write(bytes([byte[0] ^ 1]))
        return change

    attempt("a flipped byte", 3, "a/first.bin", flip(3 * PIECE + 100))
    attempt("a flipped last byte", 39, "a/first.bin", flip(40 * PIECE - 1))
    attempt("a missing file", 0, "a/first.bin", Path.unlink, words=["is missing"])
    attempt("a short file", 40, "a/first.bin",
            lambda path: os.truncate(path, 40 * PIECE + 4), words=["shorter"])
    attempt("an empty file", 0, "a/first.bin", lambda path: os.truncate(path, 0), words=["shorter"])

    def swap(make):
        def change(path):
            path.unlink()
            make(path)
        return change

    attempt("a folder instead of a file", 0, "a/first.bin", swap(Path.mkdir), words=["regular"])
    attempt("a pipe instead of a file", 0, "a/first.bin", swap(os.mkfifo), words=["regular"])
    attempt("a link to nowhere", 0, "a/first.bin", swap(lambda p: p.symlink_to("nowhere")),
            words=["is missing"])
    shutil.rmtree(copy)
    shutil.copytree(source, copy)
    flip(3 * PIECE)(copy / "a/first.bin")
    command = list(receipt(tour, name, "--force", out="others.bin", pieces="0-2,4-30"))
    command[command.index("--data") + 1] = copy
    t.check("what is not signed for may be damaged", run(*command).returncode == 0)
    missing = tour.path("not-there")
    command[command.index("--data") + 1] = missing
    fails("--data that is not there is said", EXIT_IO, [str(missing)], *command)


def places(tour, name):
    """--data: the folder, or the one above it."""
    above, out = tour.path("above"), tour.path("place.bin")
    (above / name).parent.mkdir()
    shutil.copytree(tour.path(name), above / name)
    (above / "tiny").write_text("some file of the same name")
    for what, data in (("the folder itself", above / name), ("the folder above it", above),
                       ("with slashes at its end", f"{above}//"), (".", ".")):
        command = list(receipt(tour, name, "--force", out=out.name, pieces="all"))
        command[command.index("--data") + 1] = data
        done = run(*command, cwd=above / name)
        t.check(f"--data takes {what}", done.returncode == 0, done)
    single = tour.path("single.bin")
    single.write_bytes(bytes(5 * PIECE + 1))
    good("torrent", "create", single, "--out", tour.path("single.torrent"), "--piece-length", PIECE)
    for what, data in (("a file", single), ("the folder of a file", tour.folder)):
        command = list(receipt(tour, "single", "--force", out=out.name, pieces="all"))
        command[command.index("--data") + 1] = data
        done = run(*command)
        t.check(f"--data takes {what}", done.returncode == 0, done)
    command = list(receipt(tour, name, "--force", out=out.name))
    command[command.index("--data") + 1] = single
    fails("--data with a file for a folder is refused", EXIT_USAGE, ["folder"], *command)


def nodes(tour, name):
    """Where a DHT begins is written beside the info dictionary."""
    made, plain = tour.path("nodes.torrent"), tour.path("plain.torrent")
    create = ("torrent", "create", tour.path(name), "--piece-length", PIECE, "--out")
    good(*create, plain)
    create += (made,)
    good(*create, "--nodes", "192.0.2.1:6881,[2001:db8::1]:9,192.0.2.2:1")
    file = bdecode(made.read_bytes())[0]
    t.check("torrent create writes nodes", file[b"pbts"] == {
        b"nodes": bytes([192, 0, 2, 1, 26, 225, 192, 0, 2, 2, 0, 1]),
        b"nodes6": bytes.fromhex("20010db8" + "00" * 11 + "01" + "0009")}, file[b"pbts"])
    t.check("and the infohash is the same without", Metainfo(made).v1 ==
            Metainfo(plain).v1)
    t.check("torrent show counts them", asked("torrent", "show", made)["pbts"] == {"nodes": 3} and
            "nodes        3 to begin" in good("torrent", "show", made) and
            "pbts" not in asked("torrent", "show", plain))
    sourced = tour.path("source.torrent")
    good(*create[:-1], sourced, "--source", "One Tracker")
    shown = asked("torrent", "show", sourced)
    t.check("a source is in info, so it has another infohash", shown["source"] == "One Tracker" and
            shown["infohash"] == Metainfo(sourced).v1 != Metainfo(plain).v1 and
            "source       One Tracker" in good("torrent", "show", sourced), shown)
    fails("a source that is too long is refused", EXIT_USAGE, ["--source"], *create, "--force",
          "--source", "x" * 257)
    for bad in ("", "192.0.2.1", "192.0.2.1:0", "a.example:1", "192.0.2.1:1,", ",".join(
            ["192.0.2.1:1"] * 65)):
        fails(f"--nodes {bad[:20]} is refused", EXIT_USAGE, ["--nodes"], *create, "--force",
              "--nodes", bad)


def existing(tour, name):
    """Nothing that is there is overwritten by accident."""
    file, before = tour.path(name + ".r.bin"), tour.path(name + ".r.bin").read_bytes()
    made = tour.path(name + ".torrent")
    create = ("torrent", "create", tour.path(name), "--out")
    fails("receipt make does not overwrite", EXIT_IO, ["exists already", "--force"],
          *receipt(tour, name, out=file.name))
    fails("torrent create does not overwrite", EXIT_IO, ["exists already", "--force"],
          *create, made)
    command = list(receipt(tour, name, out=file.name))
    command[3] = "http://127.0.0.1:1"
    fails("and says so before it asks anybody", EXIT_IO, ["exists already"], *command)
    t.check("the receipts are as they were", file.read_bytes() == before)
    key = tour.alice.read_bytes()
    fails("receipt make --force overwrites no key", EXIT_IO, ["is no file of receipts"],
          *receipt(tour, name, "--force", out=tour.alice.name))
    fails("torrent create --force overwrites no key", EXIT_IO, ["is no .torrent"], *create,
          tour.alice, "--force")
    fails("key new --force overwrites no torrent", EXIT_IO, ["is no key file"],
          "key", "new", "--force", "--out", made)
    fails("ledger export overwrites no key", 3, [str(tour.alice)], "ledger", "export", "--data",
          tour.daemon.data, "--out", tour.alice)
    t.check("the key is as it was", tour.alice.read_bytes() == key)
    pipe = tour.path("pipe")  # no device of the machine's: a tool that is wrong would replace it
    os.mkfifo(pipe)
    fails("--force takes no device for a file", EXIT_IO, [str(pipe), "regular"],
          *receipt(tour, name, "--force")[:-2], pipe, "--force")
    t.check("the device is still there", stat.S_ISFIFO(os.stat(pipe).st_mode))
    t.check("--force overwrites a .torrent", run(
        *create, made, "--force", "--piece-length", PIECE).returncode == 0)
    extra = tour.path("extra.key")
    good("key", "new", "--out", extra)
    first = asked("key", "show", extra)
    good("key", "new", "--out", extra, "--force")
    t.check("--force overwrites a key", asked("key", "show", extra) != first)


def strangers(tour, name):
    """Somebody in it is not known here."""
    out = tour.path("stranger.bin")
    carol = tour.path("carol.key")
    good("key", "new", "--out", carol)
    command = list(receipt(tour, name, out=out.name))
    command[command.index("--sender") + 1] = "carol"
    fails("an unregistered sender is refused", EXIT_REFUSED, ["UNKNOWN_USER"], *command)
    command[command.index("--sender") + 1] = "alice"
    command[command.index("--key") + 1] = carol
    fails("an unregistered receiver is refused", EXIT_REFUSED, ["not registered"], *command)
    command[command.index("--key") + 1] = tour.alice
    fails("nobody signs for himself", EXIT_REFUSED, ["alice is you"], *command)
    for uid in ("", "a b", "alice/../bob", "x" * 33, "ü", "a\n"):
        command[command.index("--sender") + 1] = uid
        fails(f"a sender called {uid!r} is refused", EXIT_USAGE, ["user name"], *command)
    t.check("for none of them something is written", not out.exists())
    fails("an unregistered reporter is refused", EXIT_REFUSED, ["not registered"], "report",
          "--tracker", tour.url, "--key", carol, tour.path(name + ".r.bin"))
    fails("an unknown user is not shown", EXIT_REFUSED, ["UNKNOWN_USER"], "user", "show",
          "--tracker", tour.url, "carol")


def foreign(tour, name):
    """Another instance with the same names: its receipts and keys do not count here."""
    with t.Daemon("--init-credit-bytes", str(INIT), name="foreign") as other:
        keys_ = [tour.path(f"{uid}.foreign.key") for uid in ("alice", "bob")]
        for key, uid in zip(keys_, ("alice", "bob")):
            good("key", "new", "--out", key)
            good("register", "--tracker", other.url, "--key", key, "--uid", uid)
        command = list(receipt(tour, name, out="foreign.bin", pieces="1"))
        fails("a key of another instance is not used", EXIT_REFUSED,
              ["is instance", asked("key", "show", tour.bob)["iid"]],
              *command[:3], other.url, *command[4:])
        fails("nor to report", EXIT_REFUSED, ["is instance"], "report", "--tracker", other.url,
              "--key", tour.alice, tour.path(name + ".r.bin"))
        fails("nor to add a torrent", EXIT_REFUSED, ["is instance"], "torrent", "add", "--tracker",
              other.url, "--key", tour.alice, tour.path(name + ".torrent"))
        command[3], command[5] = other.url, keys_[1]
        good(*command)
    done = run("report", "--tracker", tour.url, "--key", tour.alice, tour.path("foreign.bin"))
    t.check("a receipt of another instance is refused by name", done.returncode == EXIT_REFUSED and
            "foreign.bin receipt 0 (alice -> bob" in done.stdout and
            "FOREIGN_INSTANCE" in done.stdout, done)
    totals(tour, "after a foreign receipt")


def tampered(tour, name, sizes):
    """Bad receipts among good ones, over several files: each is named, the others count."""
    file, whole = tour.path("many.bin"), tour.path("rest.bin")
    good(*receipt(tour, name, out=file.name, form="piece", pieces="101-104"))
    good(*receipt(tour, name, out=whole.name, pieces="105-106"))
    magic, data = b"pbts-receipts1\n", file.read_bytes()
    records = data[len(magic):].split(b"d1:e")[1:]
    records[1] = records[1][:-9] + bytes([records[1][-9] ^ 1]) + records[1][-8:]    # signature
    records[2] = records[2].replace(b"1:u3:bob", b"1:u3:zoe")
    file.write_bytes(magic + b"".join(b"d1:e" + x for x in records))
    verified = run("receipt", "verify", file)
    t.check("receipt verify finds the tampered one", verified.returncode == EXIT_REFUSED and
            "3 good, 1 bad" in verified.stdout, verified)
    refused = run("report", "--aggregate", "--tracker", tour.url, "--key", tour.alice, file)
    t.check("an aggregate of a bad one is not even sent", refused.returncode == EXIT_REFUSED and
            f"{file}: receipt 1" in refused.stderr, refused)
    report = ("report", "--tracker", tour.url, "--key", tour.alice, whole, file)
    done = run(*report)
    tour.moved += sizes[101] + sizes[104] + sizes[105] + sizes[106]
    lines = [line for line in done.stdout.splitlines() if line.startswith("refused  ")]
    t.check("each bad receipt is named with file, parties and reason",
            done.returncode == EXIT_REFUSED and len(lines) == 3 and
            f"{file} receipt 1 (alice -> bob" in lines[0] and "BAD_SIGNATURE" in lines[0] and
            f"{file} receipt 2 (alice -> zoe" in lines[1] and "UNKNOWN_RECEIVER" in lines[1] and
            "2 receipts" in lines[2], done)
    totals(tour, "the others count")
    done = run(*report, "--json")
    t.check("with --json the same, and the same exit code", done.returncode == EXIT_REFUSED and
            [x["status"] for x in json.loads(done.stdout)["statements"]] ==
            ["duplicate", "duplicate", "refused", "refused", "duplicate"], done)
    for what, bytes_ in (("cut", data[:-1]), ("with something behind", data + b"x"),
                         ("empty", b""), ("of nothing", magic), ("something else", b"d1:ee")):
        file.write_bytes(bytes_)
        for command in (("receipt", "show", file), ("receipt", "verify", file), report):
            fails(f"a file of receipts that is {what} is refused by {command[0]} {command[1]}",
                  EXIT_REFUSED, [str(file)], *command)
    totals(tour, "after bad files")


def ledger(tour):
    """What the tour did is in the ledger."""
    file = tour.path("ledger.bin")
    live = asked("ledger", "verify", "--data", tour.daemon.data)
    t.check("ledger verify agrees with the tour", (live["verified"], live["accounts"],
            live["up_bytes"], live["down_bytes"], live["sealed"]) ==
            (True, 2, 2 * INIT + tour.moved, tour.moved, False), live)
    for _ in range(2):      # the second replaces the first
        out = good("ledger", "export", "--data", tour.daemon.data, "--out", file)
    t.check("ledger export says how to go on", "ledger verify" in out and
            f"{live['entries']} entries" in out, out)
    t.check("the export holds the same", asked("ledger", "verify", file) == live)
    t.check("and no unfinished file is left", not list(tour.folder.glob("*.part*")))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    done = run("ledger", "verify", file)
    t.check("a flipped byte in it is found", done.returncode == EXIT_REFUSED and
            "entry" in done.stderr, done)


def away(tour, name):
    """No tracker there: exit code 3 and a sentence, nothing written."""
    tour.daemon.stop()
    for command in (("register", "--tracker", tour.url, "--key", tour.alice, "--uid", "alice"),
                    ("passkey", "rotate", "--tracker", tour.url, "--key", tour.alice),
                    ("torrent", "add", "--tracker", tour.url, "--key", tour.alice,
                     tour.path(name + ".torrent")),
                    ("torrent", "list", "--tracker", tour.url, "--key", tour.alice),
                    receipt(tour, name, out="away.bin"),
                    ("report", "--tracker", tour.url, "--key", tour.alice,
                     tour.path(name + ".r.bin")),
                    ("user", "show", "--tracker", tour.url, "alice")):
        fails(f"{command[0]} {command[1].strip('-')} says that the tracker is away", EXIT_IO,
              [tour.url, "is the tracker running there?"], *command)
    t.check("and writes nothing", not tour.path("away.bin").exists())


def main():
    folder = t.TMP / "tour"
    folder.mkdir()
    daemon = t.Daemon("--init-credit-bytes", str(INIT)).start()
    tour = Tour(daemon, folder)
    keys(tour)
    register(tour)
    totals(tour, "at first")
    for version in VERSIONS:
        name = (version or ("--v1",))[0].strip("-")
        meta, sizes = torrent(tour, version, name)
        receipts(tour, name, meta, sizes)
        wrong_data(tour, name)
    piece_sets(tour, name, sizes)
    places(tour, name)
    strangers(tour, name)
    foreign(tour, name)
    tampered(tour, name, sizes)
    ledger(tour)
    nodes(tour, name)
    existing(tour, name)
    away(tour, name)
    secrets = secrets_of(folder.glob("*.key"))
    t.check("no secret key was ever printed", len(secrets) >= 5 and
            not [x for x in secrets for text in outputs if x in text.lower()])
    t.finish()


if __name__ == "__main__":
    main()
