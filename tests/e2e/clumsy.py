#!/usr/bin/env python3
# build: asan
# timeout: 200
"""The command-line tool in clumsy and in hostile hands: its help, bad arguments, strange files,
malicious torrents, a full disk, and an end in the middle of things."""
import os
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing as s  # noqa: E402
from commands import (EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, asked, fails, fill,  # noqa: E402
                      good, run)

PBTS = str(t.BIN / "pbts")
ESCAPE = b"\x1b]0;owned\x07"
NOWHERE = "http://127.0.0.1:1"


# ---- help and arguments ----

def commands():
    """(words, help) of every command that --help lists."""
    lines = good("--help").split("\n\n")[1].splitlines()
    return [re.fullmatch(r"  (\S+(?: \S+)?)\s{2,}(\S.*)", line).groups() for line in lines]


def helps(names):
    t.check("--help lists all commands", len(names) >= 20 and {
        "key new", "key show", "register", "user show", "torrent create", "torrent show",
        "torrent add", "torrent list", "receipt make", "receipt verify", "receipt show", "report",
        "ledger verify", "ledger export", "ledger seal", "bench announce"} <= set(names), names)
    for name in names:
        done = run(*name.split(), "--help")
        _, _, examples = done.stdout.partition("example")
        t.check(f"{name} --help has usage, an example and exit codes",
                done.returncode == EXIT_OK and done.stdout.startswith(f"usage: pbts {name}") and
                f"pbts {name}" in examples and "exit codes: 0" in done.stdout and
                not done.stderr, done)
        t.check(f"{name} --help is as wide as a page", max(map(len, done.stdout.splitlines())) <=
                100, done.stdout)
    for words in ((), ("nothing",), ("key",), ("key", "nothing"), ("--nothing",)):
        done = run(*words)
        t.check(f"pbts {' '.join(words)} is bad usage", done.returncode == EXIT_USAGE and
                done.stderr and not done.stdout, done)
    for words in (("--help",), ("-h",), ("help",), ("key", "--help"), ("--version",)):
        done = run(*words)
        t.check(f"pbts {' '.join(words)} is good usage", done.returncode == EXIT_OK and
                done.stdout and not done.stderr, done)


NOTHING_REQUIRED = ("peer list", "peer stats", "dht status")


def bad_arguments(names):
    for name in names:
        words = name.split()
        if name.startswith("bench"):
            fails(f"{name} with an unknown option names both", EXIT_USAGE,
                  [f"pbts {name}: ", "--no-such"], *words, "--no-such")
        if name.startswith("bench") or name in NOTHING_REQUIRED:
            continue
        fails(f"{name} without anything is bad usage", EXIT_USAGE, [f"pbts {name} --help"], *words)
        fails(f"{name} with an unknown option names it", EXIT_USAGE, ["--no-such"], *words,
              "--no-such")
        fails(f"{name} with an unknown letter names it", EXIT_USAGE, ["-z"], *words, "-z")
        needed = re.findall(r"--(\S+) [A-Z]+", good(*words, "--help").split("\n\n")[0])
        for option in needed:
            fails(f"{name} --{option} without a value is bad usage", EXIT_USAGE, [f"--{option}"],
                  *words, f"--{option}")
        everything = [x for option in needed for x in (f"--{option}", "x")]
        fails(f"{name} with too many arguments is bad usage", EXIT_USAGE, [name], *words,
              *everything, *("x" for _ in range(1001)))
    fails("a tracker that is no address is refused", EXIT_USAGE, ["should be like http"], "user",
          "show", "--tracker", "nonsense.invalid", "alice")
    fails("a folder in place of a file is named", EXIT_IO, ["Is a directory"], "torrent", "create",
          t.BIN / "pbts", "--out", t.TMP)
    for length in ("0", "1", "16383", "3M", "128M", "1x", "-1", "", "K", "99999999999999999999"):
        fails(f"--piece-length {length!r} is refused", EXIT_USAGE, ["power of two, 16"], "torrent",
              "create", t.BIN / "pbts", "--out", t.TMP / "none.torrent", "--piece-length", length)
    fails("--v2 and --hybrid exclude each other", EXIT_USAGE, ["exclude"], "torrent", "create",
          t.BIN / "pbts", "--out", t.TMP / "none.torrent", "--v2", "--hybrid")
    t.check("and nothing is written", not (t.TMP / "none.torrent").exists())


# ---- keys and names ----

def key_files(folder):
    key = folder / "a.key"
    good("key", "new", "--out", key)
    text = key.read_bytes()

    def refused(what, words, contents=None, mode=0o600):
        path = folder / "bad.key"
        if contents is not None:
            path.write_bytes(contents)
            path.chmod(mode)
        fails(f"a key file that is {what} is refused", EXIT_IO, words, "key", "show", path)

    refused("not there", ["pbts key new"])
    refused("readable by the group", ["chmod 600"], text, 0o640)
    refused("readable by all", ["chmod 600"], text, 0o604)
    refused("empty", ["pbts-key1"], b"")
    refused("cut short", ["cut short"], text[:-1] + b"\nuid a")
    refused("of another system", ["pbts-key1"], text.replace(b"\n", b"\r\n"))
    refused("of zeros", ["valid key"], b"pbts-key1\nsecret " + b"0" * 64 + b"\n")
    refused("of the group's order and more", ["valid key"],
            b"pbts-key1\nsecret " + b"f" * 64 + b"\n")
    refused("long", ["513 bytes"], text + b"#" * (513 - len(text)))
    refused("full of other lines", ["none of"], text + b"uid a\nuid b\n")
    (folder / "bad.key").unlink()
    os.mkfifo(folder / "bad.key", 0o600)
    refused("a pipe", ["regular"])
    fails("a folder is no key file", EXIT_IO, ["regular"], "key", "show", folder)
    shown = run("key", "show", "--secret", key)
    t.check("key show --secret is the one way to see the secret", shown.returncode == EXIT_OK and
            shown.stdout.strip().encode() in text and len(shown.stdout) == 65)
    fails("a key in a folder that is not there is not made", EXIT_IO, ["No such file"], "key", "new",
          "--out", folder / "none" / "a.key")
    fails("nor under a name that is too long", EXIT_IO, ["too long"], "key", "new", "--out",
          folder / ("x" * 300))


def names(folder, daemon):
    for uid in ("..", ".", "-", "--json", "_", "A" * 32, "a.b-c_d"):
        key = folder / "name.key"
        good("key", "new", "--force", "--out", key)
        good("register", "--tracker", daemon.url, "--key", key, f"--uid={uid}")
        shown = run("user", "show", "--json", "--tracker", daemon.url, "--", uid)
        t.check(f"somebody called {uid} registers and is shown", shown.returncode == EXIT_OK and
                f'"user_id": "{uid}"' in shown.stdout, shown)
        key.unlink()
    good("key", "new", "--out", folder / "name.key")
    for uid in ("", "a b", "a/b", "ü", "a\n", "\x1b[2J", "%2e", "A" * 33, "a" * 100000):
        fails(f"nobody is called {uid[:20]!r}", EXIT_USAGE, ["user name"], "register", "--tracker",
              daemon.url, "--key", folder / "name.key", "--uid", uid)
        fails(f"nor shown as {uid[:20]!r}", EXIT_USAGE, ["user name"], "user", "show", "--tracker",
              daemon.url, uid)
    link = folder / "link.key"
    link.symlink_to(folder / "name.key")
    good("register", "--tracker", daemon.url, "--key", link, "--uid", "linked")
    t.check("a link to a key file stays a link", link.is_symlink() and
            asked("key", "show", folder / "name.key")["uid"] == "linked")


# ---- content ----

def create(folder, *more, out="c.torrent"):
    return ("torrent", "create", folder, "--out", folder.parent / out, *more)


def strange_content(folder):
    def content(name):
        path = folder / name
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x" * 100)
        return path

    def refused(name, code, words, change):
        path = content(name)
        change(path)
        fails(f"content with {name} is refused", code, words, *create(path))

    refused("a pipe", EXIT_REFUSED, ["regular"], lambda p: os.mkfifo(p / "pipe"))
    refused("a link to a folder", EXIT_REFUSED, ["folder of its own"],
            lambda p: (p / "loop").symlink_to("."))
    refused("a link to nowhere", EXIT_IO, ["No such file"],
            lambda p: (p / "gone").symlink_to("nowhere"))
    refused("a link to itself", EXIT_IO, ["symbolic links"],
            lambda p: (p / "self").symlink_to("self"))
    refused("a device", EXIT_REFUSED, ["regular"], lambda p: (p / "null").symlink_to("/dev/null"))
    refused("a name that is not UTF-8", EXIT_REFUSED, ["not UTF-8"],
            lambda p: Path(os.fsdecode(bytes(p) + b"/\xff\xfe")).write_text("x"))
    refused("a folder of such a name", EXIT_REFUSED, ["not UTF-8"], lambda p: os.renames(
        p / "file", os.fsdecode(bytes(p) + b"/\xc3(/file")))

    def listen(path):
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.path.relpath(path / "socket"))
    refused("a socket", EXIT_REFUSED, ["regular"], listen)
    refused("33 folders in each other", EXIT_REFUSED, ["32 folders deep"],
            lambda p: (p / "/".join("d" * 33)).mkdir(parents=True))
    refused("empty files alone", EXIT_REFUSED, ["no bytes"], lambda p: os.truncate(p / "file", 0))
    fails("content that is not there is refused", EXIT_IO, ["No such file"],
          *create(folder / "none"))
    fails("content that is a device is refused", EXIT_REFUSED, ["regular"], "torrent", "create",
          "/dev/zero", "--out", folder / "c.torrent")
    fails("a torrent into a folder that is not there is refused", EXIT_IO, ["No such file"],
          *create(content("nothing wrong"), out="none/c.torrent"))
    t.check("for none of them something is written", not list(folder.glob("c.torrent*")))
    path = content("strange but good")
    (path / "link").symlink_to(path / "file")
    (path / "escape\x1b[2J\nnew line").write_text("y")
    (path / "name with spaces, ümläuts, 漢字").write_text("z")
    (path / "empty").write_bytes(b"")
    (path / "/".join("d" * 32)).mkdir(parents=True)
    good(*create(path))
    done = run("torrent", "show", folder / "c.torrent")
    t.check("strange names that are allowed are shown clean", done.returncode == EXIT_OK and
            "\x1b" not in done.stdout and "escape?[2J?new line" in done.stdout and
            "ümläuts, 漢字" in done.stdout, done)


def unreadable(folder):
    """As somebody who may not read all."""
    path = folder / "unreadable"
    fill(path, {"a": 10, "b/c": 10})
    key = folder / "a.key"
    nobody = [] if os.geteuid() else ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if nobody and subprocess.run([*nobody, PBTS, "--version"], capture_output=True,
                                 check=False).returncode != 0:
        t.skip("files that may not be read", "nobody cannot run the tool here")
        return

    def refused(name, denied, *command):
        mode = denied.stat().st_mode
        denied.chmod(0)
        done = subprocess.run([*nobody, PBTS, *map(str, command)], capture_output=True, text=True,
                              check=False)
        denied.chmod(mode)
        t.check(name, done.returncode == EXIT_IO and "denied" in done.stderr, done)

    refused("a file that may not be read is named", path / "a", *create(path, out="n.torrent"))
    refused("a folder that may not be read is named", path / "b", *create(path, out="n.torrent"))
    refused("a key that may not be read is named", key, "key", "show", key)


# ---- torrents of strangers ----

def malicious(folder, daemon, key):
    """None of these is a torrent, and nothing outside of --data is ever read for one."""
    base = {"piece length": 16384, "pieces": b"p" * 20, "private": 1}
    one = {**base, "name": "x", "length": 5}
    many = {**base, "name": "x"}

    def path(*parts):
        return {**many, "files": [{"length": 5, "path": list(parts)}]}

    infos = {
        "a name that climbs": {**one, "name": ".."}, "a name of two parts": {**one, "name": "a/b"},
        "an absolute name": {**one, "name": "/etc"}, "an empty name": {**one, "name": ""},
        "a name with a zero": {**one, "name": b"a\0b"}, "a name .": {**one, "name": "."},
        "a path that climbs": path("..", "..", "etc", "passwd"), "a path of nothing": path(),
        "a path with a slash": path("a/../../b"), "a path with an empty part": path("a", "", "b"),
        "a path with a zero": path("a\0"), "a path with a dot": path("a", ".", "b"),
        "a long path": path(*["d" * 200] * 30), "no pieces": {**one, "pieces": b""},
        "too few pieces": {**one, "length": 1 << 40}, "half a hash": {**one, "pieces": b"p" * 19},
        "a negative length": {**one, "length": -1}, "a length of nothing": {**one, "length": 0},
        "lengths that overflow": {**many, "files": [{"length": (1 << 63) - 1, "path": [x]}
                                                    for x in "abc"]},
        "no piece length": {**one, "piece length": 0},
        "a huge piece length": {**one, "piece length": 1 << 40},
        "a file twice": {**many, "files": [{"length": 3, "path": ["a"]}] * 2},
    }
    whole = {name: s.bencode({"info": info}) for name, info in infos.items()}
    whole |= {"nothing in it": b"", "no info": b"de", "a list": b"le", "no end": b"d4:info",
              "text": b"hello\n", "depth": b"l" * 100000, "a long string": b"99999999999:",
              "something behind": s.bencode({"info": one}) + b"x"}
    file, out = folder / "bad.torrent", folder / "bad.bin"
    (folder / "x").mkdir()
    for name, data in whole.items():
        file.write_bytes(data)
        for command in (("torrent", "show", file),
                        ("torrent", "add", "--tracker", NOWHERE, "--key", key, file),
                        ("receipt", "make", "--tracker", daemon.url, "--key", key, "--sender", "..",
                         "--torrent", file, "--data", folder / "x", "--pieces", "all", "--out",
                         out),
                        ("receipt", "verify", "--torrent", file, "/dev/null")):
            done = run(*command)
            if done.returncode != EXIT_REFUSED or str(file) not in done.stderr:
                t.check(f"{' '.join(command[:2])} takes a torrent with {name}", False, done)
        t.check(f"a torrent with {name} is refused", True)
    file.write_bytes(s.bencode({"info": {**one, "name": ESCAPE + b"\xc2\x9b2J\xff"}}))
    done = run("torrent", "show", file)
    t.check("a name that steers terminals is shown clean", done.returncode == EXIT_OK and
            not [x for x in "\x1b\x07\x9b" if x in done.stdout], done)
    t.check("and is in JSON as what it is", asked("torrent", "show", file)["name"] ==
            "(not UTF-8)")
    fails("no receipt is made for such a file", EXIT_REFUSED, ["piece 0", "is missing"], "receipt",
          "make", "--tracker", daemon.url, "--key", key, "--sender", "..", "--torrent", file,
          "--data", folder / "x", "--pieces", "all", "--out", out)
    fails("nor for one larger than its torrent may be", EXIT_IO, ["at most"], "torrent", "show",
          sparse(folder / "huge.torrent", 10 * 1024 * 1024 + 1))
    for kind in (("torrent", "show"), ("receipt", "show"), ("receipt", "verify"),
                 ("ledger", "verify")):
        fifo = folder / "fifo"
        if not fifo.exists():
            os.mkfifo(fifo)
        fails(f"{' '.join(kind)} does not wait for a pipe", EXIT_IO, ["regular"], *kind, fifo,
              timeout=20)
        fails(f"{' '.join(kind)} takes no folder", EXIT_IO, ["regular"], *kind, folder)
    fails("a file of receipts is not read without end", EXIT_IO, ["at most"], "receipt", "show",
          sparse(folder / "huge.bin", (64 << 20) + 1))


def sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)
    return path


# ---- output that cannot be written ----

def no_room(folder):
    """/dev/full, a closed standard output, a file size limit."""
    key = folder / "a.key"
    with open("/dev/full", "wb") as full:
        for command in (("--help",), ("key", "show", key), ("key", "show", key, "--json"),
                        ("key", "new", "--help"), ("torrent", "show", folder / "c.torrent")):
            done = subprocess.run([PBTS, *map(str, command)], stdout=full, stderr=subprocess.PIPE,
                                  check=False)
            t.check(f"{' '.join(map(str, command[:2]))} says when its output cannot be written",
                    done.returncode == EXIT_IO and b"cannot write" in done.stderr, done)

    def closed(*fds):
        return lambda: [os.close(fd) for fd in fds]
    for fds in ((0,), (1,), (2,), (0, 1), (0, 1, 2)):
        new = folder / "closed.key"
        done = subprocess.run([PBTS, "key", "new", "--out", str(new)], check=False,
                              preexec_fn=closed(*fds), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
        text = new.read_bytes()
        t.check(f"with {fds} closed the key file holds the key alone", text.startswith(
            b"pbts-key1\nsecret ") and len(text) == 82 and done.returncode ==
                (EXIT_IO if 1 in fds else EXIT_OK), (done.returncode, text[:30]))
        new.unlink()

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40, 40))
    for command, out in ((("key", "new"), "limit.key"),
                         (("torrent", "create", folder / "unreadable"), "limit.torrent")):
        fails(f"{' '.join(command[:2])} past a file size limit writes nothing", EXIT_IO,
              ["too large"], *command, "--out", folder / out, preexec_fn=limited)
        t.check("and leaves nothing behind", not list(folder.glob("limit*")))


def full_disk(folder):
    """Inside a mount namespace: `folder` is a file system of 64 KiB."""
    room = 60
    (folder / "filler").write_bytes(b"x" * (room << 10))
    content = folder.parent / "content"
    fill(content, {"f": 64 << 20})
    for command, out in ((("torrent", "create", content, "--piece-length", "16K"), "f.torrent"),
                         (("torrent", "create", content, "--v2", "--piece-length", "16K"),
                          "f.torrent")):
        fails(f"{' '.join(map(str, command[:2]))} on a full disk says so", EXIT_IO,
              ["No space left"], *command, "--out", folder / out)
    (folder / "filler").write_bytes(b"x" * (64 << 10))
    t.check("and leaves nothing behind", [x.name for x in folder.iterdir()] == ["filler"])
    t.finish()


def in_namespace(folder):
    for prefix in (["unshare", "-m"], ["unshare", "-r", "-m"]):
        mount = f"mount -t tmpfs -o size=128k none {folder}"
        probe = subprocess.run([*prefix, "sh", "-c", mount], capture_output=True, check=False)
        if probe.returncode == 0:
            script = f"{mount} && exec {sys.executable} {__file__} {folder}"
            inner = subprocess.run([*prefix, "sh", "-c", script], check=False,
                                   env={**os.environ, "PBTS_TEST_TMP": str(t.TMP)})
            t.check("the tests on a full disk ran to their end", inner.returncode == 0)
            return
    t.skip("a full disk", "needs a mount namespace (unshare -m), which is not allowed here")


def interrupted(folder):
    """Ended in the middle: what was there is as it was, and nothing half-made is left."""
    content = folder / "large"
    content.mkdir()
    sparse(content / "f", 40 << 30)
    out = folder / "large.torrent"
    out.write_bytes(b"d1:ae")
    fails("a name that is taken is found before hours of reading", EXIT_IO, ["exists already"],
          "torrent", "create", content, "--out", out, timeout=20)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        process = subprocess.Popen([PBTS, "torrent", "create", str(content), "--out", str(out),
                                    "--force", "--progress"], stderr=subprocess.PIPE)
        process.stderr.read(20)     # it is at work
        process.send_signal(number)
        process.stderr.close()
        t.check(f"{number.name} ends it", process.wait(timeout=30) == -number)
        t.check(f"and after {number.name} nothing has changed", out.read_bytes() == b"d1:ae" and
                {x.name for x in folder.glob("large*")} == {"large", "large.torrent"})
    process = subprocess.Popen([PBTS, "torrent", "create", str(content), "--out", str(out),
                                "--force", "--progress"], stderr=subprocess.PIPE)
    process.stderr.read(20)
    os.truncate(content / "f", 1 << 20)
    said = process.stderr.read().decode()
    t.check("content that changes while it is read is refused", process.wait(timeout=30) ==
            EXIT_REFUSED and "did not stay" in said and out.read_bytes() == b"d1:ae", said[-300:])


def at_once(folder):
    """Many make one key file: one succeeds."""
    key = folder / "race.key"
    racers = [subprocess.Popen([PBTS, "key", "new", "--out", str(key)], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL) for _ in range(20)]
    printed = [racer.communicate()[0].decode() for racer in racers]
    winners = [text for racer, text in zip(racers, printed) if racer.returncode == EXIT_OK]
    t.check("of many that make one key file one does, and its key is in it", len(winners) == 1 and
            asked("key", "show", key)["public_key"] in winners[0] and
            not list(folder.glob("race.key.*")), winners)


def main():
    if len(sys.argv) > 1:
        full_disk(Path(sys.argv[1]))
    listed = [name for name, _ in commands()]
    helps(listed)
    bad_arguments(listed)
    folder = t.TMP / "clumsy"
    folder.mkdir()
    folder.chmod(0o755)
    key_files(folder)
    strange_content(folder)
    unreadable(folder)
    with t.Daemon() as daemon:
        names(folder, daemon)
        malicious(folder, daemon, folder / "name.key")
    no_room(folder)
    interrupted(folder)
    at_once(folder)
    small = t.TMP / "small"
    small.mkdir()
    in_namespace(small)
    t.finish()


if __name__ == "__main__":
    main()
