"""pbts-peer as a client among the others (lib/clients.py), with a user's key."""
import json
import re
import subprocess

import clients
import pbts_test as t


class OurPeer(clients.Client):
    name = "pbts-peer"

    def __init__(self, folder, address, port, user, *flags, host=()):
        super().__init__(folder, address, port, host)
        self.user, self.flags = user, list(flags)

    def command(self, what, torrent, directory):
        """`user` may be None: then there is no key, and no receipts."""
        key = ["--key", str(self.user.key)] if self.user else []
        return [str(t.BIN / "pbts-peer"), what, str(torrent), "--dir", str(directory), *key,
                "--state", str(self.folder / "state"), "--bind", self.address, "--port",
                str(self.port), "--json", *self.flags]

    def seed(self, torrent, directory):
        self.run(self.command("seed", torrent, directory))
        return self

    def get(self, torrent, directory, *more):
        """Downloads, and then seeds until it is stopped."""
        self.run([*self.command("get", torrent, directory), "--seed", *more])
        return self

    def add(self, torrent, directory):
        return self.get(torrent, directory)

    def ends(self, seconds=60):
        """Its exit status when it ends by itself, or None."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def has(self, name, seconds=20):
        """Wait for an event of that name; an end of the program ends the wait."""
        t.wait_until(lambda: self.events(name) or self.process.poll() is not None, seconds)
        return bool(self.events(name))

    def told(self):
        """Its log's JSON lines, in order; of the last a part may be there, when it is being written."""
        whole = self.text().rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line.startswith("{")]

    def events(self, name):
        """Of one event."""
        return [event for event in self.told() if event.get("event") == name]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=60):
        """A graceful end, with everything reported; the exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode


def infohash_of(torrent):
    return re.search(r"\b[0-9a-f]{40}\b", t.pbts("torrent", "show", torrent).stdout)[0]
