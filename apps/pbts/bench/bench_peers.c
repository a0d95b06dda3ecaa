/* bench_peers.c - the population that announces: see bench_load.h. */
#include <arpa/inet.h>
#include <string.h>

#include "bench_load.h"

struct in_addr pbts_bench_source(uint32_t source) {
    return (struct in_addr){ htonl(0x7f010001u + source) };
}

/* A fixed scramble (the finaliser of splitmix64), so that a peer is the same in every lap. */
static uint64_t scramble(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void make_id(char out[static 21], uint32_t number) {
    static const char digits[] = "0123456789abcdef";
    memcpy(out, "-BE0100-0000", 12);
    for (unsigned i = 0; i < 8; i++) out[12 + i] = digits[(number >> (28 - 4 * i)) & 15];
    out[20] = 0;
}

void pbts_bench_peer_at(pbts_bench_peer *out, const pbts_bench_options *options, uint64_t step) {
    uint32_t number = (uint32_t)(step % options->peers);
    uint32_t torrent = number % options->torrents;
    uint64_t mixed = scramble(number + 1);
    out->number = number;
    out->source = number % options->sources;
    out->infohash = options->infohashes[torrent];
    out->passkey = NULL;
    if (options->users > 0)
        out->passkey = options->passkeys[(torrent + number / options->torrents) % options->users];
    make_id(out->id, number);
    /* Peers of one source differ in the port as long as there are fewer than 60,000 of them. */
    out->port = (uint16_t)(2000 + number / options->sources % 60000);
    out->seeder = mixed % 100 < options->seeders_percent;
    out->started = step < options->peers;
}
