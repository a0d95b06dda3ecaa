#!/usr/bin/env python3
# build: asan
# timeout: 240
"""What the REST API refuses for its size or its frequency, what may change while the daemon runs,
and that no secret leaves it."""
import http.client
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import signing as s
from rest import MIB, fields, refused

REGISTRATIONS_PER_HOUR, BAD_SIGNATURES_PER_HOUR = 60, 120


# ---- sizes ----

def padded(text, size):
    return text + b" " * (size - len(text))


def sizes(daemon, alice):
    admin = daemon.admin()
    good, _ = alice.report_body([alice.piece(alice, s.Torrent("unknown"), 1)])
    refused_small = padded(b'{"user_id": "alice"}', 64 * 1024)
    refused("64 KiB of registration are read", daemon.post("/register", refused_small), 400,
            "KEY_INVALID")
    refused("one byte more is too large", daemon.post("/register", refused_small + b" "), 413,
            "TOO_LARGE")
    refused("10 MiB of torrent are read", daemon.post("/torrents", b"x" * (10 * MIB),
                                                      headers=admin), 400, "TORRENT_INVALID")
    refused("one byte more is too large", daemon.post("/torrents", b"x" * (10 * MIB + 1),
                                                      headers=admin), 413, "TOO_LARGE")
    body = padded(s.json.dumps(good).encode(), 16 * MIB)
    answer = daemon.post("/report", body)
    t.check("16 MiB of report are read", answer.status == 200, answer)
    refused("one byte more is too large", daemon.post("/report", body + b" "), 413, "TOO_LARGE")
    refused("other paths take little", daemon.post("/nope", b"x" * (64 * 1024 + 1)), 413,
            "TOO_LARGE")
    t.check("chunked bodies have the same limit",
            [chunked(daemon, 64 * 1024), chunked(daemon, 64 * 1024 + 1)] == [400, 413])


def chunked(daemon, size):
    """Registration without a declared length; its status."""
    connection = http.client.HTTPConnection(daemon.address, daemon.port, timeout=30)
    body = padded(b'{"user_id": "alice"}', size)
    connection.request("POST", "/register", iter([body[:1000], body[1000:]]), encode_chunked=True,
                       headers={"Transfer-Encoding": "chunked"})
    status = connection.getresponse().status
    connection.close()
    return status


def half_sent(daemon, address):
    """A report of 16 MiB of which just more than half came: memory for all of it is taken."""
    connection = socket.create_connection((daemon.address, daemon.port), timeout=30)
    connection.sendall(b"POST /report HTTP/1.1\r\nHost: tracker\r\nX-Forwarded-For: %s\r\n"
                       b"Content-Length: %d\r\n\r\n" % (address.encode(), 16 * MIB))
    connection.sendall(b"x" * (8 * MIB + 1))
    return connection


def memory(helper):
    """Bodies that never end: one address takes an eighth of the memory that there is for bodies."""
    with t.Daemon("--trusted-proxies", "127.0.0.1", name="memory") as daemon:
        good = s.Signer(helper, daemon, "one").registration()

        def register(address, body=good):
            return daemon.post("/register", body, headers={"X-Forwarded-For": address})

        def has_room(address):
            """By a request that counts for no limit of frequency."""
            answer = daemon.post("/nope", b"x", headers={"X-Forwarded-For": address})
            return answer.status == 404
        greedy, other = "203.0.113.9", "203.0.113.10"
        held = [half_sent(daemon, greedy) for _ in range(3)]
        t.check("48 MiB of one address leave room for more", register(greedy).status == 409)
        # The last bytes are on their way. Who asks meanwhile takes room too: one more may be needed.
        for _ in range(4):
            held.append(half_sent(daemon, greedy))
            if t.wait_until(lambda: not has_room(greedy), 5):
                break
        refused("at 64 MiB it is refused", register(greedy), 503, "OVERLOADED")
        refused("with a large body too", register(greedy, b" " * 65536), 503, "OVERLOADED")
        t.check("others are not", register(other).status == 409)
        # A few share a bucket with somebody, by a hash that nobody foresees.
        t.check("nor are neighbours", 409 in [register(f"203.0.113.{9 + 16 * i}").status
                                              for i in range(1, 5)])
        for connection in held:
            connection.close()
        t.wait_until(lambda: has_room(greedy), 60)
        answer = register(greedy)
        t.check("nor is it when they are gone", answer.status == 409, answer)


# ---- configuration ----

def configuration(daemon, helper):
    admin = daemon.admin()
    for method in ("GET", "POST"):
        refused(f"{method} /config is the administrator's", t.http(
            daemon.url + "/config", data=b"{}" if method == "POST" else None), 401, "ADMIN_ONLY")
        refused("a wrong token is refused", t.http(
            daemon.url + "/config", data=b"{}" if method == "POST" else None,
            headers={"Authorization": "Bearer " + "0" * 64}), 401, "ADMIN_ONLY")
    shown = daemon.get("/config", headers=admin).json()
    t.check("the configuration names value, unit and what may change",
            shown["config"]["min_ratio"] == {"value": "0.500", "unit": "ratio", "may_change": True}
            and shown["config"]["port"]["may_change"] is False and shown["verify_signatures"] is True,
            shown)

    def change(body):
        return daemon.post("/config", body, headers=admin)
    fields("the prototype's names change it", change(
        {"verify_signatures": True, "min_ratio": 0.3, "max_peers": 30}), min_ratio=0.3, max_peers=30)
    t.check("and it shows in the parameters", daemon.get("/params").json()["min_ratio"] == 0.3)
    refused("verification cannot be switched off", change({"verify_signatures": False}), 400,
            "VERIFICATION_REQUIRED")
    refused("not by another kind of false either", change({"verify_signatures": 0}), 400,
            "VERIFICATION_REQUIRED")
    for body, code in (({"min_ratio": -1}, "MALFORMED"), ({"min_ratio": [5]}, "MALFORMED"),
                       ({"min_ratio": None}, "MALFORMED"), ({"min_ratio": 0.12345}, "MALFORMED"),
                       ({"min_ratio": {"a": 1}}, "MALFORMED"), ({"no_such_key": 1}, "MALFORMED"),
                       ({"client_deny": ["-ABCDEFGH-"]}, "MALFORMED"), ({"port": 80}, "NOT_CHANGEABLE"),
                       ({"interval_s": 60}, "NOT_CHANGEABLE"), ({"data": "/"}, "NOT_CHANGEABLE"),
                       ({"min_ratio": "x" * 2000}, "MALFORMED"), ({"numwant_max": 201}, "MALFORMED"),
                       ({"min_ratio": "x" + "\u00e9" * 60}, "MALFORMED"),
                       ({"x" + "\u20ac" * 60: "5"}, "MALFORMED")):
        refused(f"{str(body)[:40]} is refused", change(body), 400, code)
    refused("one bad key of two changes neither", change({"min_ratio": 0.9, "numwant_max": 0}), 400,
            "MALFORMED")
    t.check("so the old value holds", daemon.get("/params").json()["min_ratio"] == 0.3)
    fields("lists are lists of texts", change({"client_deny": ["-XX", "-YY0001"]}), success=True)
    t.check("and are shown joined", daemon.get("/config", headers=admin).json()["config"][
        "client_deny"]["value"] == "-XX, -YY0001")
    change({"registration": "admin"})
    closed = s.Signer(helper, daemon, "late", register=False)
    refused("registration closes at once", closed.register(), 403, "REGISTRATION_CLOSED")
    fields("but not for the administrator", closed.register(headers=admin), user_id="late")
    t.check("the status page says that it is closed", b"closed" in daemon.get("/").body)
    change({"registration": "open", "metrics_allow": "203.0.113.0/24"})
    refused("metrics are for those in metrics_allow", daemon.get("/metrics"), 403, "DENIED")
    t.check("and for the administrator", daemon.get("/metrics", headers=admin).status == 200)
    many = list(ThreadPoolExecutor(4).map(
        lambda i: change({"min_ratio": i / 1000}).status, range(300)))
    t.check("many changes at once are all answered", many == [200] * 300, set(many))


# ---- frequency ----

def frequency(helper):
    with t.Daemon("--trusted-proxies", "127.0.0.1", name="often") as daemon:
        someone = s.Signer(helper, daemon, "one", register=False)
        good = someone.registration()

        def register(address, body=good):
            return daemon.post("/register", body, headers={"X-Forwarded-For": address})
        first = register("203.0.113.5").status
        codes = [register("203.0.113.5").status for _ in range(REGISTRATIONS_PER_HOUR - 1)]
        t.check("an address has 60 registrations", first == 200 and set(codes) == {409}, codes)
        answer = register("203.0.113.5")
        refused("the next one is too many", answer, 429, "TOO_OFTEN")
        t.check("and says when to come again", int(answer.headers["Retry-After"]) > 0)
        t.check("another address is not touched", register("203.0.113.6").status == 409)
        t.check("loopback has no limit",
                [daemon.post("/register", good).status for _ in range(70)] == [409] * 70)
        networks = [register(f"2001:db8:0:1::{i:x}").status for i in range(1, 62)]
        t.check("a /64 is one address", networks == [409] * 60 + [429], networks)
        bad_signatures(daemon, someone)


def bad_signatures(daemon, someone):
    body, _ = someone.report_body([someone.piece(someone, s.Torrent("unknown"), 1)], at=s.now())
    body["time"] += 1  # the signature is over another time
    headers = {"X-Forwarded-For": "203.0.113.7"}
    codes = [daemon.post("/report", body, headers=headers).status
             for _ in range(BAD_SIGNATURES_PER_HOUR + 1)]
    t.check("an address has 120 bad signatures", codes == [401] * 120 + [429], codes)
    statements_too(daemon, someone)
    signed = someone.authorization("GET", "/torrents")
    for test, answer in (
            ("registering", daemon.post("/register", someone.registration(), headers=headers)),
            ("verifying", daemon.post("/verify-receipt", {}, headers=headers)),
            ("signed requests", daemon.get("/torrents", headers={**headers, **signed}))):
        refused(f"after that {test} waits too", answer, 429, "TOO_OFTEN")
    t.check("unsigned reading goes on", daemon.get("/user/one", headers=headers).status == 200)
    t.check("and others sign as before", daemon.get("/torrents", headers=signed).status == 200)


def statements_too(daemon, someone):
    """Reports of forged receipts from one address."""
    other, torrent = s.Signer(someone.sign, daemon, "two"), s.Torrent("forged")
    someone.add_torrent(torrent)
    forged = [{**other.piece(someone, torrent, 1), "index": i} for i in range(2, torrent.pieces)]
    reports = BAD_SIGNATURES_PER_HOUR // len(forged) + 1
    body, _ = someone.report_body(forged)
    codes = [daemon.post("/report", body, headers={"X-Forwarded-For": "203.0.113.8"}).status
             for _ in range(reports + 1)]
    t.check("bad signatures of statements count too", codes == [200] * reports + [429], codes)


# ---- secrets ----

def secrets(daemon, alice):
    """Everything that was secret in this test, looked for in everything that is not."""
    token = (daemon.data / "admin.token").read_text().strip()
    t.check("the token's file is the owner's alone",
            os.stat(daemon.data / "admin.token").st_mode & 0o777 == 0o600)
    old = alice.passkey
    rotated = daemon.post("/passkey", b"", headers=alice.authorization("POST", "/passkey")).json()
    t.http(rotated["announce_url"] + "?info_hash=" + "%11" * 20 + "&peer_id=" + "a" * 20 +
           "&port=6881&left=0")
    daemon.get("/torrents?passkey=" + rotated["passkey"])
    places = {"the log": daemon.text(), "the metrics": daemon.get(
        "/metrics", headers=daemon.admin()).body.decode(), "the configuration": daemon.get(
        "/config", headers=daemon.admin()).body.decode(), "the status page": daemon.get(
        "/").body.decode(), "the user's page": daemon.get("/user/alice").body.decode(),
        "the parameters": daemon.get("/params").body.decode(), "the ledger's status": daemon.get(
        "/contract/status").body.decode()}
    for place, text in places.items():
        found = [what for what, secret in (("token", token), ("old passkey", old), (
            "passkey", rotated["passkey"]), ("secret key", alice.secret)) if secret in text]
        t.check(f"no secret is in {place}", not found and len(text) > 100, found)
    t.check("the log is at the debug level here", "endpoint=register" in places["the log"])
    t.check("no name is in the metrics or on the status page",
            "alice" not in places["the metrics"] + places["the status page"])


def escaping(helper):
    with t.Daemon("--public-url", "http://a.example/<b>\"'&", name="escape") as daemon:
        text = daemon.get("/").body.decode()
        t.check("what is configured is escaped on the status page",
                "<b>" not in text and "&lt;b&gt;&quot;&#39;&amp;" in text)
        made = s.Torrent("n")
        made.info["name"] = b"bad \xff\xfe name"
        odd = s.bencode({"info": made.info})
        answer = daemon.post("/torrents", odd, headers=daemon.admin())
        t.check("a name that is no UTF-8 is refused or shown in ASCII",
                answer.status == 400 or answer.json()["name"] == "bad ?? name", answer)


def main():
    helper = s.Helper()
    with t.Daemon("--log-level", "debug") as daemon:
        alice = s.Signer(helper, daemon, "alice")
        secrets(daemon, alice)
        sizes(daemon, alice)
        configuration(daemon, helper)
        t.check("the daemon ends well", daemon.stop() == 0, daemon.text()[-500:])
    frequency(helper)
    memory(helper)
    escaping(helper)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
