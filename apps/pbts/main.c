/* pbts - keys, users, torrents, receipts, reports, peers, the ledger, benchmarks. */
#include "bench/bench.h"
#include "command.h"
#include "files.h"
#include "kms/kms_commands.h"
#include "ledger/ledger_commands.h"
#include "program.h"
#include "tee/tee_commands.h"

static const program_command COMMANDS[] = {
    { { "key", "new" }, pbts_cmd_key_new, "make a key file" },
    { { "key", "show" }, pbts_cmd_key_show, "show its public half" },
    { { "register", NULL }, pbts_cmd_register, "register a name with a tracker" },
    { { "passkey", "rotate" }, pbts_cmd_passkey_rotate, "end the old passkey, get a new one" },
    { { "user", "show" }, pbts_cmd_user_show, "a user's totals and ratio" },
    { { "torrent", "create" }, pbts_cmd_torrent_create, "make a .torrent from a file or folder" },
    { { "torrent", "show" }, pbts_cmd_torrent_show, "what a .torrent says" },
    { { "torrent", "add" }, pbts_cmd_torrent_add, "register a .torrent with a tracker" },
    { { "torrent", "list" }, pbts_cmd_torrent_list, "torrents registered with a tracker" },
    { { "receipt", "make" }, pbts_cmd_receipt_make, "sign for pieces that you received" },
    { { "receipt", "verify" }, pbts_cmd_receipt_verify, "check receipts offline" },
    { { "receipt", "show" }, pbts_cmd_receipt_show, "what receipts say" },
    { { "report", NULL }, pbts_cmd_report, "hand receipts in: they become ratio" },
    { { "peer", "list" }, pbts_cmd_peer_list, "what a running pbts-peer shares" },
    { { "peer", "add" }, pbts_cmd_peer_add, "have it share a torrent" },
    { { "peer", "remove" }, pbts_cmd_peer_remove, "have it share a torrent no more" },
    { { "peer", "stats" }, pbts_cmd_peer_stats, "what moves there" },
    { { "dht", "status" }, pbts_cmd_dht_status, "its node of the members' DHT" },
    { { "dht", "lookup" }, pbts_cmd_dht_lookup, "who shares a torrent, asked without the tracker" },
    { { "dht", "announce" }, pbts_cmd_dht_announce, "say there that it is shared here" },
    { { "ledger", "verify" }, pbts_cmd_ledger_verify, "check a whole ledger offline" },
    { { "ledger", "export" }, pbts_cmd_ledger_export, "copy the ledger of a tracker's data" },
    { { "ledger", "import" }, pbts_cmd_ledger_import, "a tracker's data from such a copy" },
    { { "ledger", "seal" }, pbts_cmd_ledger_seal, "end a ledger for good, for a successor" },
    { { "ledger", "address" }, pbts_cmd_ledger_address, "who pays for a tracker's contract" },
    { { "ledger", "deploy" }, pbts_cmd_ledger_deploy, "a contract on an Ethereum chain" },
    { { "ledger", "deploy-verifier" },
      pbts_cmd_ledger_deploy_verifier,
      "a factory for whom a key service vouches" },
    { { "ledger", "status" }, pbts_cmd_ledger_status, "what a contract says, proved" },
    { { "ledger", "prove" }, pbts_cmd_ledger_prove, "a user's totals there, as a file" },
    { { "ledger", "verify-proof" }, pbts_cmd_ledger_verify_proof, "check such a file offline" },
    { { "ledger", "migrate" }, pbts_cmd_ledger_migrate, "a contract that follows a ledger" },
    { { "tee", "generate" }, pbts_cmd_tee_generate, "evidence of the machine that this runs on" },
    { { "tee", "verify" }, pbts_cmd_tee_verify, "check evidence of TDX or SEV-SNP offline" },
    { { "kms", "key" }, pbts_cmd_kms_key, "ask a key service, with simulated evidence" },
    { { "kms", "statement" }, pbts_cmd_kms_statement, "have one vouch for a contract's owner" },
    { { "bench", "announce" }, pbts_bench_announce, "load a tracker with announces" },
    { { "bench", "prepare" }, pbts_bench_prepare, "fill a tracker for benchmarks" },
    { { "bench", "receipts" }, pbts_bench_receipts, "time signatures and their checks" },
    { { "bench", "reports" }, pbts_bench_reports, "time reports end to end" },
};

int main(int argc, char **argv) {
    static const program PBTS = {
        "pbts",
        COMMANDS,
        sizeof COMMANDS / sizeof COMMANDS[0],
        19,
        "A first tour",
        "  pbts key new --out alice.key\n"
        "  pbts register --tracker http://127.0.0.1:8000 --key alice.key --uid alice\n"
        "  pbts torrent create DIR --out x.torrent\n"
        "  pbts torrent add --tracker http://127.0.0.1:8000 --key alice.key x.torrent\n",
    };
    files_discard_on_signals();
    return program_run(&PBTS, argc, argv);
}
