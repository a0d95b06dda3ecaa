/* torrent_show.c - `pbts torrent show`. */
#include <stdio.h>

#include "command.h"
#include "exit_codes.h"
#include "options.h"
#include "say.h"
#include "torrent.h"
#include "torrent/fallback.h"
#include "tracker_api.h"
#include "wire/membership.h"

/* What of a .torrent is for its users alone, and stands beside "info". Empty texts: not there. */
typedef struct {
    char iid[2 * PBTS_FALLBACK_IID_LEN + 1];
    char contract[2 * PBTS_FALLBACK_CONTRACT_LEN + 1];
    uint64_t chain_id, member_expires; /* 0: no membership */
    size_t nodes;
} fallback_facts;

static fallback_facts fallback_of(const pbts_metainfo *meta) {
    fallback_facts facts = { .nodes = 0 };
    pbts_torrent_fallback fallback;
    pbts_membership membership;
    pbts_addr addr;
    size_t at = 0;
    if (pbts_torrent_fallback_find(&fallback, pbts_metainfo_bytes(meta)) != PBTS_OK) return facts;
    if (fallback.iid.len > 0) hex_text(facts.iid, sizeof facts.iid, fallback.iid);
    if (fallback.contract.len > 0) {
        hex_text(facts.contract, sizeof facts.contract, fallback.contract);
        facts.chain_id = fallback.chain_id;
    }
    if (pbts_membership_decode(&membership, fallback.membership) == PBTS_OK) {
        facts.member_expires = membership.expires;
    }
    while (pbts_torrent_fallback_next(&addr, &at, &fallback)) facts.nodes++;
    return facts;
}

/* ---- as JSON ---- */

static json_t *text_of(pbts_span bytes) {
    json_t *text = json_stringn((const char *)bytes.data, bytes.len);
    return text ? text : json_string("(not UTF-8)");
}

static json_t *files_json(const pbts_metainfo *meta) {
    json_t *files = json_array();
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        if (file.padding) continue;
        json_array_append_new(files, json_pack("{s:o, s:I}", "path", text_of(file.path),
                                               "length_bytes", (json_int_t)file.length_bytes));
    }
    return files;
}

/* NULL, which is left out: nothing of it is there. */
static json_t *fallback_json(const fallback_facts *facts) {
    bool chain = facts->contract[0] != 0, member = facts->member_expires != 0;
    if (facts->iid[0] == 0 && !chain && !member && facts->nodes == 0) return NULL;
    return json_pack("{s:s*, s:s*, s:o*, s:o*, s:I}", "iid", facts->iid[0] ? facts->iid : NULL,
                     "contract", chain ? facts->contract : NULL, "chain_id",
                     chain ? json_integer((json_int_t)facts->chain_id) : NULL, "member_until",
                     member ? json_integer((json_int_t)facts->member_expires) : NULL, "nodes",
                     (json_int_t)facts->nodes);
}

static int show_json(const pbts_metainfo *meta, const char *v1, const char *v2) {
    const fallback_facts facts = fallback_of(meta);
    pbts_span source = pbts_metainfo_source(meta);
    return say_json(json_pack("{s:s*, s:s*, s:o, s:b, s:o*, s:I, s:I, s:I, s:o, s:o*}", "infohash",
                              v1, "infohash_v2", v2, "name", text_of(pbts_metainfo_name(meta)),
                              "private", pbts_metainfo_is_private(meta), "source",
                              source.len > 0 ? text_of(source) : NULL, "total_bytes",
                              (json_int_t)pbts_metainfo_total_bytes(meta), "piece_length",
                              (json_int_t)pbts_metainfo_piece_length(meta), "pieces",
                              (json_int_t)pbts_metainfo_piece_count(meta), "files",
                              files_json(meta), "pbts", fallback_json(&facts)));
}

/* ---- as text ---- */

static void show_fallback(const fallback_facts *facts) {
    if (facts->iid[0]) printf("instance     %s\n", facts->iid);
    if (facts->contract[0]) {
        printf("contract     0x%s on chain %llu\n", facts->contract,
               (unsigned long long)facts->chain_id);
    }
    if (facts->nodes > 0) printf("nodes        %zu to begin with\n", facts->nodes);
    if (facts->member_expires == 0) return;
    printf("member       until %s, by the tracker's time: keep this file to yourself\n",
           say_time(facts->member_expires));
}

static void show_text(const pbts_metainfo *meta, const char *v1, const char *v2) {
    const fallback_facts facts = fallback_of(meta);
    printf("name         ");
    say_clean(stdout, pbts_metainfo_name(meta));
    printf("\nversion      %s\n", v1 && v2 ? "hybrid" : v2 ? "2" : "1");
    if (v1) printf("infohash     %s\n", v1);
    if (v2) printf("infohash v2  %s\n", v2);
    printf("private      %s\n", pbts_metainfo_is_private(meta) ? "yes" : "no: trackers refuse it");
    if (pbts_metainfo_source(meta).len > 0) {
        printf("source       ");
        say_clean(stdout, pbts_metainfo_source(meta));
        (void)putchar('\n');
    }
    show_fallback(&facts);
    printf("size         %s\n", say_bytes(pbts_metainfo_total_bytes(meta)));
    printf("pieces       %u of %s\n", pbts_metainfo_piece_count(meta),
           say_bytes(pbts_metainfo_piece_length(meta)));
    for (uint32_t i = 0; i < pbts_metainfo_file_count(meta); i++) {
        pbts_torrent_file file = pbts_metainfo_file(meta, i);
        if (file.padding) continue;
        printf("  %14llu  ", (unsigned long long)file.length_bytes);
        say_clean(stdout, file.path);
        (void)putchar('\n');
    }
}

int pbts_cmd_torrent_show(int argc, char **argv) {
    bool json = false;
    const command_option options[] = { OPTION_JSON(&json) };
    const command_spec spec = { "torrent show",
                                " FILE",
                                "Show what a .torrent says, and what it holds for the time when "
                                "the tracker is away.\n",
                                "  pbts torrent show x.torrent\n",
                                options,
                                1,
                                1,
                                1 };
    char **arguments, v1[41], v2[65];
    int code = options_parse(&spec, &arguments, argc, argv);
    if (code != OPTIONS_GO_ON) return code;
    pbts_metainfo *meta;
    code = torrent_load(&meta, arguments[0]);
    if (code != PBTS_EXIT_OK) return code;
    bool has_v1 = pbts_metainfo_has_v1(meta), has_v2 = pbts_metainfo_has_v2(meta);
    if (has_v1) hex_text(v1, sizeof v1, (pbts_span){ pbts_metainfo_infohash_v1(meta), 20 });
    if (has_v2) hex_text(v2, sizeof v2, (pbts_span){ pbts_metainfo_infohash_v2_full(meta), 32 });
    if (json) {
        code = show_json(meta, has_v1 ? v1 : NULL, has_v2 ? v2 : NULL);
    } else {
        show_text(meta, has_v1 ? v1 : NULL, has_v2 ? v2 : NULL);
    }
    pbts_metainfo_free(meta);
    return code;
}
