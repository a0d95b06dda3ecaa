"""Real BitTorrent clients, unmodified, each on an address of its own.

Every class has the same life: Client(folder, address, port), start(), add(torrent, directory),
stop(). `directory` already holds the content for a seeder; a leecher fills it. `host`: the words that
start a command on its host, where that is not this one (lib/bad_network.py).
"""
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pbts_test as t


class Client:
    name = "?"
    stop_signal = signal.SIGTERM

    def __init__(self, folder, address, port, host=()):
        self.folder, self.address, self.port = Path(folder), address, port
        self.host = host
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        self.process = None

    def start(self):
        pass

    def run(self, command, **options):
        self.process = t.start([*self.host, *command], self.log, **options)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


class Transmission(Client):
    name = "transmission"

    def __init__(self, folder, address, port, host=()):
        super().__init__(folder, address, port, host)
        self.rpc = f"http://{address}:{port + 1000}/transmission/rpc"
        self.session = ""

    def start(self):
        settings = {
            "bind-address-ipv4": self.address, "peer-port": self.port, "dht-enabled": False,
            "lpd-enabled": False, "pex-enabled": False, "utp-enabled": False,
            "port-forwarding-enabled": False, "rpc-port": self.port + 1000,
            "rpc-bind-address": self.address, "rpc-whitelist-enabled": False,
            "rpc-host-whitelist-enabled": False, "rpc-authentication-required": False,
            "encryption": 0, "cache-size-mb": 1, "ratio-limit-enabled": False,
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        self.run(["transmission-daemon", "-f", "-g", str(self.folder)])
        if not t.wait_until(self._answers, 15):
            raise RuntimeError(f"transmission-daemon did not start: {self.log.read_text()[-500:]}")

    def _call(self, method, **arguments):
        data = json.dumps({"method": method, "arguments": arguments}).encode()
        for _ in range(2):
            request = urllib.request.Request(
                self.rpc, data, {"X-Transmission-Session-Id": self.session})
            try:
                with urllib.request.urlopen(request, timeout=5) as reply:
                    return json.loads(reply.read())
            except urllib.error.HTTPError as error:
                if error.code != 409:  # 409 carries the session id to use
                    raise
                self.session = error.headers["X-Transmission-Session-Id"]
        raise RuntimeError("transmission refuses its own session id")

    def _answers(self):
        try:
            return self._call("session-get")["result"] == "success"
        except OSError:
            return False

    def add(self, torrent, directory):
        import base64
        data = base64.b64encode(Path(torrent).read_bytes()).decode()
        answer = self._call("torrent-add", metainfo=data, **{"download-dir": str(directory)})
        if answer["result"] != "success":
            raise RuntimeError(f"transmission: {answer}")
        self._call("torrent-verify")

    def stop(self):
        # At its end it does not wait for the last announce; a paused torrent is announced at once.
        if self.process and self.process.poll() is None:
            self._call("torrent-stop")
            time.sleep(1.5)
        super().stop()


class Aria2(Client):
    name = "aria2"
    stop_signal = signal.SIGINT  # SIGTERM ends it without the last announce

    def add(self, torrent, directory):
        # aria2 speaks to UDP trackers only when its DHT is on; private torrents never use that.
        self.run(
            ["aria2c", "--no-conf", f"--interface={self.address}", f"--listen-port={self.port}",
             f"--dht-listen-port={self.port}", "--enable-dht=true", "--enable-dht6=false",
             f"--dht-file-path={self.folder}/dht.dat", "--bt-enable-lpd=false",
             "--enable-peer-exchange=false", "--check-integrity=true", "--seed-time=600",
             "--seed-ratio=0", "--bt-tracker-interval=4", "--summary-interval=0",
             "--allow-overwrite=true", "--console-log-level=warn", f"--dir={directory}",
             str(torrent)])


class Rtorrent(Client):
    name = "rtorrent"
    stop_signal = signal.SIGINT  # SIGTERM does not wait for the last announce

    def add(self, torrent, directory):
        session = self.folder / "session"
        session.mkdir(exist_ok=True)
        (self.folder / "rc").write_text(f"""
network.bind_address.set = {self.address}
network.port_range.set = {self.port}-{self.port}
network.port_random.set = no
network.http.max_open.set = 8
trackers.use_udp.set = yes
dht.mode.set = disable
protocol.pex.set = no
protocol.encryption.set = allow_incoming,try_outgoing,enable_retry
directory.default.set = {directory}
session.path.set = {session}
pieces.hash.on_completion.set = no
system.daemon.set = true
schedule2 = add, 1, 0, ((load.start, "{torrent}"))
""")
        self.run(["rtorrent", "-n", "-o", f"import={self.folder}/rc"],
                 env={**os.environ, "TERM": "dumb", "HOME": str(self.folder)})


LIBTORRENT = r"""
import signal, sys, time, libtorrent as lt
address, port, torrent, directory = sys.argv[1:5]
session = lt.session({"listen_interfaces": f"{address}:{port}", "outgoing_interfaces": address,
    "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
    "enable_outgoing_utp": False, "enable_incoming_utp": False, "min_reconnect_time": 1,
    "alert_mask": lt.alert.category_t.all_categories})
handle = session.add_torrent({"ti": lt.torrent_info(torrent), "save_path": directory})
stopping = []
signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
while not stopping:
    for alert in session.pop_alerts():
        if "tracker" in alert.what() or "error" in alert.what():
            print(alert.what(), alert.message(), flush=True)
    print(handle.status().state, handle.status().progress, handle.status().num_peers, flush=True)
    time.sleep(0.5)
session.remove_torrent(handle)  # announces `stopped`
time.sleep(1)
"""


class Libtorrent(Client):
    name = "libtorrent"

    def add(self, torrent, directory):
        self.run(["/usr/bin/python3", "-c", LIBTORRENT, self.address, str(self.port), str(torrent),
                  str(directory)])


ALL = (Transmission, Aria2, Rtorrent, Libtorrent)


def missing():
    """Programs that are not installed here."""
    from shutil import which
    names = [n for n in ("transmission-daemon", "aria2c", "rtorrent") if which(n) is None]
    probe = subprocess.run(["/usr/bin/python3", "-c", "import libtorrent"], capture_output=True,
                           check=False)
    return names + ([] if probe.returncode == 0 else ["python3-libtorrent"])
