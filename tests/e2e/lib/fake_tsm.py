"""A configfs-tsm that is none: a file system of our own (FUSE, spoken by hand over /dev/fuse) with the
kernel's folder of reports, and faults.

Folders that are made in it have `provider`, `generation`, `inblob` and `outblob` at once, as in
configfs; the evidence comes from `make(report_data)`. `faults[("read", "outblob")] = [errno.EBUSY]` lets
the next such call fail; `spoil` names what goes wrong without an error."""
import ctypes
import errno
import os
import select
import struct
import threading
import time
from pathlib import Path

LOOKUP, FORGET, GETATTR, MKDIR, RMDIR, OPEN, READ, WRITE = 1, 2, 3, 9, 11, 14, 15, 16
STATFS, RELEASE, FLUSH, INIT, OPENDIR, READDIR, RELEASEDIR = 17, 18, 25, 26, 27, 28, 29
INTERRUPT, DESTROY, BATCH_FORGET = 36, 38, 42
ROOT, ATTRIBUTES = 1, ("provider", "generation", "inblob", "outblob")
DIRECTORY, FILE, DIRECT_IO = 0o040755, 0o100644, 1
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE, MNT_DETACH, CLONE_NEWNS = 2, 4, 0x4000, 1 << 18, 2, 0x20000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(done, what):
    if done != 0:
        raise OSError(ctypes.get_errno(), what)


def _own_namespace():
    """What is mounted from here on is seen by this thread and what it starts, and ends with them."""
    _call(_libc.unshare(CLONE_NEWNS), "unshare")
    _call(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")


class Entry:
    def __init__(self, number):
        self.number, self.generation, self.inblob = number, 0, None

    def node(self, attribute):
        return self.number * 8 + 1 + ATTRIBUTES.index(attribute)


class FakeTsm:
    """with FakeTsm(path, provider, make) as tsm: …; OSError where mounting is not allowed."""

    def __init__(self, path, provider, make):
        self.path, self.provider, self.make = Path(path), provider, make
        self.faults, self.spoil, self.delay = {}, set(), {}
        self.entries, self.numbers = {}, 0
        self.made, self.removed, self.writes = [], [], []
        self.held, self.interrupted = set(), set()
        self.path.mkdir(parents=True, exist_ok=True)
        _own_namespace()
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0".encode()
        try:
            _call(_libc.mount(b"pbts-fake-tsm", bytes(self.path), b"fuse", MS_NOSUID | MS_NODEV,
                              options), "mount")
        except OSError:
            os.close(self.device)
            raise
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _libc.umount2(bytes(self.path), MNT_DETACH)
        self.thread.join(10)
        os.close(self.device)

    # ---- requests ----

    def serve(self):
        while True:
            try:
                request = os.read(self.device, 1 << 17)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.EAGAIN, errno.ENOENT):
                    continue
                return  # ENODEV: unmounted
            self.handle(request)

    def handle(self, request):
        _, opcode, unique, node = struct.unpack_from("<IIQQ", request)
        if opcode in (FORGET, BATCH_FORGET, INTERRUPT):
            return
        try:
            answer, code = self.act(opcode, unique, node, request[40:]), 0
        except OSError as error:
            answer, code = b"", -error.errno
        try:
            os.write(self.device, struct.pack("<IiQ", 16 + len(answer), code, unique) + answer)
        except OSError:
            pass  # whoever asked is gone

    def act(self, opcode, unique, node, body):
        if opcode == INIT:
            return struct.pack("<IIIIHHIIHHI28x", 7, 31, 0, 0, 8, 8, 4096, 1, 1, 0, 0)
        if opcode == LOOKUP:
            return self.entry_out(self.find(node, body.rstrip(b"\0").decode()))
        if opcode == GETATTR:
            return struct.pack("<QII", 0, 0, 0) + self.attr(node)
        if opcode == MKDIR:
            return self.entry_out(self.make_entry(body[8:].rstrip(b"\0").decode()))
        if opcode == RMDIR:
            return self.remove_entry(body.rstrip(b"\0").decode())
        if opcode in (OPEN, OPENDIR):
            return struct.pack("<QII", 0, DIRECT_IO if opcode == OPEN else 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("<QQI", body)
            return self.read(unique, node, offset)[:size]
        if opcode == WRITE:
            return self.write(node, body[40:])
        if opcode in (RELEASE, FLUSH, RELEASEDIR, DESTROY, READDIR):
            return b""
        if opcode == STATFS:
            return bytes(80)
        raise OSError(errno.ENOSYS, "")

    def fail(self, what, attribute=None):
        waiting = self.faults.get((what, attribute))
        if waiting:
            raise OSError(waiting.pop(0), "")

    # ---- nodes: 1 the folder, 8n an entry, 8n + 1 … 8n + 4 its files ----

    def entry_of(self, node):
        for entry in self.entries.values():
            if entry.number == node // 8:
                return entry
        raise OSError(errno.ENOENT, "")

    def find(self, node, name):
        if node == ROOT:
            if name not in self.entries:
                raise OSError(errno.ENOENT, "")
            return self.entries[name].number * 8
        if name not in ATTRIBUTES:
            raise OSError(errno.ENOENT, "")
        return self.entry_of(node).node(name)

    @staticmethod
    def attr(node):
        is_folder = node == ROOT or node % 8 == 0
        return struct.pack("<QQQQQQIIIIIIIIII", node, 0, 0, 0, 0, 0, 0, 0, 0,
                           DIRECTORY if is_folder else FILE, 1, 0, 0, 0, 4096, 0)

    def entry_out(self, node):
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self.attr(node)

    # ---- what the kernel would do ----

    def make_entry(self, name):
        self.fail("mkdir")
        self.numbers += 1
        self.entries[name] = Entry(self.numbers)
        self.made.append(name)
        return self.numbers * 8

    def remove_entry(self, name):
        if name not in self.entries:
            raise OSError(errno.ENOENT, "")
        del self.entries[name]
        self.removed.append(name)
        return b""

    def write(self, node, data):
        entry = self.entry_of(node)
        if ATTRIBUTES[node % 8 - 1] != "inblob":
            raise OSError(errno.EACCES, "")
        self.fail("write", "inblob")
        entry.inblob = data
        entry.generation += 1
        self.writes.append(data)
        return struct.pack("<II", len(data), 0)

    def read(self, unique, node, offset):
        entry, attribute = self.entry_of(node), ATTRIBUTES[node % 8 - 1]
        self.hold(unique, attribute)
        self.fail("read", attribute)
        if attribute == "provider":
            return f"{self.provider}\n".encode()[offset:]
        if attribute == "generation":
            return f"{entry.generation}\n".encode()[offset:]
        if attribute == "inblob":
            raise OSError(errno.EACCES, "")
        if entry.inblob is None or len(entry.inblob) != 64:
            raise OSError(errno.EINVAL, "")
        blob = self.outblob(entry)
        if offset == 0:
            self.after_outblob(entry)
        return blob[offset:]

    def hold(self, unique, attribute):
        """Let a read wait, until it is interrupted or the time is over."""
        end = time.monotonic() + self.delay.get(attribute, 0)
        if attribute in self.delay:
            self.held.add(attribute)
        while time.monotonic() < end:
            if not select.select([self.device], [], [], 0.02)[0]:
                continue
            request = os.read(self.device, 1 << 17)
            _, opcode, _, _ = struct.unpack_from("<IIQQ", request)
            if opcode == INTERRUPT and struct.unpack_from("<Q", request, 40)[0] == unique:
                self.interrupted.add(attribute)
                raise OSError(errno.EINTR, "")
            self.handle(request)

    def outblob(self, entry):
        blob = self.make(bytes(64) if "old outblob" in self.spoil else entry.inblob)
        return blob[:-1] if "short outblob" in self.spoil else blob

    def after_outblob(self, entry):
        if "other writer" in self.spoil:
            entry.generation += 1
        if "provider changes" in self.spoil:
            self.provider = "other_guest"


def sev_report(report_data):
    """The least that has a report_data where SEV-SNP reports have it."""
    return struct.pack("<I", 3) + bytes(0x4c) + report_data + bytes(1184 - 0x90)
