/* ledger_chain.h - files that `pbts ledger export` wrote, mapped and verified. */
#ifndef PBTS_APPS_LEDGER_CHAIN_H
#define PBTS_APPS_LEDGER_CHAIN_H

#include "ledger/ledger_file.h"

/* Functions that give an int give an exit code, after a message when it is not 0. Zeroed values may
 * be closed. */

typedef struct {
    const char *path;
    pbts_span bytes;
} ledger_map;
int ledger_map_open(ledger_map *out, const char *path);
void ledger_map_close(ledger_map *map);

/* A ledger of which every entry, hash and signature was verified. */
typedef struct {
    ledger_map map;
    pbts_ledger_file file;
} ledger_chain;
int ledger_chain_open(ledger_chain *out, const char *path);
void ledger_chain_close(ledger_chain *chain);

/* The claims that were exported together with `chain`; nothing else fits. */
typedef struct {
    ledger_map map;
    pbts_claims_file file;
} ledger_claims;
int ledger_claims_open(ledger_claims *out, const char *path, const ledger_chain *chain);
void ledger_claims_close(ledger_claims *claims);

#endif
