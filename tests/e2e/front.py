#!/usr/bin/env python3
"""The announce front and the server beside it, through real sockets.

usage: PBTS_BIN=DIR tests/e2e/front.py [word...]     (only tests whose name has one of the words)
Prints "ok name" or "not ok name: why"; exit 1 when one failed.
"""
import glob, http.client, json, os, random, re, shutil, socket, ssl, struct, subprocess, sys
import tempfile, time

from front_kit import *

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib"))
from pbts_test import free_port  # noqa: E402

test = Tests()
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


# ---- requests and hand-over ----

@test
def a_keep_alive_connection_goes_to_rest_and_its_announces_are_still_answered():
    with Daemon() as daemon:
        client = Client(daemon.port)
        for _ in range(20):
            assert is_refusal(client.ask(announce()))
        status, _, body = client.ask(post("/no-such-thing", b"x" * 5000))
        assert status in (404, 405) and json.loads(body)["success"] is False
        for _ in range(3):
            assert is_refusal(client.ask(announce()))
        assert client.ask(get("/health"))[0] == 200


@test
def pipelined_announces_are_answered_in_order_and_what_follows_is_handed_over_whole():
    with Daemon() as daemon:
        client = Client(daemon.port)
        burst = b"".join(announce(f"&event={'x' * (i % 7)}") for i in range(500))
        client.send(burst + get("/health") + announce() + get("/health"))
        for _ in range(500):
            assert is_refusal(client.answer())
        assert json.loads(client.answer()[2])["status"] == "ok"
        assert is_refusal(client.answer())
        assert json.loads(client.answer()[2])["status"] == "ok"


@test
def scrapes_and_announces_alternate_on_one_connection():
    with Daemon("--access", "open") as daemon:
        client = Client(daemon.port)
        for _ in range(10):
            assert is_refusal(client.ask(announce()), b"not registered")
            status, _, body = client.ask(get(f"/scrape?info_hash={percent(HASH)}"))
            assert status == 200 and body == b"d5:filesdee", body


@test
def a_body_of_three_megabytes_behind_announces_arrives_whole():
    with Daemon() as daemon:
        client = Client(daemon.port, timeout=20)
        client.send(announce() * 3)
        body = random.randbytes(3 * 1024 * 1024)
        client.send(post("/report", body, "Content-Type: application/x-bencode\r\n"))
        for _ in range(3):
            assert is_refusal(client.answer())
        status, _, _ = client.answer()
        assert 400 <= status < 500 and status != 413, status
        assert client.ask(get("/health"))[0] == 200


@test
def requests_that_come_byte_by_byte_are_answered():
    with Daemon() as daemon:
        client = Client(daemon.port)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in (announce(), get("/health"), announce()):
            for byte in request:
                client.send(bytes([byte]))
            assert client.answer()[0] == 200


@test
def splits_at_every_position_between_two_requests_change_nothing():
    with Daemon() as daemon:
        text = announce() + get("/health")
        for at in range(0, len(text), 3):
            client = Client(daemon.port)
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.send(text[:at])
            time.sleep(0.001)
            client.send(text[at:])
            assert is_refusal(client.answer()) and client.answer()[0] == 200
            client.close()


@test
def http_1_0_closes_and_keeps_alive_when_asked():
    with Daemon() as daemon:
        client = Client(daemon.port)
        assert is_refusal(client.ask(announce(version="1.0"))) and client.at_end()
        client = Client(daemon.port)
        for _ in range(3):
            answer = client.ask(announce(version="1.0", headers="Connection: keep-alive\r\n"))
            assert is_refusal(answer) and answer[1]["connection"].lower() == "keep-alive"


@test
def connection_close_ends_in_order_even_with_bytes_behind_it():
    with Daemon() as daemon:
        for behind in (b"", b"x" * 10000, announce() * 50):
            client = Client(daemon.port)
            client.send(announce(headers="Connection: close\r\n") + behind)
            assert is_refusal(client.answer())
            assert client.at_end()


@test
def a_client_that_shuts_its_side_down_still_gets_its_answers():
    with Daemon() as daemon:
        client = Client(daemon.port).send(announce() * 5)
        client.sock.shutdown(socket.SHUT_WR)
        for _ in range(5):
            assert is_refusal(client.answer())
        assert client.at_end()


# ---- limits and hostility ----

@test
def too_long_lines_and_heads_are_refused_readably():
    with Daemon() as daemon:
        long_line = b"GET /announce?x=" + b"y" * 20000 + b" HTTP/1.1\r\n\r\n"
        long_head = announce(headers="".join(f"X-{i}: {'z' * 200}\r\n" for i in range(120)))
        rest_head = get("/health", "".join(f"X-{i}: {'z' * 200}\r\n" for i in range(120)))
        for text in (long_line, long_head, rest_head):
            client = Client(daemon.port).send(text)
            assert client.answer()[0] in (414, 431)
            assert client.at_end()
        assert ask(daemon, get("/health"))[0] == 200


@test
def announces_with_a_body_or_a_foreign_version_are_refused():
    with Daemon() as daemon:
        for text in (announce(headers="Content-Length: 5\r\n") + b"hello",
                     announce(headers="Transfer-Encoding: chunked\r\n") + b"0\r\n\r\n",
                     announce(version="3.7"), b"GET /announce\x00 HTTP/1.1\r\n\r\n"):
            client = Client(daemon.port).send(text)
            assert client.answer()[0] in (400, 505), text


@test
def garbage_never_stops_the_daemon():
    with Daemon() as daemon:
        chance = random.Random(5)
        seeds = [announce(), get("/health"), post("/report", b"{}"), b"\r\n\r\n\x00\r\nQUIT\n"]
        for round_number in range(300):
            if round_number % 3 == 0:
                text = chance.randbytes(chance.randrange(1, 3000))
            else:
                text = bytearray(chance.choice(seeds) * chance.randrange(1, 4))
                for _ in range(chance.randrange(1, 6)):
                    text[chance.randrange(len(text))] = chance.randrange(256)
            client = Client(daemon.port)
            try:
                client.send(bytes(text))
                if chance.random() < 0.5:
                    client.sock.settimeout(0.02)
                    client.fill()
            except OSError:
                pass
            if chance.random() < 0.3:
                linger = struct.pack("ii", 1, 0)
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.close()
        assert is_refusal(ask(daemon, announce())) and ask(daemon, get("/health"))[0] == 200


@test
def slow_and_half_open_connections_do_not_hold_up_others_and_are_closed():
    with Daemon() as daemon:
        slow = [Client(daemon.port) for _ in range(300)]
        for client in slow[:100]:
            client.send(b"GET /announce?info_hash=")
        for client in slow[100:200]:
            client.send(b"POST /report HTTP/1.1\r\n")
        dripping, began, took = set(slow[:200]), time.time(), []
        while slow and time.time() - began < 60:    # for ever, as far as they are concerned
            for client in dripping.intersection(slow):
                client.drip()
            before = time.time()
            assert is_refusal(ask(daemon, announce(), 5)) and ask(daemon, get("/health"), 5)[0] == 200
            took.append(time.time() - before)
            time.sleep(0.5)
            slow = [client for client in slow if client.is_open()]
        assert not slow and sorted(took)[len(took) // 2] < 2, (len(slow), took)


@test
def a_client_that_does_not_read_owes_little_and_is_closed():
    with Daemon() as daemon:
        client = Client(daemon.port, timeout=30)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sock.setblocking(False)
        burst, sent, began = announce() * 200, 0, time.time()
        try:
            while time.time() - began < 25:
                try:
                    sent += client.sock.send(burst)
                except BlockingIOError:
                    time.sleep(0.05)
                    assert is_refusal(ask(daemon, announce()))
            raise AssertionError("the connection was not closed")
        except (ConnectionError, BrokenPipeError):
            pass
        assert time.time() - began < 20
        with open(f"/proc/{daemon.process.pid}/status") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        return f"{sent >> 20} MiB were taken before, {resident >> 10} MiB resident"


@test
def a_reader_that_is_slow_but_reads_gets_every_answer():
    with Daemon() as daemon:
        client = Client(daemon.port, timeout=20)
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        count = 5000
        sender = background(client.sock.sendall, announce() * count)
        for i in range(count):
            if i % 1000 == 0:
                time.sleep(0.3)
            assert is_refusal(client.answer())
        sender.join(5)
        assert client.ask(get("/health"))[0] == 200


@test
def at_the_connection_limit_the_oldest_idle_one_makes_room_or_503_is_said():
    with Daemon("--connections-max", "16", "--workers", "1") as daemon:
        idle = [Client(daemon.port) for _ in range(16)]
        for client in idle:
            assert is_refusal(client.ask(announce()))
        for _ in range(4):
            assert is_refusal(ask(daemon, announce()))
        assert idle[0].at_end()
        busy = [Client(daemon.port) for _ in range(30)]
        for client in busy:
            client.send(b"GET /announce?")
            client.sock.settimeout(0.1)
        seen, until = set(), time.time() + 20
        while 503 not in seen and time.time() < until:
            for client in busy:
                try:
                    seen.add(client.answer()[0])
                except (TimeoutError, ConnectionError, AssertionError):
                    pass
        assert 503 in seen, seen


@test
def bodies_past_an_endpoints_limit_get_413():
    with Daemon() as daemon:
        for path, size in (("/register", 70_000), ("/report", 16 * 1024 * 1024 + 1000)):
            status, _, body = ask(daemon, post(path, b"x" * size), timeout=30)
            assert status == 413 and json.loads(body)["code"] == "TOO_LARGE"
        expecting = b"POST /register HTTP/1.1\r\nHost: t\r\nContent-Length: 99999999\r\n" \
                    b"Expect: 100-continue\r\n\r\n"
        assert ask(daemon, expecting)[0] == 413
        chunk = b"fff0\r\n" + b"y" * 0xfff0 + b"\r\n"
        head = b"POST /register HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert ask(daemon, head + chunk * 3 + b"0\r\n\r\n")[0] == 413
        assert ask(daemon, get("/health"))[0] == 200


# ---- proxies ----

def proxy_header(address="1.2.3.4", port=555, command=0x21):
    body = socket.inet_aton(address) + socket.inet_aton("9.9.9.9") + struct.pack(">HH", port, 80)
    return b"\r\n\r\n\x00\r\nQUIT\n" + struct.pack(">BBH", command, 0x11, len(body)) + body


PROXIED = ("--proxy-protocol", "yes", "--trusted-proxies", "127.0.0.1")


@test
def proxy_headers_of_trusted_proxies_name_the_client():
    with Daemon(*PROXIED) as daemon:
        client = Client(daemon.port).send(proxy_header() + announce())
        assert is_refusal(client.answer())
        assert client.ask(get("/health"))[0] == 200
        assert daemon.wait_log(r"endpoint=health status=200 client=1\.2\.3\.4\b")
        client = Client(daemon.port)
        for byte in proxy_header("5.6.7.8") + get("/health"):
            client.send(bytes([byte]))
            time.sleep(0.001)
        assert client.answer()[0] == 200
        assert daemon.wait_log(r"endpoint=health status=200 client=5\.6\.7\.8\b")
        assert ask(daemon, proxy_header(command=0x20) + get("/health"))[0] == 200  # LOCAL
        assert ask(daemon, get("/health"))[0] == 200  # without a header
        assert daemon.wait_log(r"endpoint=health status=200 client=127\.0\.0\.1\b")


@test
def proxy_headers_of_strangers_are_no_requests():
    with Daemon("--proxy-protocol", "yes", "--trusted-proxies", "10.0.0.0/8") as daemon:
        client = Client(daemon.port).send(proxy_header() + announce())
        try:
            assert client.answer()[0] == 400
        except ConnectionError:
            pass
    with Daemon(*PROXIED) as daemon:
        client = Client(daemon.port).send(b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x0c" + b"x" * 100)
        assert client.at_end()
        assert ask(daemon, get("/health"))[0] == 200


@test
def forwarded_addresses_count_only_from_trusted_proxies_and_from_the_right():
    header = "X-Forwarded-For: 6.6.6.6, 7.7.7.7\r\n"
    with Daemon("--trusted-proxies", "127.0.0.1") as daemon:
        assert ask(daemon, get("/health", header))[0] == 200
        assert daemon.wait_log(r"endpoint=health status=200 client=7\.7\.7\.7\b")
    with Daemon() as daemon:
        assert ask(daemon, get("/health", header))[0] == 200
        assert daemon.wait_log(r"endpoint=health status=200 client=127\.0\.0\.1\b")


@test
def the_haproxy_example_works():
    haproxy = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/sbin")
    if not haproxy:
        return "skipped: no haproxy here"
    with Daemon(*PROXIED) as daemon:
        port = free_port()
        with open(os.path.join(ROOT, "deploy", "haproxy.cfg")) as file:
            text = file.read()
        assert "bind :8080" in text and "127.0.0.1:8000 send-proxy-v2" in text
        text = text.replace("bind :8080", f"bind 127.0.0.1:{port}")
        text = text.replace("maxconn 65536", "maxconn 500")
        text = text.replace("127.0.0.1:8000", f"127.0.0.1:{daemon.port}")
        path = os.path.join(daemon.data, "haproxy.cfg")
        with open(path, "w") as file:
            file.write(text)
        proxy = subprocess.Popen([haproxy, "-db", "-f", path], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL)
        try:
            until = time.time() + 10
            while True:
                try:
                    source = socket.create_connection(("127.0.0.1", port), 5, ("127.0.0.5", 0))
                    break
                except ConnectionRefusedError:
                    assert time.time() < until and proxy.poll() is None, "haproxy did not start"
                    time.sleep(0.05)
            client = Client(port, source)
            for _ in range(5):
                assert is_refusal(client.ask(announce()))
            assert client.ask(get("/health"))[0] == 200
            assert daemon.wait_log(r"endpoint=health status=200 client=127\.0\.0\.5\b")
            assert is_refusal(client.ask(announce()))
        finally:
            proxy.terminate()
            proxy.wait()


# ---- HTTPS ----

def make_certificate(folder, name):
    files = [os.path.join(folder, f"{name}.{end}") for end in ("crt", "key")]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                    "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def tls_client(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    plain = socket.create_connection(("127.0.0.1", port), 5)
    return Client(port, context.wrap_socket(plain))


@test
def https_answers_the_same_and_takes_a_new_certificate_at_sighup():
    with tempfile.TemporaryDirectory() as folder:
        one, two = make_certificate(folder, "one"), make_certificate(folder, "two")
        cert, key = (os.path.join(folder, name) for name in ("live.crt", "live.key"))
        for source, target in zip(one, (cert, key)):
            shutil.copy(source, target)
        with Daemon("--https-port", str(free_port()), "--tls-cert", cert,
                    "--tls-key", key) as daemon:
            client = tls_client(daemon.https)
            assert is_refusal(client.ask(announce()))
            assert client.ask(get("/health"))[0] == 200
            assert is_refusal(client.ask(announce()))
            before = client.sock.getpeercert(True)
            for source, target in zip(two, (cert, key)):
                shutil.copy(source, target)
            daemon.hang_up()
            assert daemon.wait_log(r"event=reloaded .*certificate=ok")
            assert tls_client(daemon.https).sock.getpeercert(True) != before
            assert client.ask(get("/health"))[0] == 200  # the old connection goes on
            with open(key, "w") as file:
                file.write("nonsense\n")
            daemon.hang_up()
            assert daemon.wait_log(r"event=tls_failed")
            fresh = tls_client(daemon.https)
            assert is_refusal(fresh.ask(announce()))
            stuck = socket.create_connection(("127.0.0.1", daemon.https))  # no hand-shake
            plain = Client(daemon.https, timeout=3).send(announce())
            assert is_refusal(tls_client(daemon.https).ask(announce()))
            stuck.close()
            plain.close()


# ---- UDP ----

@test
def udp_connects_announces_and_scrapes():
    with Daemon("--access", "open") as daemon:
        udp = Udp(daemon.udp)
        connection = udp.connect()
        answer = udp.ask(udp_announce(connection))
        assert struct.unpack(">II", answer[:8]) == (3, 9) and b"not registered" in answer
        answer = udp.ask(udp_scrape(connection))
        assert struct.unpack(">IIIII", answer) == (2, 11, 0, 0, 0)
    with Daemon() as daemon:
        udp = Udp(daemon.udp)
        connection = udp.connect()
        assert b"private" in udp.ask(udp_announce(connection))
        answer = udp.ask(udp_announce(connection) + b"\x02\x09/announce" + b"\x02\x00")
        assert struct.unpack(">II", answer[:8]) == (3, 9)


@test
def udp_gives_strangers_nothing_but_a_connection_id():
    with Daemon() as daemon:
        udp = Udp(daemon.udp)
        good = udp.connect()
        udp.sock.settimeout(0.2)
        for bad in (0, 1, good ^ 1, good ^ (1 << 63), 0x41727101980):
            assert udp.ask(udp_announce(bad)) is None, bad
            assert udp.ask(udp_scrape(bad)) is None, bad
        for text in (b"", b"x", b"x" * 15, struct.pack(">QII", 0x41727101981, 0, 1),
                     struct.pack(">QII", 0x41727101980, 9, 1), os.urandom(16), os.urandom(2000),
                     os.urandom(3000)):
            assert udp.ask(text) is None, text
        udp.sock.settimeout(10)
        assert udp.ask(udp_announce(good)) is not None
        assert struct.unpack(">II", udp.ask(udp_announce(good)[:90])[:8]) == (3, 9)
        other = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        other.bind(("127.0.0.9", 0))
        other.settimeout(0.2)
        other.sendto(udp_announce(good), ("127.0.0.1", daemon.udp))
        try:
            raise AssertionError(f"another address's id was taken: {other.recv(4096)!r}")
        except socket.timeout:
            pass
        bad_ids, until = re.compile(r"pbts_udp_bad_ids_total 11\b"), time.time() + 10
        while not bad_ids.search(metrics := ask(daemon, get("/metrics"))[2].decode()):
            assert time.time() < until, metrics


@test
def udp_answers_from_the_address_that_was_asked():
    with Daemon("--listen", "0.0.0.0") as daemon:
        asker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        asker.settimeout(10)
        for address in ("127.0.0.1", "127.0.0.7"):
            asker.sendto(struct.pack(">QII", 0x41727101980, 0, 1), (address, daemon.udp))
            assert asker.recvfrom(100)[1] == (address, daemon.udp)


@test
def ipv6_is_served_beside_ipv4_on_the_same_port():
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_STREAM).bind(("::1", 0))
    except OSError:
        return "skipped: no IPv6 here"
    with Daemon("--listen", "127.0.0.1, [::1]") as daemon:
        six = Client(0, socket.create_connection(("::1", daemon.port), 5))
        assert is_refusal(six.ask(announce())) and six.ask(get("/health"))[0] == 200
        assert daemon.wait_log(r"endpoint=health status=200 client=::1")
        asker = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        asker.settimeout(10)
        asker.sendto(struct.pack(">QII", 0x41727101980, 0, 1), ("::1", daemon.udp))
        assert len(asker.recv(100)) == 16


# ---- start, reload, stop ----

@test
def sigterm_answers_what_is_under_way_and_ends_with_0():
    for _ in range(5):      # until this process does not stand still for the time that is left
        daemon = Daemon()
        idle = Client(daemon.port)
        assert is_refusal(idle.ask(announce()))
        half = Client(daemon.port)
        text = announce()
        half.send(text[:40])
        time.sleep(0.2)
        daemon.process.send_signal(signal.SIGTERM)
        told = time.time()
        assert daemon.wait_log("event=stopping")
        time.sleep(0.2)
        if time.time() - told < 1:
            break
        daemon.stop()
    half.send(text[40:])
    assert is_refusal(half.answer()) and half.at_end() and idle.at_end()
    daemon.process.wait(10)
    assert daemon.process.returncode == 0 and "event=stopped" in daemon.log()
    with Daemon(data=daemon.data) as again:  # comes up on the same data, without a set-up
        assert "event=setup" not in again.log()
        for secret in ("tracker.key", "admin.token"):
            assert os.stat(os.path.join(again.data, secret)).st_mode & 0o777 == 0o600
        assert os.stat(again.data).st_mode & 0o777 == 0o700


@test
def sighup_applies_what_may_change_and_keeps_the_rest():
    with Daemon(conf="access = private\nclient_deny = -ZZ\n") as daemon:
        client = Client(daemon.port)
        assert is_refusal(client.ask(announce()), b"private")
        for text, answer in (("access = open\n", b"not registered"),
                             ("access = open\nclient_deny = -XX0001\n", b"not allowed"),
                             ("access = sesame\n", b"not allowed")):
            with open(daemon.conf, "w") as file:
                file.write(text)
            seen = len(re.findall(r"event=reload(ed|_failed)", daemon.log()))
            daemon.hang_up()
            daemon.wait_log(r"(?s)(event=reload(ed|_failed).*){%d}" % (seen + 1))
            assert is_refusal(client.ask(announce()), answer), (text, daemon.log()[-600:])
        assert re.search(r"line 1: access = ..sesame.. is not private or open", daemon.log())
        with open(daemon.conf, "w") as file:
            file.write("store_max_bytes = 2G\nchain_rpc = https://rpc.example/v3/A-SECRET\n")
        daemon.hang_up()
        assert daemon.wait_log("event=needs_restart key=store_max_bytes")
        assert daemon.wait_log("(?s)event=needs_restart key=chain_rpc.*event=reloaded")
        assert "A-SECRET" not in daemon.log()


def refused(*flags, conf=None, environment=None):
    """The error with which the daemon refuses to start."""
    with tempfile.TemporaryDirectory() as folder:
        args = [os.path.join(BIN, "pbts-tracker"), "--data", os.path.join(folder, "d"), *flags]
        if conf is not None:
            with open(os.path.join(folder, "c"), "w") as file:
                file.write(conf)
            args += ["--config", os.path.join(folder, "c")]
        done = subprocess.run(args, capture_output=True, text=True, timeout=20,
                              env={**os.environ, **(environment or {})})
        assert done.returncode == 2 and not os.path.exists(os.path.join(folder, "d")), done
        return done.stderr


@test
def a_bad_configuration_names_its_place_and_nothing_starts():
    assert "c, line 2: unknown key \"prot\"" in refused(conf="port = 1\nprot = 2\n")
    assert "c, line 1: port = \"70000\" is not a number" in refused(conf="port = 70000\n")
    assert "flag --min_ratio" in refused("--min-ratio", "abc")
    assert "flag --min_ratio needs a value" in refused("--min-ratio")
    assert "flag --prot: unknown key" in refused("--prot")
    assert "environment PBTS_PORT" in refused(environment={"PBTS_PORT": "x"})
    assert "environment MIN_RATIO" in refused(environment={"MIN_RATIO": "-1"})
    assert "tls_cert" in refused("--https-port", "4433", "--tls-cert", "x")
    both = refused("--min-interval-s", "2000", "--interval-s", "100")
    assert "min_interval_s = 2000" in both and "interval_s = 100" in both, both


@test
def the_example_configuration_documents_every_key():
    path = os.path.join(ROOT, "deploy", "pbts-tracker.conf")
    with open(path) as file:
        example = file.read()
    args = [os.path.join(BIN, "pbts-tracker"), "--config", path, "--check-config"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PBTS_")}
    assert subprocess.run(args, capture_output=True, env=environment).returncode == 0
    text = subprocess.run([args[0], "--help"], capture_output=True, text=True).stdout
    keys = re.findall(r"^[* ] --(\w+) ", text, re.M)
    missing = [key for key in keys if key != "config" and not re.search(rf"^(# )?{key} = ", example, re.M)]
    assert len(keys) > 30 and not missing, missing


@test
def a_second_daemon_on_the_same_data_or_port_is_refused():
    with Daemon() as daemon:
        program = os.path.join(BIN, "pbts-tracker")
        again = subprocess.run([program, "--data", daemon.data, "--port", "0", "--listen",
                                "127.0.0.1"], capture_output=True, text=True, timeout=20)
        assert again.returncode == 1 and "event=store_failed" in again.stderr, again.stderr
        with tempfile.TemporaryDirectory() as folder:
            again = subprocess.run([program, "--data", folder, "--port", str(daemon.port),
                                    "--listen", "127.0.0.1"], capture_output=True, text=True,
                                   timeout=20)
            assert again.returncode == 1 and "event=listen_failed" in again.stderr, again.stderr
            assert "the port is in use there" in again.stderr, again.stderr
        assert is_refusal(ask(daemon, announce()))


@test
def json_logs_are_json_and_hold_no_secret():
    with tempfile.TemporaryDirectory() as folder:
        args = [os.path.join(BIN, "pbts-tracker"), "--data", folder, "--port", "0", "--listen",
                "127.0.0.1", "--log-format", "json", "--log-level", "debug"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PBTS_")}
        secret = "a" * 32
        environment["PBTS_PROT"] = secret
        process = subprocess.Popen(args, stderr=subprocess.PIPE, text=True, env=environment)
        first = []
        while not first or first[-1]["event"] != "listening":
            first.append(json.loads(process.stderr.readline()))
        assert [line["name"] for line in first if line["event"] == "unknown_variable"] == ["PBTS_PROT"]
        assert secret not in str(first)
        client = Client(first[-1]["http"])
        client.ask(announce(path=f"/announce/{secret}"))
        client.ask(get(f"/user/{secret}?passkey={secret}", f"Authorization: Bearer {secret}\r\n"))
        client.ask(announce(path=f"/announce/{secret}"))
        client.close()
        process.send_signal(signal.SIGTERM)
        rest = process.communicate(timeout=20)[1]
        lines = [json.loads(line) for line in rest.splitlines()]
        assert lines[-1]["event"] == "stopped" and process.returncode == 0
        assert secret not in rest
        with open(os.path.join(folder, "admin.token")) as file:
            assert file.read().strip() not in rest


if __name__ == "__main__":
    sys.exit(test.run(sys.argv[1:]))
