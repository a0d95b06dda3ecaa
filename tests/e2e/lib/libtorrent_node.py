"""libtorrent as a program of its own, for the Python that it is installed for (/usr/bin/python3):

    libtorrent_node.py make KIND FOLDER OUT     a .torrent of a folder; KIND: v1-padded, v2, hybrid
    libtorrent_node.py share PORT PEER TORRENT DIRECTORY [TORRENT DIRECTORY ...]
                                                files or magnet links, until SIGTERM; "seeding N" is
                                                printed when the n-th is complete
PEER is ADDRESS:PORT, to be connected to as long as nobody else is, or empty.
"""
import signal
import sys
import time
from pathlib import Path

import libtorrent as lt

PIECE = 32768


def make(kind, folder, out):
    made = lt.create_torrent
    flags = {"v1-padded": made.v1_only | made.canonical_files, "v2": made.v2_only, "hybrid": 0}
    files = lt.file_storage()
    lt.add_files(files, folder)
    torrent = made(files, PIECE, flags[kind])
    lt.set_piece_hashes(torrent, str(Path(folder).parent))
    Path(out).write_bytes(lt.bencode(torrent.generate()))


def parameters(torrent, directory):
    if torrent.startswith("magnet:"):
        added = lt.parse_magnet_uri(torrent)
    else:
        added = lt.add_torrent_params()
        added.ti = lt.torrent_info(torrent)
    added.save_path = directory
    return added


def share(port, peer, *pairs):
    session = lt.session({
        "listen_interfaces": f"127.0.0.1:{port}", "outgoing_interfaces": "127.0.0.1",
        "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
        "enable_outgoing_utp": False, "enable_incoming_utp": False, "min_reconnect_time": 1,
        "allow_multiple_connections_per_ip": True,
        "alert_mask": lt.alert.category_t.error_notification})
    handles = [session.add_torrent(parameters(*pair)) for pair in zip(pairs[::2], pairs[1::2])]
    told, stopping = set(), []
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(1))
    while not stopping:
        for alert in session.pop_alerts():
            print(alert.what(), alert.message(), flush=True)
        for number, handle in enumerate(handles):
            status = handle.status()
            if status.is_seeding and number not in told:
                told.add(number)
                print("seeding", number, flush=True)
            if peer and not status.is_seeding and status.num_peers == 0:
                handle.connect_peer((peer.rsplit(":", 1)[0], int(peer.rsplit(":", 1)[1])))
        time.sleep(0.1)


if __name__ == "__main__":
    {"make": make, "share": share}[sys.argv[1]](*sys.argv[2:])
