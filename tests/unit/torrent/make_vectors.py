#!/usr/bin/python3
"""Write libtorrent_vectors.h: small torrents as libtorrent makes them, and what it says of them.

Needs python3-libtorrent; run in this folder. Byte i of a file with seed s is
(31 i + 17 (i >> 8) + s) mod 256, which the tests can make again. With an argument, also writes the
torrents as files into that folder (seeds of the fuzz target).
"""
import os
import sys
import tempfile

import libtorrent as lt

MULTI = [("a/b.bin", 40000, 1), ("a-b.bin", 16384, 2), ("empty.bin", 0, 3),
         ("z/deep/c.bin", 70000, 4), ("z/end.bin", 3, 5)]
TWINS = [("one.bin", 50000, 7), ("two.bin", 50000, 7), ("x/three.bin", 32768, 8)]
SINGLE = [("single.bin", 100000, 9)]
GAPS = [("a.bin", 100, 11), ("b.bin", 0, 12), ("c.bin", 5, 13), ("d.bin", 0, 14)]
TINY = [("tiny.bin", 5, 10)]
V1, V2 = lt.create_torrent.v1_only, lt.create_torrent.v2_only
PADS, NO_TAIL = lt.create_torrent.canonical_files, lt.create_torrent.canonical_files_no_tail_padding
CASES = [
    ("single", SINGLE, 16384, "V1", V1), ("single", SINGLE, 16384, "V2", V2),
    ("single", SINGLE, 32768, "HYBRID", NO_TAIL), ("tiny", TINY, 16384, "HYBRID", NO_TAIL),
    ("multi", MULTI, 16384, "V2", V2), ("multi", MULTI, 32768, "V2", V2),
    ("multi", MULTI, 16384, "HYBRID", NO_TAIL), ("multi", MULTI, 16384, "HYBRID tail", 0),
    ("multi", MULTI, 16384, "V1 pads", V1 | PADS), ("twins", TWINS, 16384, "V2", V2),
    ("twins", TWINS, 16384, "HYBRID", NO_TAIL), ("gaps", GAPS, 16384, "HYBRID", NO_TAIL),
    ("gaps", GAPS, 16384, "HYBRID tail", 0),
]


def content(length, seed):
    return bytes((31 * i + 17 * (i >> 8) + seed) & 255 for i in range(length))


def make(folder, name, files, piece_length, flags):
    single = len(files) == 1
    for path, length, seed in files:
        full = os.path.join(folder, path if single else os.path.join(name, path))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as file:
            file.write(content(length, seed))
    storage = lt.file_storage()
    lt.add_files(storage, os.path.join(folder, files[0][0] if single else name))
    torrent = lt.create_torrent(storage, piece_length, flags)
    torrent.set_priv(True)
    lt.set_piece_hashes(torrent, folder)
    entry = torrent.generate()
    entry.pop(b"creation date", None)
    return lt.bencode(entry)


def c_hex(data):
    text = data.hex()
    lines = [text[i:i + 88] for i in range(0, len(text), 88)]
    return "\n".join(f'      "{line}"' for line in lines)


def describe(name, files, piece_length, kind, flags, out):
    with tempfile.TemporaryDirectory() as folder:
        data = make(folder, name, files, piece_length, flags)
    info = lt.torrent_info(lt.bdecode(data))
    hashes = info.info_hashes()
    version, _, layout = kind.partition(" ")
    if len(sys.argv) > 1:
        path = f"{name}_{kind.replace(' ', '_').lower()}_{piece_length // 1024}k"
        with open(os.path.join(sys.argv[1], path), "wb") as file:
            file.write(data)
    out.write(f"""    {{ "{name}", PBTS_TORRENT_{version}, {piece_length}, {str(layout == '').lower()},
      "{str(hashes.v1) if hashes.has_v1() else ''}",
      "{str(hashes.v2) if hashes.has_v2() else ''}",
      {info.num_pieces()}, {sum(length for _, length, _ in files)},
{c_hex(data)} }},
""")


def main():
    with open("libtorrent_vectors.h", "w", encoding="ascii") as out:
        out.write(f"""/* Torrents as libtorrent {lt.version} makes them; written by make_vectors.py. */
#ifndef PBTS_TEST_LIBTORRENT_VECTORS_H
#define PBTS_TEST_LIBTORRENT_VECTORS_H

#include "torrent/builder.h"

/* clang-format off */
static const struct {{
    const char *set; /* which files */
    pbts_torrent_version version;
    uint32_t piece_length;
    bool same_layout; /* the builder pads alike, so its info dictionary is the same */
    const char *infohash_v1, *infohash_v2;
    uint32_t piece_count;
    uint64_t total_bytes;
    const char *hex;
}} LIBTORRENT[] = {{
""")
        for case in CASES:
            describe(*case, out)
        out.write("};\n/* clang-format on */\n\n#endif\n")


main()
