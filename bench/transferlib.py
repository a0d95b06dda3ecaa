"""What the benchmarks of transfers share: a network namespace, one seeder and one leecher, figures.

Everything runs in a namespace of its own, over its loopback, through our tracker."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "e2e" / "lib"))

TRACKER, SEEDER, LEECHER = "10.77.0.1", "10.77.0.2", "10.77.0.3"
TICKS = os.sysconf("SC_CLK_TCK")
STARTED_BYTES = 256 * 1024
FORMS = ("off", "cumulative", "piece", "batch", "session")
RIVALS = ("libtorrent", "aria2", "rtorrent")


def enter_namespace(options):
    """Start again in a new network namespace, with a scratch folder that is removed at the end."""
    if options.scratch:
        for address in (TRACKER, SEEDER, LEECHER):
            subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.makedirs(options.work, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vs-clients-", dir=options.work) as scratch:
        done = subprocess.run(["unshare", "-n", sys.executable, *sys.argv, "--scratch", scratch],
                              check=False, env={**os.environ, "PBTS_BIN": options.bin,
                                                "PBTS_TEST_TMP": scratch})
    sys.exit(done.returncode)


def wire_bytes():
    """Bytes that loopback carried so far."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == "lo":
            return int(counts.split()[0])
    return 0


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(pid):
    """The peak of what it had in memory, and what of that (now) is not file content."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    found = {key: int(re.search(rf"{key}:\s+(\d+)", text)[1]) * 1024 / 1e6
             for key in ("VmHWM", "RssAnon")}
    return found["VmHWM"], found["RssAnon"]


def scrape(torrent):
    with urllib.request.urlopen(torrent["scrape"], timeout=5) as reply:
        body = reply.read()
    found = re.search(rb"8:completei(\d+)e.*10:incompletei(\d+)e", body)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def wait_for(condition, seconds, what, every=0.005):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(every)
    raise RuntimeError(f"{what}: not within {seconds} s")


def new_client(name, folder, address, port, user, flags):
    import clients
    import our_peer
    if name.startswith("ours-"):
        form = name[5:]
        legacy = "serve" if form == "off" else "refuse"
        return our_peer.OurPeer(folder, address, port, user, "--receipts", form, "--legacy-peers",
                                legacy, *flags)
    kind = {c.name: c for c in clients.ALL}[name]
    return kind(folder, address, port)


def tracker():
    """A tracker that grants enough for all transfers; use it as a context."""
    import pbts_test as t
    return t.Daemon("--peer-lists-per-hour", "0", "--init-credit-bytes", "1T", address=TRACKER)


def users_of(daemon):
    import pbts_test as t
    return [t.User(daemon, uid) for uid in ("seeder", "leecher")]


def make_content(mib, name):
    """A folder with one random file of so many MiB."""
    import pbts_test as t
    source = t.TMP / f"source-{name}"
    source.mkdir()
    subprocess.run(["dd", "if=/dev/urandom", f"of={source}/payload.bin", "bs=1M", f"count={mib}",
                    "status=none"], check=True)
    return source


def make_torrent(daemon, users, source, kib):
    """The torrent of that content, registered, with a file for each user's announce URL."""
    import pbts_test as t
    files = []
    for user in users:
        path = t.TMP / f"{source.name}-{kib}-{user.uid}.torrent"
        t.pbts("torrent", "create", source / "payload.bin", "--out", path, "--piece-length",
               kib * 1024, "--announce", user.announce)
        files.append(path)
    t.pbts("torrent", "add", "--tracker", daemon.url, "--key", users[0].key, files[0])
    infohash = json.loads(t.pbts("torrent", "show", "--json", files[0]).stdout)["infohash"]
    quoted = "".join(f"%{infohash[i:i + 2]}" for i in range(0, 40, 2))
    return {"kib": kib, "files": files, "source": source,
            "bytes": (source / "payload.bin").stat().st_size,
            "scrape": f"{daemon.url}/scrape/{users[0].passkey}?info_hash={quoted}"}


# A process that takes so many MiB, says so, and gives them back when its input ends.
HOLDER = """import mmap, sys
held = mmap.mmap(-1, int(sys.argv[1]) << 20)
for at in range(0, len(held), mmap.PAGESIZE):
    held[at] = 1
print("held", flush=True)
sys.stdin.read()
"""


class WarmMemory:
    """Memory that the kernel hands out at once. A virtual machine gives free memory back to its host
    and gets it again page by page, at some 150 to 300 MB/s here: every contestant would be as fast as
    that. So pages are taken before a transfer and given back right before its data flows."""

    def __init__(self, mib):
        self.process = None
        if mib:
            self.process = subprocess.Popen([sys.executable, "-c", HOLDER, str(mib)],
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.process.stdout.readline()

    def release(self):
        if self.process:
            self.process.communicate()
            self.process = None


def transfer(options, name, torrent, users, number, flags=()):
    """One seeder to one leecher (`flags`: more of them for our leecher): a row of figures.

    Time runs from the first quarter of a MiB on the wire until the tracker hears `completed`."""
    import pbts_test as t
    base = t.TMP / f"run{number}"
    target = base / "target"
    target.mkdir(parents=True)
    seeder = new_client(name, base / "seeder", SEEDER, 20000 + 20 * number,
                        users[0], ())
    leecher = new_client(name, base / "leecher", LEECHER, 20010 + 20 * number,
                         users[1], flags)
    memory = WarmMemory(0 if flags else 3 * torrent["bytes"] // 2**20 + 256)
    try:
        seeder.start()
        getattr(seeder, "seed", seeder.add)(torrent["files"][0], torrent["source"])
        wait_for(lambda: scrape(torrent)[0] == 1, 60, f"{name}: the seeder announces", 0.1)
        time.sleep(1)
        leecher.start()
        memory.release()
        leecher.add(torrent["files"][1], target)
        before = wire_bytes()
        wait_for(lambda: wire_bytes() - before > STARTED_BYTES, 60, f"{name}: data flows", 0.002)
        begun, pids = time.monotonic(), (seeder.process.pid, leecher.process.pid)
        cpu = [cpu_seconds(pid) for pid in pids]
        wait_for(lambda: scrape(torrent)[0] == 2, options.seconds, f"{name}: completes", 0.01)
        seconds = time.monotonic() - begun
        cpu = [cpu_seconds(pid) - was for pid, was in zip(pids, cpu)]
        peak = [memory_mb(pid) for pid in pids]
    finally:
        memory.release()
        leecher.stop()
        seeder.stop()
    same = subprocess.run(["cmp", "-s", target / "payload.bin",
                           torrent["source"] / "payload.bin"], check=False).returncode == 0
    wait_for(lambda: sum(scrape(torrent)) == 0, 60, f"{name}: both have left", 0.1)
    receipts = (leecher.events("ended")[-1]["receipts_given"],
                seeder.events("ended")[-1]["receipts_taken"]) if name.startswith("ours-") else (0, 0)
    shutil.rmtree(base)
    if not same:
        raise RuntimeError(f"{name}: what arrived differs")
    return {"client": name, "piece_kib": torrent["kib"], "seconds": seconds,
            "mb_per_s": torrent["bytes"] / 1e6 / seconds,
            "cpu_s_per_gib": sum(cpu) / (torrent["bytes"] / 2**30),
            "receipts_signed": receipts[0], "receipts_kept": receipts[1],
            "cpu_s": cpu, "memory_peak_mb": max(p[0] for p in peak),
            "memory_anonymous_mb": max(p[1] for p in peak)}
