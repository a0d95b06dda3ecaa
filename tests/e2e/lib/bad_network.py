"""Hosts that reach each other only over links that delay every packet and lose some of them, as an
Internet path does. Each host is a network namespace with one TUN device; a process carries the
packets between the devices. It needs no queueing discipline of the kernel's."""
import collections
import contextlib
import ctypes
import fcntl
import multiprocessing
import os
import random
import select
import struct
import subprocess
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
QUEUE_PACKETS = 20000  # all that is under way; what comes then is lost, as at a full router
libc = ctypes.CDLL(None, use_errno=True)


def _enter_new_namespace():
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare: no new network namespace")


def _enter(namespace):
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns: back into a network namespace")


def _ip(*words):
    subprocess.run(["ip", *words], check=True)


def _open_tun(address, *routes):
    """A TUN device of the namespace that the process is in, which has `address`."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    name = struct.unpack("16sH14x", fcntl.ioctl(device, TUNSETIFF, struct.pack(
        "16sH14x", b"bad%d", IFF_TUN | IFF_NO_PI)))[0].rstrip(b"\0").decode()
    _ip("link", "set", name, "up", "mtu", "1500")
    _ip("addr", "add", f"{address}/32", "dev", name)
    for route in routes:
        _ip("route", "add", route, "dev", name, "src", address)
    return device


def _carry(devices, delay_s, loss, counts):
    """Until it is ended: what one device gives goes to that of its destination, later or never.
    `devices`: by IPv4 address in four bytes. The delay is the same for all, so a queue keeps
    them in order. `counts`: of packets lost by chance, and of all."""
    chance, queue, poll = random.Random(1), collections.deque(), select.poll()
    for device in devices.values():
        poll.register(device, select.POLLIN)
    while True:
        now = time.monotonic()
        while queue and queue[0][0] <= now:
            _, device, packet = queue.popleft()
            with contextlib.suppress(BlockingIOError):  # the receiver's queue is full
                os.write(device, packet)
        ready = poll.poll(max(0.0, queue[0][0] - now) * 1000 if queue else None)
        for source, _ in ready:
            with contextlib.suppress(BlockingIOError):
                for _ in range(64):
                    packet = os.read(source, 2048)
                    target = devices.get(packet[16:20]) if packet[0] >> 4 == 4 else None
                    if target is None or len(queue) >= QUEUE_PACKETS:
                        continue
                    lost = chance.random() < loss
                    counts[0] += lost
                    counts[1] += 1
                    if not lost:
                        queue.append((time.monotonic() + delay_s, target, packet))


class BadNetwork:
    """`addresses`: of hosts to make, all in `prefix`. `here`: the address that the caller's own
    namespace has (on a device of its own) and is reached at. OSError where TUN is not to be had."""

    def __init__(self, here, prefix, addresses, delay_s, loss):
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        self.namespaces, devices = {}, {}
        try:
            devices[here] = _open_tun(here, prefix)
            for address in addresses:
                _enter_new_namespace()
                self.namespaces[address] = os.open("/proc/self/ns/net", os.O_RDONLY)
                _ip("link", "set", "lo", "up")
                devices[address] = _open_tun(address, prefix, here)
        finally:
            _enter(home)
            os.close(home)
        by_bytes = {bytes(map(int, a.split("."))): device for a, device in devices.items()}
        self.counts = multiprocessing.Array("q", 2, lock=False)
        self.carrier = multiprocessing.get_context("fork").Process(
            target=_carry, args=(by_bytes, delay_s, loss, self.counts), daemon=True)
        self.carrier.start()
        for device in devices.values():
            os.close(device)

    def at(self, address):
        """The words that start a command on that host."""
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self.namespaces[address]}"]

    def end(self):
        """How many packets were lost by chance, and of how many."""
        self.carrier.terminate()
        self.carrier.join()
        for namespace in self.namespaces.values():
            os.close(namespace)
        return tuple(self.counts)
