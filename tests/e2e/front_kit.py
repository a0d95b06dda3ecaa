"""What front.py is made of: a daemon of its own, sockets that read HTTP answers, UDP packets."""
import os, re, shutil, signal, socket, struct, subprocess, tempfile, threading, time

BIN = os.environ.get("PBTS_BIN", "build/bin")
HASH = b"\x01\x80\xff" + b"a" * 17
PEER = b"-XX0001-abcdefghijkl"


def percent(raw):
    return "".join("%%%02X" % byte for byte in raw)


def announce(extra="", path="/announce", version="1.1", headers=""):
    query = f"info_hash={percent(HASH)}&peer_id={percent(PEER)}&port=6881&left=1&compact=1{extra}"
    return f"GET {path}?{query} HTTP/{version}\r\nHost: t\r\n{headers}\r\n".encode()


def get(path, headers=""):
    return f"GET {path} HTTP/1.1\r\nHost: t\r\n{headers}\r\n".encode()


def post(path, body, headers=""):
    head = f"POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
    return head.encode() + body


class Daemon:
    """One pbts-tracker on a free loopback port with its own data; stopped with the block."""

    def __init__(self, *flags, conf="", data=None):
        self.data = data or tempfile.mkdtemp(prefix="pbts-front-")
        self.conf = os.path.join(self.data, "pbts-tracker.conf")
        with open(self.conf, "w") as file:
            file.write(conf)
        self.log_path = os.path.join(self.data, "log")
        self.log_file = open(self.log_path, "wb")
        environment = {k: v for k, v in os.environ.items()
                       if not k.startswith("PBTS_") and k not in ("MIN_RATIO", "MAX_PEERS")}
        args = [os.path.join(BIN, "pbts-tracker"), "--data", self.data, "--port", "0",
                "--listen", "127.0.0.1", "--log-level", "debug", *flags]
        self.process = subprocess.Popen(args, stderr=self.log_file, env=environment)
        found = self.wait_log(r"event=listening http=(\d+) udp=(\d+) https=(\d+)", 20)
        if not found:
            self.stop()
            raise RuntimeError("the daemon did not start: " + self.log()[-2000:])
        self.port, self.udp, self.https = (int(text) for text in found.groups())

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def wait_log(self, pattern, seconds=20):
        until = time.time() + seconds
        while time.time() < until:
            found = re.search(pattern, self.log())
            if found or self.process.poll() is not None:
                return re.search(pattern, self.log())
            time.sleep(0.02)
        return None

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, seconds=15):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log_file.close()
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        code = self.stop()
        log = self.log()
        shutil.rmtree(self.data, ignore_errors=True)
        assert code == 0, f"the daemon ended with {code}: {log[-3000:]}"
        assert "ERROR: AddressSanitizer" not in log and "runtime error" not in log, log[-3000:]


class Client:
    """One TCP connection that reads HTTP answers by their Content-Length."""

    def __init__(self, port, sock=None, timeout=20):
        self.sock = sock or socket.create_connection(("127.0.0.1", port), timeout)
        self.sock.settimeout(timeout)
        self.bytes = b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def fill(self):
        more = self.sock.recv(65536)
        self.bytes += more
        return bool(more)

    def answer(self):
        """Status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self.bytes:
            assert self.fill(), f"closed inside a head: {self.bytes[:200]!r}"
        head, rest = self.bytes.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        length = int(headers.get("content-length", 0))
        self.bytes = rest
        while len(self.bytes) < length:
            assert self.fill(), "closed inside a body"
        body, self.bytes = self.bytes[:length], self.bytes[length:]
        return int(lines[0].split()[1]), headers, body

    def ask(self, data):
        return self.send(data).answer()

    def drip(self):
        """One byte more, if that is still wanted."""
        self.sock.setblocking(False)
        try:
            self.sock.send(b"a")
        except OSError:
            pass

    def is_open(self):
        """Without waiting; what came is forgotten."""
        self.sock.setblocking(False)
        try:
            while self.sock.recv(65536):
                pass
            return False
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def at_end(self):
        """Whether the peer closed in order (a reset raises)."""
        return not self.bytes and not self.fill()

    def close(self):
        self.sock.close()


def ask(daemon, data, timeout=20):
    client = Client(daemon.port, timeout=timeout)
    try:
        return client.ask(data)
    finally:
        client.close()


def is_refusal(answer, text=b"private"):
    return answer[0] == 200 and answer[2].startswith(b"d14:failure reason") and text in answer[2]


# ---- UDP (BEP 15) ----

class Udp:
    def __init__(self, port, timeout=10):
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.connect(("127.0.0.1", port))
        self.sock.settimeout(timeout)

    def ask(self, packet):
        """The answer, or None for silence."""
        self.sock.send(packet)
        try:
            return self.sock.recv(4096)
        except socket.timeout:
            return None

    def connect(self, transaction=7):
        answer = self.ask(struct.pack(">QII", 0x41727101980, 0, transaction))
        action, seen, connection = struct.unpack(">IIQ", answer)
        assert (action, seen) == (0, transaction)
        return connection


def udp_announce(connection, transaction=9, event=2):
    return struct.pack(">QII20s20sQQQIIIiH", connection, 1, transaction, HASH, PEER, 0, 1, 0, event,
                       0, 5, -1, 6881)


def udp_scrape(connection, transaction=11):
    return struct.pack(">QII20s", connection, 2, transaction, HASH)


# ---- the test list ----

class Tests:
    def __init__(self):
        self.list, self.failed = [], 0

    def __call__(self, function):
        self.list.append(function)
        return function

    def run(self, only=()):
        for function in self.list:
            name = function.__name__.replace("_", " ")
            if only and not any(word in name for word in only):
                continue
            try:
                note = function()
                print(f"ok {name}" + (f" # {note}" if note else ""), flush=True)
            except Exception as error:
                self.failed += 1
                print(f"not ok {name}: {type(error).__name__}: {str(error)[-1500:]}", flush=True)
        return 1 if self.failed else 0


def background(function, *args):
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread
