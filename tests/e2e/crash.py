#!/usr/bin/env python3
# build: release asan
# timeout: 300
"""kill -9 at random moments under load loses nothing that was answered, and nothing counts twice.

Threads register users, add torrents and report receipts while the daemon is killed again and again
and started on the same port and data at once. Each thread keeps a book of what was answered 2xx.
A request whose answer got lost is sent again until it is answered, so at the end the books say
exactly what every user's totals must be: to the byte, what is credited and held together.
PBTS_CRASH_KILLS: how often (default 20). PBTS_CRASH_SEED: repeats the same choices.
"""
import http.client
import json
import os
import random
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t  # noqa: E402
import signing  # noqa: E402

KILLS = int(os.environ.get("PBTS_CRASH_KILLS", "20"))
SEED = int(os.environ.get("PBTS_CRASH_SEED", str(random.randrange(1 << 32))))
THREADS = 6
PIECES, PIECE_LENGTH, LAST = 96, 16384, 777
INIT_CREDIT, OVERDRAFT = 1 << 17, 1 << 16   # small, so that much of the credit is held
ATTEMPTS_S = 60                             # a request that gets no answer for so long fails
START_MAX_S = 5.0                           # under sanitizers, beside the load
OPERATIONS = 10                             # between two kills, on the average


class NoAnswer(Exception):
    """The connection broke: the daemon may or may not have done it."""


class Wire:
    """A kept-alive connection of one thread."""

    def __init__(self, daemon):
        self.daemon, self.connection = daemon, None

    def once(self, method, path, body=None, headers=None):
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.daemon.address, self.daemon.port,
                                                             timeout=20)
            self.connection.request(method, path, body, headers or {})
            reply = self.connection.getresponse()
            return t.Answer(reply.status, reply.read(), reply.headers)
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            self.connection = None
            raise NoAnswer(str(error)) from error

    def until_answered(self, method, path, body=None, headers=None):
        """The answer, and whether an earlier attempt may have been done."""
        maybe, end = False, time.monotonic() + ATTEMPTS_S
        while True:
            try:
                answer = self.once(method, path, body, headers)
                if answer.status != 503:    # "nothing was changed, try again later"
                    return answer, maybe
            except NoAnswer:
                maybe = True
            if time.monotonic() > end:
                raise RuntimeError(f"{method} {path}: no answer for {ATTEMPTS_S} s")
            time.sleep(0.01)


class Book:
    """What one thread knows to be on disk. Others may read it: entries are only added."""

    def __init__(self):
        self.users = []                 # Signer
        self.torrents = []              # signing.Torrent
        self.sent, self.received = {}, {}   # uid -> bytes
        self.reports = self.lost = self.held_bytes = 0

    def credit(self, sender, receiver, size):
        self.sent[sender] = self.sent.get(sender, 0) + size
        self.received[receiver] = self.received.get(receiver, 0) + size


class Worker:
    """Registers, adds torrents, reports; its users exchange pieces among themselves."""

    def __init__(self, number, daemon, helper):
        self.number, self.daemon, self.sign = number, daemon, helper
        self.wire, self.book = Wire(daemon), Book()
        self.random = random.Random(f"{SEED}/{number}")
        self.had = {}       # (receiver, sender, torrent) -> pieces claimed
        self.problems = []
        self.operations = 0
        self.iid = None

    def expect(self, good, what):
        if not good:
            self.problems.append(what)
        return good

    def new_user(self):
        uid = f"w{self.number}.u{len(self.book.users)}"
        user = signing.Signer(self.sign, self.daemon, uid, register=False, iid=self.iid)
        answer, maybe = self.wire.until_answered(
            "POST", "/register", json.dumps(user.registration()).encode(),
            {"Content-Type": "application/json"})
        # Taken by the lost attempt: nobody else asks for this name.
        was_there = maybe and answer.status == 409 and answer.json()["code"] == "UID_TAKEN"
        if self.expect(answer.status == 200 or was_there, f"register {uid}: {answer}"):
            self.book.users.append(user)
            self.book.lost += was_there

    def new_torrent(self):
        torrent = signing.Torrent(f"w{self.number}.t{len(self.book.torrents)}", PIECES,
                                  PIECE_LENGTH, LAST)
        user = self.random.choice(self.book.users)
        headers = {**user.authorization("POST", "/torrents", torrent.bytes),
                   "Content-Type": "application/x-bittorrent"}
        answer, maybe = self.wire.until_answered("POST", "/torrents", torrent.bytes, headers)
        was_there = maybe and answer.status == 409 and answer.json()["code"] == "TORRENT_EXISTS"
        if self.expect(answer.status == 200 or was_there, f"torrent: {answer}"):
            self.book.torrents.append(torrent)

    def statement(self, receiver, sender, torrent, had):
        """One piece, or the growing set; what it newly claims and what it says again."""
        if self.random.random() < 0.5:
            index = self.random.randrange(PIECES)
            return receiver.piece(sender, torrent, index), {index} - had, {index} & had
        more = set(self.random.sample(range(PIECES), self.random.randint(1, 12)))
        return receiver.cumulative(sender, torrent, sorted(had | more)), more - had, had

    def report(self):
        receiver, sender = self.random.sample(self.book.users, 2)
        if int(sender.uid.rpartition("u")[2]) % 4 == 3:     # these take and seldom give
            receiver, sender = sender, receiver
        torrent = self.random.choice(self.book.torrents)
        key = (receiver.uid, sender.uid, torrent.infohash)
        had = self.had.setdefault(key, set())
        made, fresh, again = self.statement(receiver, sender, torrent, had)
        as_json, as_bencode = sender.report_body([made])
        if self.random.random() < 0.5:
            body, kind = json.dumps(as_json).encode(), "application/json"
        else:
            body, kind = as_bencode, "application/x-bencode"
        answer, maybe = self.wire.until_answered("POST", "/report", body, {"Content-Type": kind})
        if self.expect(answer.status == 200, f"report: {answer}"):
            self.judge(answer.json(), maybe, sender, receiver, torrent, fresh, again)
            had |= fresh
        if not maybe and self.random.random() < 0.1:
            self.report_again(body, kind, fresh | again)

    def judge(self, answer, maybe, sender, receiver, torrent, fresh, again):
        """All of it counted now, or all of it in the attempt whose answer was lost."""
        one, size = answer["statements"][0], sum(torrent.sizes[i] for i in fresh)
        now = (one["pieces"], one["duplicates"], one["credited_bytes"] + one["held_bytes"])
        first, second = (len(fresh), len(again), size), (0, len(fresh) + len(again), 0)
        self.expect(now == first or (maybe and now == second), f"{now} is neither {first}"
                    f" nor {second} (answer lost: {maybe}): {answer}")
        self.book.lost += maybe and now == second and len(fresh) > 0
        self.book.credit(sender.uid, receiver.uid, size)
        self.book.reports += 1
        self.book.held_bytes += one["held_bytes"]

    def report_again(self, body, kind, pieces):
        answer, _ = self.wire.until_answered("POST", "/report", body, {"Content-Type": kind})
        one = answer.json()["statements"][0] if answer.status == 200 else {}
        self.expect(one.get("pieces") == 0 and one.get("duplicates") == len(pieces)
                    and one.get("credited_bytes") == one.get("held_bytes") == 0,
                    f"the same report again: {answer}")

    def step(self):
        choice = self.random.random()
        if len(self.book.users) < 2 or choice < 0.15:
            self.new_user()
        elif not self.book.torrents or choice < 0.18:
            self.new_torrent()
        else:
            self.report()
        self.operations += 1

    def run(self, stop):
        try:
            while not stop.is_set() and not self.problems:
                self.step()
        except Exception as error:  # a thread must not end in silence
            self.problems.append(repr(error))


def totals(wire, uid):
    answer, _ = wire.until_answered("GET", f"/user/{uid}")
    return answer.json() if answer.status == 200 else None


def acknowledged(workers, count, choose):
    """Some users with what was answered about them so far."""
    known = [(user.uid, worker) for worker in workers for user in list(worker.book.users)]
    return [(uid, worker.book.sent.get(uid, 0), worker.book.received.get(uid, 0))
            for uid, worker in choose.sample(known, min(count, len(known)))]


def kill_while_it_starts(daemon, choose):
    """Wherever it is then: opening the store, loading, or listening already."""
    daemon.launch()
    time.sleep(choose.uniform(0, 0.06))
    daemon.kill()


def operations(workers):
    return sum(worker.operations for worker in workers)


def held(workers):
    return sum(worker.book.held_bytes for worker in workers)


def kill_and_restart(daemon, workers, choose):
    """Seconds until it listened again; what is missing of what had been answered."""
    time.sleep(choose.uniform(0.02, 0.6))
    before = acknowledged(workers, 10, choose)
    daemon.kill()
    if choose.random() < 0.2:
        kill_while_it_starts(daemon, choose)
    begun = time.monotonic()
    daemon.start()
    took, wire, missing = time.monotonic() - begun, Wire(daemon), []
    for uid, sent, received in before:
        user = totals(wire, uid)
        if user is None:
            missing.append(f"{uid} is gone")
        elif user["up_bytes"] + user["held_bytes"] < INIT_CREDIT + sent:
            missing.append(f"{uid} had sent {sent}: {user}")
        elif user["down_bytes"] < received:
            missing.append(f"{uid} had received {received}: {user}")
    return took, missing


def check_books(daemon, workers):
    """Every user, to the byte."""
    wire, wrong, users, total = Wire(daemon), [], 0, 0
    for worker in workers:
        for known in worker.book.users:
            sent = worker.book.sent.get(known.uid, 0)
            received = worker.book.received.get(known.uid, 0)
            user = totals(wire, known.uid)
            users += 1
            if user is None:
                wrong.append(f"{known.uid} is gone")
                continue
            total += (user["up_bytes"] + user["held_bytes"] - user["granted_bytes"]
                      - user["down_bytes"])
            if user["up_bytes"] + user["held_bytes"] != INIT_CREDIT + sent:
                wrong.append(f"{known.uid} sent {sent}: {user}")
            if user["down_bytes"] != received:
                wrong.append(f"{known.uid} received {received}: {user}")
    t.check(f"all {users} registered users are there with exactly what was reported", not wrong,
            wrong[:5])
    t.check("the sum of up + held - granted - down is zero", total == 0, total)
    return users


def check_torrents(daemon, workers):
    listed = signing.infohashes(daemon)
    wanted = {torrent.infohash for worker in workers for torrent in worker.book.torrents}
    t.check(f"all {len(wanted)} torrents are there", wanted == listed,
            f"{len(wanted - listed)} missing, {len(listed - wanted)} that nobody added")


def check_ledger(daemon, users):
    result = t.pbts("ledger", "verify", "--data", daemon.data, "--json", check_exit=False)
    t.check("pbts ledger verify passes", result.returncode == 0, result.stdout + result.stderr)
    if result.returncode == 0:
        t.check("the ledger has an account for each user",
                json.loads(result.stdout)["accounts"] == users, result.stdout)


def main():
    print(f"# PBTS_CRASH_SEED={SEED} PBTS_CRASH_KILLS={KILLS}", flush=True)
    choose, stop = random.Random(SEED), threading.Event()
    daemon = t.Daemon("--workers", "1", "--rest-threads", "4", "--interval-s", "1800",
                      "--init-credit-bytes", str(INIT_CREDIT), "--overdraft-bytes", str(OVERDRAFT))
    daemon.start()
    iid = daemon.get("/params").json()["iid"]
    workers = [Worker(n, daemon, signing.Helper()) for n in range(THREADS)]
    for worker in workers:
        worker.iid = iid
    running = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in running:
        thread.start()
    missing, starts, begun = [], [], time.monotonic()
    for number in range(KILLS):
        t.wait_until(lambda n=number: operations(workers) > OPERATIONS * n, ATTEMPTS_S)  # a slow disk
        took, lost = kill_and_restart(daemon, workers, choose)
        starts.append(took)
        missing += lost
        if lost or any(worker.problems for worker in workers):
            break
    t.wait_until(lambda: operations(workers) > OPERATIONS * KILLS and held(workers) > 0, ATTEMPTS_S)
    stop.set()
    for thread in running:
        thread.join()
    problems = [problem for worker in workers for problem in worker.problems]
    print(f"# {len(starts)} kills in {time.monotonic() - begun:.1f} s, {operations(workers)} operations, "
          f"{sum(w.book.reports for w in workers)} reports, {sum(w.book.lost for w in workers)} "
          f"done whose answer was lost, start {min(starts):.2f} to {max(starts):.2f} s", flush=True)
    t.check(f"{KILLS} kills and starts without a repair command", len(starts) == KILLS)
    t.check("after each start everything that was answered is there", not missing, missing[:5])
    t.check("every answer fits the books", not problems, problems[:3])
    t.check("a start stays quick", max(starts) < START_MAX_S, starts)
    t.check("there was load", operations(workers) > OPERATIONS * len(starts), operations(workers))
    t.check("some of the credit was held first", held(workers) > 0, held(workers))
    users = check_books(daemon, workers)
    check_torrents(daemon, workers)
    check_ledger(daemon, users)
    daemon.kill()
    daemon.start()
    check_books(daemon, workers)
    daemon.stop()
    t.finish()


if __name__ == "__main__":
    main()
