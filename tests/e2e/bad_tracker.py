#!/usr/bin/env python3
# build: asan
# timeout: 240
"""The command-line tool against a tracker that lies, talks nonsense, much of it, slowly, or sends
it elsewhere: a sentence and the right exit code, never success, nothing kept."""
import base64
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
from commands import EXIT_IO, EXIT_OK, EXIT_REFUSED, EXIT_USAGE, fails, fill, good, run  # noqa: E402

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m"
MANY = 100      # torrents of one page


class Liar(ThreadingHTTPServer):
    """Answers what `say` maps a path's beginning to: a function of the request handler."""
    daemon_threads = True

    def __init__(self, iid):
        super().__init__(("127.0.0.1", 0), Handler)
        self.iid, self.say, self.seen = iid, {}, []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def answer(self, body, status=200, headers=()):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.seen.append((self.command, self.path))
        length = int(self.headers.get("Content-Length") or 0)
        self.rfile.read(length)
        for begin, say in self.server.say.items():
            if self.path.startswith(begin):
                try:
                    say(self)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                return
        if self.path == "/params":
            self.answer({"iid": self.server.iid})
        else:
            self.answer({"success": False, "error": "no", "code": "NOT_FOUND"}, 404)

    do_POST = do_GET


def says(body, status=200, headers=()):
    return lambda handler: handler.answer(body, status, headers)


def closes(handler):
    handler.close_connection = True


def cuts(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{\"iid\": ")
    handler.close_connection = True


def floods(handler):
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    block = b"[" * 65536
    for _ in range(2000):       # 125 MiB
        handler.wfile.write(block)


class World:
    def __init__(self, folder, daemon):
        self.folder, self.daemon = folder, daemon
        self.key, self.data = folder / "user.key", folder / "data"
        self.torrent, self.receipt = folder / "x.torrent", folder / "r.bin"
        self.iid = daemon.get("/params").json()["iid"]
        other = folder / "other.key"
        for key, uid in ((self.key, "user"), (other, "other")):
            good("key", "new", "--out", key)
            good("register", "--tracker", daemon.url, "--key", key, "--uid", uid)
        fill(self.data, {"f": 50000})
        good("torrent", "create", self.data, "--out", self.torrent, "--piece-length", "16K")
        good("torrent", "add", "--tracker", daemon.url, "--key", self.key, self.torrent)
        good("receipt", "make", "--tracker", daemon.url, "--key", self.key, "--sender", "other",
             "--torrent", self.torrent, "--data", self.data, "--pieces", "all", "--out",
             self.receipt)
        self.other_key = base64.b64encode(b"\x01" * 96).decode()

    def commands(self, url):
        """All that talk to a tracker: name, request that decides, arguments."""
        key, tracker = ("--key", self.key), ("--tracker", url)
        return (
            ("register", "/register", ("register", *tracker, *key, "--uid", "user")),
            ("passkey rotate", "/passkey", ("passkey", "rotate", *tracker, *key)),
            ("user show", "/user/", ("user", "show", *tracker, "user")),
            ("torrent add", "/torrents", ("torrent", "add", *tracker, *key, self.torrent)),
            ("torrent list", "/torrents", ("torrent", "list", *tracker, *key)),
            ("receipt make", "/user/", (
                "receipt", "make", *tracker, *key, "--sender", "other", "--torrent", self.torrent,
                "--data", self.data, "--pieces", "all", "--out", self.folder / "made.bin")),
            ("report", "/report", ("report", *tracker, *key, self.receipt)),
        )


# What an answer may be instead of what was asked for; all of it is exit code 3.
NONSENSE = {
    "nothing": says(b""),
    "no JSON": says(b"<html>hello</html>"),
    "half a JSON": says(b"{\"success\": true"),
    "binary": says(bytes(range(256))),
    "a list": says([]),
    "a text": says("yes"),
    "an empty object": says({}),
    "a success of nothing": says({"success": True}),
    "a key twice": says(b'{"success": true, "success": true}'),
    "wrong types": says({"success": True, "iid": 5, "user_id": [], "announce_url": {}, "up_bytes":
                         "much", "public_key": 7, "torrents": {"a": 1}, "torrent_no": "1",
                         "credited": [], "statements": 5, "totals": [], "refused": "0"}),
    "deep": says(b"[" * 100000 + b"]" * 100000),
    "a failure of its own": says({"success": False, "error": "disk", "code": "INTERNAL"}, 503),
    "a nameless failure": says(b"oops", 500),
    "a closed connection": closes,
    "half an answer": cuts,
}


def nonsense(world, liar):
    for what, say in NONSENSE.items():
        for name, path, command in world.commands(liar.url):
            liar.say = {path: say}
            done = run(*command)
            # Somebody without a key is a refusal, not nonsense.
            codes = (EXIT_IO, EXIT_REFUSED) if name == "receipt make" else (EXIT_IO,)
            t.check(f"{name} takes {what} for no answer", done.returncode in codes and
                    done.stdout == "" and done.stderr.startswith("pbts: "), done)
            liar.say = {"/params": say}
            if name == "user show":
                continue
            done = run(*command)
            t.check(f"{name} takes {what} for no parameters", done.returncode == EXIT_IO and
                    done.stdout == "", done)


def refusals(world, liar):
    """In the tracker's words, without what would steer the terminal."""
    text = f"no\nway {ESCAPE}"
    for name, path, command in world.commands(liar.url):
        for status in (400, 401, 404, 409, 429):
            liar.say = {path: says({"success": False, "error": text, "code": ESCAPE}, status)}
            done = run(*command)
            t.check(f"{name} says why it was refused with {status}, clean",
                    done.returncode == EXIT_REFUSED and "no?way" in done.stderr and
                    f"HTTP {status}" in done.stderr and done.stderr.count("\n") == 1 and
                    not [x for x in "\x1b\x07\x9b" if x in done.stderr], done)


def redirects(world, liar):
    secret = world.folder / "secret"
    secret.write_text(json.dumps({"iid": world.iid, "user_id": "user", "up_bytes": 1,
                                  "down_bytes": 1}))
    for target in (f"file://{secret}", f"{world.daemon.url}/user/user", "/elsewhere"):
        for status in (301, 302, 303, 307, 308):
            for name, path, command in world.commands(liar.url):
                liar.say, liar.seen = {path: says(b"", status, [("Location", target)])}, []
                done = run(*command)
                if (done.returncode, done.stdout) != (EXIT_REFUSED, "") or [
                        x for x in liar.seen if x[1] == "/elsewhere"]:
                    t.check(f"{name} goes elsewhere for {status} {target}", False, done)
    t.check("redirects are refused and not followed", True)


def lies(world, liar):
    """Answers of the right form that are not true."""
    table = {name: command for name, _, command in world.commands(liar.url)}
    user = {"user_id": "user", "up_bytes": 5, "down_bytes": 0, "ratio": None}
    liar.say = {"/user/": says({**user, "user_id": "other"})}
    fails("another user than the one asked for is no answer", EXIT_IO, ["totals of that user"],
          *table["user show"])
    liar.say = {"/user/": says({**user, "up_bytes": -5, "down_bytes": 1 << 62, "ratio": -1e308,
                                "held_bytes": -1, "allowance_bytes": 1 << 63 - 1})}
    done = run(*table["user show"])
    t.check("impossible totals are shown as they can be", done.returncode == EXIT_OK and
            "uploaded    0 bytes" in done.stdout, done)
    liar.say = {"/params": says({"iid": "ab" * 32}), "/user/": says({"public_key":
                                                                     world.other_key})}
    for name in ("passkey rotate", "torrent add", "torrent list", "receipt make", "report"):
        liar.seen = []
        fails(f"{name} signs nothing for another instance", EXIT_REFUSED, ["is instance abab"],
              *table[name])
        t.check(f"{name} asked for nothing but the parameters",
                {path for _, path in liar.seen} == {"/params"}, liar.seen)
    fresh, command = world.folder / "fresh.key", list(table["register"])
    good("key", "new", "--out", fresh)
    command[command.index("--key") + 1] = fresh
    before = fresh.read_bytes()
    liar.say = {"/register": says({"announce_url": None})}
    fails("a registration without a URL is none", EXIT_IO, ["announce URL"], *command)
    t.check("and is not noted in the key file", fresh.read_bytes() == before)
    fresh.unlink()
    liar.say = {"/register": says({"announce_url": f"http://x/{ESCAPE}"})}
    done = run(*table["register"])
    t.check("a URL is printed clean", done.returncode == EXIT_OK and
            not [x for x in "\x1b\x07\x9b" if x in done.stdout], done)
    answer = {"success": True, "credited": {"statements": 1, "pieces": 4, "bytes": 50000},
              "held": {"bytes": 0}, "duplicates": 0, "refused": 0, "totals": {"up": 1, "down": 1},
              "statements": [{"index": 0, "status": "credited"}]}
    liar.say = {"/report": says({**answer, "statements": answer["statements"] * 2})}
    fails("an answer to another report is none", EXIT_IO, ["result of this report"],
          *table["report"])
    liar.say = {"/report": says({**answer, "refused": 1, "statements": [
        {"index": 1 << 62, "error": ESCAPE, "code": 5}]})}
    done = run(*table["report"])
    t.check("an impossible index is not followed", done.returncode == EXIT_REFUSED, done)
    liar.say = {"/report": says({**answer, "refused": 1, "statements": [
        {"index": 0, "error": ESCAPE, "code": 5}]})}
    done = run(*table["report"])
    t.check("a reason is printed clean", done.returncode == EXIT_REFUSED and "\x1b" not in
            done.stdout and f"{world.receipt} receipt 0" in done.stdout, done)


def pages(world, liar):
    """A list that never ends."""
    row = {"infohash": "ab" * 20, "infohash_v2": None, "name": "x" + ESCAPE, "total_bytes": -1,
           "complete": 1, "incomplete": 1}
    table = {name: command for name, _, command in world.commands(liar.url)}
    liar.say = {"/torrents": says({"torrents": [{**row, "torrent_no": 7}] * MANY})}
    done = run(*table["torrent list"])
    t.check("the same page again and again ends the list", done.returncode == EXIT_IO and
            len([x for x in liar.seen if x[1].startswith("/torrents")]) <= 2 and
            "\x1b" not in done.stdout, done.stderr)
    liar.say = {"/torrents": says({"torrents": [{**row, "torrent_no": 7}]})}
    done = run(*table["torrent list"], "--json")
    t.check("nor does a name in JSON do anything to a terminal", done.returncode == EXIT_OK and
            not [x for x in "\x1b\x07\x9b" if x in done.stdout] and
            json.loads(done.stdout)[0]["name"] == "x" + ESCAPE, done)
    liar.say = {"/torrents": says({"torrents": [{**row, "torrent_no": 7}] * (MANY + 1)})}
    fails("more than a page is no page", EXIT_IO, ["list of torrents"], *table["torrent list"])
    liar.say = {"/torrents": says({"torrents": [{**row, "torrent_no": 7}, 5, None]})}
    done = run(*table["torrent list"])
    t.check("rows that are none end it", done.returncode in (EXIT_OK, EXIT_IO), done)


def endless(world, liar):
    liar.say = {"/user/": floods}
    fails("an endless answer is cut off", EXIT_IO, ["longer than"], "user", "show", "--tracker",
          liar.url, "user", timeout=60)


def silent(world):
    """Half a minute of nothing; beside the other tests."""
    liar = Liar(world.iid)
    liar.say = {"/user/": lambda handler: time.sleep(300)}
    begun = time.monotonic()
    fails("a silent tracker is given up", EXIT_IO, ["imeout"], "user", "show", "--tracker",
          liar.url, "user", timeout=90)
    t.check("after half a minute", 25 < time.monotonic() - begun < 60, time.monotonic() - begun)


def addresses(world):
    usage = ("file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1:70/", "http://",
             "http://[::1", "http://127.0.0.1:99999", "http://127.0.0.1:1?a=", "http://127.0.0.1#",
             "http://127.0.0.1:8000/\r\nX-Header: 1", "http://" + "a" * 3000, "", "dict://localhost")
    for url in usage:
        fails(f"--tracker {url[:40]!r} is no address", EXIT_USAGE, ["should be like"], "user", "show", "--tracker",
              url, "user")
    for url in ("http://127.0.0.1:1", "https://127.0.0.1:1", "http://no-such-host.invalid"):
        fails(f"--tracker {url} is nobody there", EXIT_IO, [url], "user", "show", "--tracker",
              url, "user")
    fails("https to one who speaks http fails", EXIT_IO, ["https://"], "user", "show", "--tracker",
          world.daemon.url.replace("http", "https"), "user")
    fails("a missing --ca is said", EXIT_IO, ["none.pem"], "user", "show", "--tracker",
          "https://127.0.0.1:1", "--ca", world.folder / "none.pem", "user")


def main():
    folder = t.TMP / "world"
    folder.mkdir()
    with t.Daemon() as daemon:
        world = World(folder, daemon)
        liar = Liar(world.iid)
        waiting = threading.Thread(target=silent, args=(world,))
        waiting.start()
        nonsense(world, liar)
        refusals(world, liar)
        redirects(world, liar)
        lies(world, liar)
        pages(world, liar)
        addresses(world)
        endless(world, liar)
        waiting.join()
        t.check("no receipt was made for any of them", not list(folder.glob("made.bin*")))
        t.check("no file was left behind", sorted(x.name for x in folder.iterdir()) == sorted(
            ["user.key", "other.key", "data", "x.torrent", "r.bin", "secret"]),
            list(folder.iterdir()))
    t.finish()


if __name__ == "__main__":
    main()
