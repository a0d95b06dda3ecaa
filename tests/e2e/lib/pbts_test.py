"""What the end-to-end tests share: a daemon of one's own, the command-line tool, small HTTP.

A test script:

    import pbts_test as t
    with t.Daemon() as daemon:
        t.check("health answers", daemon.get("/health").status == 200)
    t.finish()

Daemons listen on ports that the kernel picks and keep their data in a folder of the test's.
Nothing is ever ended but by the id of a process that was started here.
"""
import atexit
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(os.environ.get("PBTS_BIN", ROOT / "build" / "bin"))
OWN_PORTS = (15000, 32000)
TMP = Path(os.environ.get("PBTS_TEST_TMP") or tempfile.mkdtemp(prefix="pbts-e2e-"))

# What a shell starts in the background, or nohup, inherits that signals are ignored; programs under
# test must not.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

_failed, _saying = 0, threading.Lock()
_children = []


def check(name, passed, detail=""):
    """Report one test; the detail is shown when it failed."""
    global _failed
    said = f"{'ok' if passed else 'not ok'} {name}\n"
    if not passed and detail != "":
        said += f"# {detail}\n"
    with _saying:
        print(said, end="", flush=True)
        _failed += not passed
    return passed


def skip(name, why):
    print(f"skip {name}", flush=True)
    print(f"# {why}", flush=True)


@atexit.register
def end_children():
    """Also when a test breaks off with an exception."""
    for process in _children:
        if process.poll() is None:
            process.kill()
            process.wait()


def finish():
    end_children()
    sys.exit(1 if _failed else 0)


def start(command, log, **options):
    """Start a process of this test's own; its output goes to the file `log`."""
    with open(log, "ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, **options)
    _children.append(process)
    return process


def wait_until(condition, seconds=20.0, every=0.05):
    """Poll until condition() is true; whether it became so."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(every)
    return bool(condition())


def free_port():
    """A port of 127.0.0.1, free for TCP and UDP, for who must know it before it is bound. It is below
    those that the kernel gives away: tests that run beside this one are not given it meanwhile."""
    while True:
        port = random.randrange(*OWN_PORTS)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


def http(url, data=None, method=None, headers=None, timeout=30):
    """One request; an HTTP error status is an answer like any other."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as reply:
            return Answer(reply.status, reply.read(), reply.headers)
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.read(), error.headers)


class Daemon:
    """pbts-tracker on a port of the kernel's choice."""

    def __init__(self, *flags, data=None, address="127.0.0.1", name="tracker"):
        self.data = Path(data or tempfile.mkdtemp(prefix=f"{name}-", dir=TMP))
        self.log = self.data.parent / (self.data.name + ".log")
        self.flags, self.address = list(flags), address
        self.process = None
        self.port = 0

    def launch(self):
        """Start the process without waiting for it; on the same port as before, if there was one."""
        self.process = start([str(BIN / "pbts-tracker"), "--data", str(self.data), "--port",
                              str(self.port), "--listen", self.address, *self.flags], self.log)

    def start(self, seconds=60.0):
        offset = self.log.stat().st_size if self.log.exists() else 0
        self.launch()

        def listening():
            with open(self.log, "rb") as log:
                log.seek(offset)
                text = log.read().decode(errors="replace")
            found = re.search(r"event\"?[=:] ?\"?listening\"?.*?http\"?[=:](\d+)\D", text)
            if found:
                self.port = int(found[1])
            return found or self.process.poll() is not None

        if not wait_until(listening, seconds, 0.01) or self.process.poll() is not None:
            raise RuntimeError(f"pbts-tracker did not start:\n{self.text()[-2000:]}")
        return self

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def url(self):
        return f"http://{self.address}:{self.port}"

    def kill(self):
        """kill -9, as a crash would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=30):
        """A graceful end; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def get(self, path, **options):
        return http(self.url + path, **options)

    def post(self, path, data, content_type="application/json", headers=None, **options):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return http(self.url + path, data=body, method="POST",
                    headers={"Content-Type": content_type, **(headers or {})}, **options)

    def admin(self):
        token = (self.data / "admin.token").read_text().strip()
        return {"Authorization": f"Bearer {token}"}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()


def pbts(*arguments, check_exit=True, timeout=120):
    """Run the command-line tool; its result with text output."""
    result = subprocess.run([str(BIN / "pbts"), *map(str, arguments)], capture_output=True,
                            text=True, timeout=timeout, check=False)
    if check_exit and result.returncode != 0:
        raise RuntimeError(f"pbts {' '.join(map(str, arguments))}: exit {result.returncode}\n"
                           f"{result.stdout}{result.stderr}")
    return result


class User:
    """A registered user with a key file; `announce` is the passkey URL."""

    def __init__(self, daemon, uid):
        self.uid, self.key = uid, TMP / f"{uid}.key"
        pbts("key", "new", "--out", self.key)
        answer = pbts("register", "--tracker", daemon.url, "--key", self.key, "--uid", uid)
        self.announce = re.search(r"http://\S+/announce/\w+", answer.stdout)[0]
        self.passkey = self.announce.rsplit("/", 1)[1]


def threads(functions):
    """Run all at once; raises the first error."""
    errors = []

    def run(function):
        try:
            function()
        except Exception as error:  # passed on below
            errors.append(error)

    running = [threading.Thread(target=run, args=(f,)) for f in functions]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    if errors:
        raise errors[0]
