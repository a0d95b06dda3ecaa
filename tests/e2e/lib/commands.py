"""What the tests of the command-line tool share: runs that are remembered, content, torrents read
without our own code."""
import hashlib
import json
import random
import subprocess

import pbts_test as t

EXIT_OK, EXIT_REFUSED, EXIT_USAGE, EXIT_IO = 0, 1, 2, 3
# What a memory-checker prints; none of it belongs into the output of a command.
BROKEN = ("Sanitizer", "runtime error", "(null)")

outputs = []        # all that the tool ever printed in this test


def run(*arguments, timeout=120, **options):
    """Run `pbts`; never raises for its exit code."""
    command = [str(t.BIN / "pbts"), *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL, **options)
    except subprocess.TimeoutExpired:
        t.check(f"pbts {arguments[0]} ends within {timeout} s", False, str(command)[-3000:])
        return subprocess.CompletedProcess(command, -9, "", "")
    done.stdout, done.stderr = (x.decode(errors="replace") for x in (done.stdout, done.stderr))
    outputs.append(done.stdout + done.stderr)
    if any(word in outputs[-1] for word in BROKEN):
        t.check(f"pbts {arguments[0]} has no accident", False, done)
    return done


def good(*arguments, **options):
    """Run it and check that it succeeded; its standard output."""
    done = run(*arguments, **options)
    if done.returncode != EXIT_OK:
        t.check("pbts " + " ".join(map(str, arguments)), False, done)
    return done.stdout


def asked(*arguments, **options):
    """The same with --json; the parsed output."""
    text = good(*arguments, "--json", **options)
    try:
        return json.loads(text)
    except ValueError:
        t.check(f"pbts {arguments[0]} --json prints JSON", False, text)
        return {}


def fails(name, code, words, *arguments, **options):
    """Run it and check that it fails with that exit code and says these words on stderr alone."""
    done = run(*arguments, **options)
    missing = [word for word in words if word not in done.stderr]
    return t.check(name, done.returncode == code and not missing and not done.stdout and
                   done.stderr.startswith("pbts"), (str(done)[-3000:], missing))


def fill(folder, sizes, seed=1):
    """Files of random bytes; {relative path: bytes} in the order of a torrent's files."""
    source, content = random.Random(seed), {}
    for path in sorted(sizes, key=lambda p: p.encode().split(b"/")):
        content[path] = source.randbytes(sizes[path])
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content[path])
    return content


def bdecode(data, at=0):
    """(value, end); dictionaries have bytes as keys."""
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        items, at = [], at + 1
        while data[at:at + 1] != b"e":
            item, at = bdecode(data, at)
            items.append(item)
        return (items if kind == b"l" else dict(zip(items[::2], items[1::2]))), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end], end


def bencode(value):
    """Of dictionaries with bytes as keys, lists, numbers, bytes and texts."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(value[k]) for k in sorted(value)) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    data = value.encode() if isinstance(value, str) else value
    return b"%d:%s" % (len(data), data)


class Metainfo:
    """A .torrent as hashlib sees it."""

    def __init__(self, path):
        data = path.read_bytes()
        raw = data[data.index(b"4:info") + 6:]
        _, end = bdecode(raw)
        self.all, _ = bdecode(data)
        self.info, self.raw = self.all[b"info"], raw[:end]
        self.v1 = hashlib.sha1(self.raw).hexdigest() if b"pieces" in self.info else None
        self.v2 = hashlib.sha256(self.raw).hexdigest() if b"file tree" in self.info else None


def piece_sizes(content, piece_length, aligned):
    """Bytes of each piece; aligned (v2, hybrid): no piece has bytes of two files."""
    lengths = [len(x) for x in content.values()] if aligned else [sum(map(len, content.values()))]
    return [min(piece_length, length - at) for length in lengths
            for at in range(0, length, piece_length)]


def secrets_of(keys):
    """The secret halves of key files."""
    return [line.split()[1] for key in keys for line in key.read_text().splitlines()
            if line.startswith("secret ")]
