#!/usr/bin/env python3
# build: asan release tsan
# timeout: 240
"""Every REST endpoint, good and bad: answers, status codes, who may call what."""
import base64
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "lib"))
import pbts_test as t
import raw_peer
import signing as s

MIB = 1 << 20
NODE, UPLOADED = bytes([192, 0, 2, 1, 0, 9]), bytes([192, 0, 2, 2, 0, 8])


def refused(name, answer, status, code):
    """An error answer of the one shape that all have."""
    try:
        body = answer.json()
        good = (answer.status == status and body["success"] is False and body["code"] == code
                and len(body["error"]) > 10)
    except (ValueError, KeyError):
        good = False
    t.check(name, good, answer)


def fields(test, answer, /, **expected):
    """A good answer with these values."""
    got = answer.json() if answer.status == 200 else {}
    wrong = {k: got.get(k, "missing") for k, v in expected.items() if got.get(k, "missing") != v}
    t.check(test, answer.status == 200 and not wrong, f"{answer} differs in {wrong}")


def open_endpoints(daemon):
    health = daemon.get("/health").json()
    t.check("health says ok with version, ledger, store and uptime",
            health["status"] == "ok" and health["ledger"]["lag"] == 0 and health["version"] and
            health["store"]["max_bytes"] > health["store"]["used_bytes"] and
            health["uptime_s"] >= 0, health)
    params = daemon.get("/params").json()
    t.check("params name the instance and the rules",
            len(params["iid"]) == 64 and params["ledger"]["address"] == params["iid"] and
            params["epoch_seconds"] == 3600 and params["window_epochs"] == 720 and
            params["claim_period_epochs"] == 720 and params["min_ratio"] == 0.5 and
            params["attestation"] is None and params["predecessor"] is None and
            len(base64.b64decode(params["tracker_key"])) == 96 and abs(
                params["time"] - s.now()) < 5, params)
    page = daemon.get("/")
    text = page.body.decode()
    t.check("the status page is one self-contained HTML document",
            page.status == 200 and page.headers["Content-Type"].startswith("text/html") and
            "<script" not in text and " src=" not in text and "@import" not in text and
            "default-src 'none'" in page.headers["Content-Security-Policy"] and
            params["iid"] in text, page)
    t.check("HEAD answers as GET does, without a body",
            [t.http(daemon.url + "/health", method="HEAD").status,
             t.http(daemon.url + "/health", method="HEAD").body] == [200, b""])
    metrics = daemon.get("/metrics")
    t.check("metrics are Prometheus text",
            metrics.status == 200 and b"# TYPE pbts_users gauge" in metrics.body and
            metrics.headers["Content-Type"].startswith("text/plain; version=0.0.4"), metrics)


def unknown_and_wrong_methods(daemon):
    for path in ("/nope", "/health/", "/user/", "/user/a/b", "/torrents/", "/contract"):
        refused(f"{path} is no endpoint", daemon.get(path), 404, "NOT_FOUND")
    for path, method, allow in (("/health", "POST", "GET"), ("/register", "GET", "POST"),
                                ("/torrents", "DELETE", "GET, POST"), ("/config", "PUT", "GET, POST"),
                                ("/announce", "POST", "GET"), ("/user/alice", "DELETE", "GET"),
                                ("/contract/init", "GET", "POST")):
        answer = t.http(daemon.url + path, data=b"{}" if method != "GET" else None, method=method)
        refused(f"{method} {path} is answered 405", answer, 405, "METHOD_NOT_ALLOWED")
        t.check(f"and says that {path} takes {allow}", answer.headers["Allow"] == allow,
                answer.headers["Allow"])
    refused("without a TEE there is no evidence", t.http(
        daemon.url + "/generate-attestation", data=b"{}"), 501, "NO_TEE")


def json_bodies(daemon):
    for name, body in (("no body", b""), ("an empty list", b"[]"), ("a number", b"1"),
                       ("half an object", b'{"user_id": "a'), ("two objects", b"{}{}"),
                       ("a NUL", b'{"user_id": "a\\u0000b"}'), ("bad UTF-8", b'{"user_id": "\xff"}'),
                       ("duplicate keys", b'{"user_id": "a", "user_id": "b"}'),
                       ("deep nesting", b"[" * 5000)):
        refused(f"register refuses {name}", daemon.post("/register", body), 400, "MALFORMED")
    refused("a duplicate key in a report is refused",
            daemon.post("/report", b'{"user_id":"a","user_id":"b","receipts":[]}'), 400, "MALFORMED")


def registration(daemon, helper):
    alice = s.Signer(helper, daemon, "alice", register=False)
    answer = alice.register()
    fields("registering gives instance, passkey and announce URL", answer, success=True,
           user_id="alice", instance_id=alice.iid)
    alice.passkey = answer.json()["passkey"]
    alice.announce_url = answer.json()["announce_url"]
    t.check("the announce URL holds the passkey, and no cache keeps the answer",
            alice.announce_url.endswith("/announce/" + alice.passkey) and
            len(alice.passkey) == 32 and answer.headers["Cache-Control"] == "no-store")
    refused("the same name again is refused", alice.register(), 409, "UID_TAKEN")
    refused("the same key under another name is refused",
            daemon.post("/register", alice.registration("alice2")), 409, "KEY_TAKEN")
    bob = s.Signer(helper, daemon, "bob", register=False)
    good = bob.registration()
    for field in good:
        short = {k: v for k, v in good.items() if k != field}
        answer = daemon.post("/register", short)
        code = {"signature": "SIGNATURE_MISSING", "public_key": "KEY_INVALID"}.get(field, "MALFORMED")
        refused(f"registering without {field} is refused", answer, 400, code)
    t.check("the hint for a missing signature names the tool",
            "pbts register" in daemon.post("/register", {**good, "signature": None}
                                           ).json()["error"] or
            "pbts register" in daemon.post(
                "/register", {k: good[k] for k in ("user_id", "public_key")}).json()["error"])
    damaged = bytearray(base64.b64decode(good["signature"]))
    other = alice.registration("bob")["signature"]
    refused("another key's signature is refused", daemon.post(
        "/register", {**good, "signature": other}), 401, "BAD_SIGNATURE")
    damaged[20] ^= 1
    refused("a damaged signature is refused", daemon.post(
        "/register", {**good, "signature": s.b64(damaged)}), 401, "BAD_SIGNATURE")
    refused("a signature for another instance is refused", daemon.post(
        "/register", bob.registration(iid="11" * 32)), 401, "BAD_SIGNATURE")
    refused("a signature for another name is refused", daemon.post(
        "/register", {**good, "user_id": "bobby"}), 401, "BAD_SIGNATURE")
    refused("a key that is no point is refused", daemon.post(
        "/register", {**good, "public_key": s.b64(b"\xa0" + bytes(95))}), 400, "KEY_INVALID")
    refused("the point at infinity is refused as a key", daemon.post(
        "/register", {**good, "public_key": s.b64(b"\xc0" + bytes(95))}), 400, "KEY_INVALID")
    for uid in ("", "a" * 33, "a b", "a/b", "<b>", "ä"):
        answer = daemon.post("/register", {**good, "user_id": uid})
        refused(f"the name {uid!r} is refused", answer, 400, "UID_INVALID")
    fields("32 characters are a name", s.Signer(helper, daemon, "x" * 32, register=False).register(),
           user_id="x" * 32)
    bob.passkey = bob.register().json()["passkey"]
    return alice, bob


def users(daemon, alice):
    fields("a new user has the initial credit and nothing else", daemon.get("/user/alice"),
           user_id="alice", public_key=alice.key, up_bytes=1 << 30, down_bytes=0, held_bytes=0,
           owed_bytes=0, granted_bytes=1 << 30, ratio=None, peers=0, reported_up_bytes=0)
    refused("an unknown user is not found", daemon.get("/user/nobody"), 404, "UNKNOWN_USER")
    refused("a bad name is not found", daemon.get("/user/%3Cscript%3E"), 404, "UNKNOWN_USER")
    t.http(alice.announce_url + "?info_hash=" + "%11" * 20 + "&peer_id=" + "a" * 20 +
           "&port=6881&uploaded=18446744073709551615&downloaded=7&left=0")
    t.check("a self-report moves no totals", alice.user()["up_bytes"] == 1 << 30)


def torrents(daemon, alice, helper):
    torrent = s.Torrent("one", more={"creation date": 5, "comment": "hello", "zz": "last",
                                     "pbts": {"nodes": UPLOADED, "key": b"k" * 96},
                                     "announce-list": [["http://old.example/announce"]],
                                     "url-list": ["http://victim.example/one"],
                                     "httpseeds": ["http://victim.example/seed"],
                                     "nodes": [["victim.example", 6881]],
                                     "libtorrent_resume": {"peers": [b"x" * 6]}})
    refused("a torrent from nobody is refused", daemon.post("/torrents", torrent.bytes), 401,
            "UNAUTHENTICATED")
    refused("a bad passkey is refused", daemon.post("/torrents?passkey=" + "a" * 32, torrent.bytes),
            401, "PASSKEY_INVALID")
    fields("a signed request registers a torrent", alice.add_torrent(torrent), success=True,
           infohash=torrent.infohash, name="one", total_bytes=torrent.total, pieces=20,
           torrent_no=1, infohash_v2=None)
    again = alice.add_torrent(torrent)
    refused("the same torrent again is refused", again, 409, "TORRENT_EXISTS")
    t.check("and its infohash is told", again.json()["infohash"] == torrent.infohash)
    second, third = s.Torrent("two"), s.Torrent("three")
    fields("a passkey registers a torrent too", daemon.post(
        "/torrents?passkey=" + alice.passkey, second.bytes), infohash=second.infohash, torrent_no=2)
    fields("and so does an administrator", daemon.post("/torrents", third.bytes,
                                                       headers=daemon.admin()), torrent_no=3)
    refused("a public torrent is refused", daemon.post("/torrents", s.Torrent(
        "public", private=0).bytes, headers=daemon.admin()), 400, "TORRENT_PUBLIC")
    for name, data in (("nothing", b""), ("no bencode", b"hello"), ("a cut file", torrent.bytes[:-9]),
                       ("more than a file", torrent.bytes + b"e"), ("no info", b"d1:ai1ee")):
        refused(f"{name} is no torrent", daemon.post("/torrents", data, headers=daemon.admin()),
                400, "TORRENT_INVALID")
    bad_requests(daemon, alice, s.Torrent("four"), helper)
    listing(daemon, alice, torrent, second, third)
    fetching(daemon, alice, torrent)
    return torrent


def bad_requests(daemon, alice, torrent, helper):
    def post(headers, body=None):
        return daemon.post("/torrents", body or torrent.bytes, headers=headers)
    sign = alice.authorization
    refused("a signature over another body is refused",
            post(sign("POST", "/torrents", b"other")), 401, "BAD_SIGNATURE")
    refused("a signature over another path is refused",
            post(sign("POST", "/passkey", torrent.bytes)), 401, "BAD_SIGNATURE")
    refused("a signature over another method is refused",
            post(sign("GET", "/torrents", torrent.bytes)), 401, "BAD_SIGNATURE")
    for minutes in (-6, 6):
        refused(f"a time {minutes} minutes away is refused", post(sign(
            "POST", "/torrents", torrent.bytes, at=s.now() + 60 * minutes)), 401, "STALE_TIME")
    stranger = s.Signer(helper, daemon, "stranger", register=False)
    refused("a key that is not registered is refused", post(stranger.authorization(
        "POST", "/torrents", torrent.bytes)), 404, "UNKNOWN_USER")
    good = sign("POST", "/torrents", torrent.bytes)["Authorization"]
    for name, value in (("no fields", "PBTS "), ("a field twice", good + ",time=5"),
                        ("an unknown field", good + ",x=5"), ("no time", good.split(",time")[0]),
                        ("a bad time", good.replace("time=", "time=x")),
                        ("a long time", good.replace("time=", "time=" + "9" * 30)),
                        ("a short key", good.replace("pk=", "pk=AAAA,q="))):
        refused(f"a header with {name} is refused", post({"Authorization": value}), 400, "MALFORMED")
    refused("a wrong administrator's token is refused", post({"Authorization": "Bearer " + "0" * 64}),
            401, "UNAUTHENTICATED")


def listing(daemon, alice, *known):
    page = daemon.get(f"/torrents?passkey={alice.passkey}&limit=2").json()
    t.check("the list comes in pages", [x["infohash"] for x in page["torrents"]] ==
            [x.infohash for x in known[:2]] and page["next"] == 2, page)
    page = daemon.get("/torrents?after=2&limit=100", headers=alice.authorization(
        "GET", "/torrents")).json()
    t.check("the last page says so", [x["infohash"] for x in page["torrents"]] ==
            [known[2].infohash] and page["next"] is None and
            page["torrents"][0]["complete"] == 0, page)
    refused("the list is for users", daemon.get("/torrents"), 401, "UNAUTHENTICATED")
    for query in ("limit=0", "limit=101", "limit=x", "after=-1", "after=4294967296", "limit=1x",
                  "limit=", "after=18446744073709551617"):
        refused(f"?{query} is refused", daemon.get(f"/torrents?{query}", headers=daemon.admin()),
                400, "MALFORMED")


def fallback(daemon, alice, ours, path):
    """What the file says for the time when the tracker is away."""
    params = daemon.get("/params").json()
    key = base64.b64decode(params["tracker_key"])
    t.check("it names the instance and the tracker's key, not the uploader's",
            ours[b"iid"].hex() == params["iid"] and ours[b"key"] == key, ours)
    t.check("the configured nodes come before the uploader's", ours[b"nodes"] == NODE + UPLOADED
            and b"nodes6" not in ours and b"contract" not in ours, ours)
    member, beacon = ours[b"member"], ours[b"beacon"]
    now = params["time"]
    issued, expires = (int.from_bytes(member[at:at + 8], "big") for at in (128, 136))
    t.check("it has a membership of the asker for 30 days", len(member) == 192 and
            member[:96] == base64.b64decode(alice.user()["public_key"]) and
            abs(issued - now) < 60 and expires - issued == 30 * 86400, member.hex())
    t.check("and the beacon of the day", len(beacon) == 56 and
            int.from_bytes(beacon[:8], "big") in (now // 86400 * 24, (now - 60) // 86400 * 24))
    saved = t.TMP / "alice.torrent"
    saved.write_bytes(daemon.get(path + "?passkey=" + alice.passkey).body)
    shown = json.loads(t.pbts("torrent", "show", "--json", saved).stdout)
    t.check("torrent show says so", shown["pbts"]["iid"] == params["iid"] and
            abs(shown["pbts"]["member_until"] - expires) < 60 and
            f"instance     {params['iid']}" in t.pbts("torrent", "show", saved).stdout, shown)
    admin = raw_peer.bdecode(daemon.get(path, headers=daemon.admin()).body)[0][b"pbts"]
    t.check("an administrator is no member", b"member" not in admin and admin[b"iid"] ==
            ours[b"iid"], admin)


def fetching(daemon, alice, torrent):
    path = f"/torrents/{torrent.infohash}.torrent"
    fetched = daemon.get(path + "?passkey=" + alice.passkey)
    file, rest = raw_peer.bdecode(fetched.body)
    ours = file.pop(b"pbts")
    expected = s.bencode({"announce": alice.announce_url, "creation date": 5, "comment": "hello",
                          "info": torrent.info})
    t.check("the fetched torrent has the asker's announce URL, the same info, and nothing by which "
            "its uploader would send others somewhere",
            s.bencode(file) == expected and rest == b"" and
            fetched.headers["Content-Type"] == "application/x-bittorrent", fetched)
    t.check("its keys are in order", fetched.body == s.bencode({**file, "pbts": ours}))
    fallback(daemon, alice, ours, path)
    again = raw_peer.bdecode(daemon.get(
        f"/torrents/{torrent.infohash.upper()}.torrent?passkey={alice.passkey}").body)[0]
    t.check("upper-case hex is taken too", again.pop(b"pbts") and again == file)
    refused("fetching is for users", daemon.get(path), 401, "UNAUTHENTICATED")
    refused("an unknown torrent is not found", daemon.get(
        f"/torrents/{'0' * 40}.torrent", headers=daemon.admin()), 404, "UNKNOWN_TORRENT")
    for name in ("x.torrent", torrent.infohash, torrent.infohash + ".torrentx", "0" * 41 +
                 ".torrent", "g" * 40 + ".torrent"):
        refused(f"/torrents/{name} is not found", daemon.get(
            f"/torrents/{name}", headers=daemon.admin()), 404, "NOT_FOUND")


def passkeys(daemon, alice):
    old = alice.passkey
    headers = alice.authorization("POST", "/passkey")
    answer = daemon.post("/passkey", b"", headers=headers)
    fields("a signed request rotates the passkey", answer, success=True, user_id="alice")
    alice.passkey = answer.json()["passkey"]
    alice.announce_url = answer.json()["announce_url"]
    t.check("the new one differs and works", alice.passkey != old and daemon.get(
        "/torrents?passkey=" + alice.passkey).status == 200)
    refused("the old one does not work any more", daemon.get("/torrents?passkey=" + old), 401,
            "PASSKEY_INVALID")
    refused("the same request cannot be sent again", daemon.post("/passkey", b"", headers=headers),
            401, "STALE_TIME")
    refused("a passkey cannot rotate itself", daemon.post(
        "/passkey?passkey=" + alice.passkey, b""), 401, "UNAUTHENTICATED")
    refused("nor can an administrator without the user", daemon.post(
        "/passkey", b"", headers=daemon.admin()), 401, "UNAUTHENTICATED")


def dev_endpoints(daemon):
    for path in ("/keygen", "/attest"):
        answer = daemon.post(path, {})
        refused(f"{path} is refused by default", answer, 403, "DEV_ONLY")
        t.check(f"and {path} points to the tool", "pbts key" in answer.json()["error"])
    with t.Daemon("--dev-endpoints", "yes", name="dev") as dev:
        helper = s.Helper()
        made = dev.post("/keygen", {}).json()
        t.check("keygen makes a key pair for development",
                len(base64.b64decode(made["private_key"])) == 32 and
                len(base64.b64decode(made["public_key"])) == 96)
        refused("not for those behind a proxy", dev.post(
            "/keygen", {}, headers={"X-Forwarded-For": "127.0.0.1"}), 403, "DEV_ONLY")
        attested_receipt(dev, s.Signer(helper, dev, "al"), s.Signer(helper, dev, "bo"))
        helper.close()


def attested_receipt(dev, alice, bob):
    torrent = s.Torrent("attested")
    alice.add_torrent(torrent)
    ask = {"receiver_private_key": s.b64(bytes.fromhex(bob.secret)), "sender_pk": alice.key,
           "piece_hash": torrent.hashes[3].hex(), "piece_index": 3, "infohash": torrent.infohash,
           "timestamp": s.now()}
    receipt = dev.post("/attest", ask).json()["receipt"]
    t.check("attest makes a receipt that verifies",
            dev.post("/verify-receipt", {"receipt": receipt}).json() ==
            {"success": True, "valid": True})
    for field, bad in (("piece_hash", "12"), ("piece_index", -1), ("infohash", "x"),
                       ("sender_pk", "AAAA"), ("timestamp", "now"), ("receiver_private_key", "AA"),
                       ("receiver_private_key", s.b64(b"\xff" * 32)), ("piece_index", 1 << 20)):
        refused(f"attest refuses {field} = {str(bad)[:8]}", dev.post(
            "/attest", {**ask, field: bad}), 400, "MALFORMED")


def main():
    helper = s.Helper()
    with t.Daemon("--dht-nodes", "192.0.2.1:9") as daemon:
        open_endpoints(daemon)
        unknown_and_wrong_methods(daemon)
        json_bodies(daemon)
        alice, _ = registration(daemon, helper)
        users(daemon, alice)
        torrents(daemon, alice, helper)
        passkeys(daemon, alice)
        t.check("the daemon ends well", daemon.stop() == 0, daemon.text()[-500:])
    dev_endpoints_daemon = t.Daemon(name="plain")
    with dev_endpoints_daemon as daemon:
        dev_endpoints(daemon)
    helper.close()
    t.finish()


if __name__ == "__main__":
    main()
