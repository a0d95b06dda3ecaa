"""What the benchmark scripts share: starting and stopping servers, running the generator, reading
/proc, describing the machine. Standard library only; every server is on 127.0.0.1 and is stopped
by its own process id."""
import datetime
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TRACKER_CORE, GENERATOR_CORE = 0, 1
START_S = 15  # a server that does not answer by then is a failure


class Servers:
    """Started servers; leaving the context stops them all and removes the scratch folder."""

    def __enter__(self):
        self.processes = []
        self.folder = tempfile.mkdtemp(prefix="pbts-bench-")
        os.chmod(self.folder, 0o755)  # opentracker drops to nobody and reads its whitelist there
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, argv, core=TRACKER_CORE):
        log = open(os.path.join(self.folder, f"log-{len(self.processes)}"), "wb")
        process = subprocess.Popen(pinned(argv, core), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        process.log_path = log.name
        log.close()
        self.processes.append(process)
        return process

    def stop(self, process):
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def path(self, name):
        return os.path.join(self.folder, name)


def pinned(argv, core):
    if (os.cpu_count() or 1) < 2:
        return argv
    return ["taskset", "-c", str(core), *argv]


def free_port():
    """A port that is free for TCP and UDP on 127.0.0.1 now."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free port")


def log_tail(process):
    with open(process.log_path, "rb") as log:
        return log.read()[-2000:].decode(errors="replace")


def wait_until(process, ready, what):
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{what} ended with {process.returncode}:\n{log_tail(process)}")
        if ready():
            return
        time.sleep(0.05)
    raise SystemExit(f"{what} does not answer after {START_S} s:\n{log_tail(process)}")


def accepts(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def bound_udp(port):
    """Whether something holds this UDP port on 127.0.0.1 (or on all addresses)."""
    with open("/proc/net/udp", encoding="ascii") as table:
        ends = [line.split()[1] for line in table.readlines()[1:]]
    return any(end.endswith(f":{port:04X}") for end in ends)


def healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return answer.status == 200
    except OSError:
        return False


def start_ours(servers, binaries, port, data, flags):
    tracker = servers.start([os.path.join(binaries, "pbts-tracker"), "--data", data,
                             "--listen", "127.0.0.1", "--port", str(port), "--workers", "1",
                             "--log-level", "warn", "--peer-lists-per-hour", "0", *flags])
    wait_until(tracker, lambda: healthy(port), "pbts-tracker")
    return tracker


def start_opentracker(servers, whitelist):
    port = free_port()
    tracker = servers.start(["opentracker", "-i", "127.0.0.1", "-p", str(port), "-P", str(port),
                             "-d", servers.folder, "-w", whitelist])
    wait_until(tracker, lambda: accepts(port), "opentracker")
    return tracker, port


def prepare(binaries, port, data, users, torrents, out):
    """`users`: how many to register, or the passkeys file of users that are there."""
    os.makedirs(out, exist_ok=True)
    whom = ["--passkeys", users] if isinstance(users, str) else ["--users", str(users)]
    token = ["--admin-token", os.path.join(data, "admin.token")]
    started = time.monotonic()
    subprocess.run([os.path.join(binaries, "pbts"), "bench", "prepare", "--tracker",
                    f"http://127.0.0.1:{port}", *whom, *token, "--torrents", str(torrents),
                    "--out", out], check=True)
    print(f"registered {torrents} torrents ({' '.join(whom[:2])}) in "
          f"{time.monotonic() - started:.1f} s", file=sys.stderr)


def announce(binaries, mode, port, pid, flags, timeout_s):
    """One run of the generator; its JSON. Failures among the answers are an error."""
    argv = [os.path.join(binaries, "pbts"), "bench", "announce", f"--{mode}", "--target",
            f"127.0.0.1:{port}", "--pid", str(pid), "--json", *flags]
    run = subprocess.run(pinned(argv, GENERATOR_CORE), stdout=subprocess.PIPE, timeout=timeout_s,
                         check=False)
    if run.returncode != 0:
        sys.stderr.write(run.stdout.decode(errors="replace"))
        raise SystemExit(f"the generator failed ({run.returncode}): {' '.join(argv)}")
    return json.loads(run.stdout)


def memory_kib(pid):
    """VmRSS and RssAnon; the second leaves mapped files (the store) out."""
    found = {}
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            key, _, rest = line.partition(":")
            if key in ("VmRSS", "RssAnon"):
                found[key] = int(rest.split()[0])
    return found


def first_line(argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        return done.stdout.decode(errors="replace").split("\n")[0].strip()
    except OSError:
        return ""


def cpu_model():
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    with open("/proc/meminfo", encoding="ascii") as info:
        memory = info.readline().split()[1]
    return {"cpu": cpu_model(), "cores": os.cpu_count(), "memory_kib": int(memory),
            "kernel": platform.release(), "load_average_before": list(os.getloadavg()),
            "opentracker": first_line(["dpkg-query", "-W", "-f", "${Version}", "opentracker"]),
            "compiler": first_line(["gcc", "--version"]),
            "revision": first_line(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])}


def results_path(name):
    return os.path.join(ROOT, "bench", "results", f"{datetime.date.today().isoformat()}-{name}.json")


def write_results(name, results):
    path = results_path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="ascii") as out:
        json.dump(results, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"\nwritten to {os.path.relpath(path, ROOT)}")
