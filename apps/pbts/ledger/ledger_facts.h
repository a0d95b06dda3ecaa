/* ledger_facts.h - what a portable proof says, for people and programs. */
#ifndef PBTS_APPS_LEDGER_FACTS_H
#define PBTS_APPS_LEDGER_FACTS_H

#include <jansson.h>

#include "eth/portable_proof.h"

void ledger_facts_print(const pbts_portable_proof *proof, const pbts_portable_facts *facts);
/* A new object. */
json_t *ledger_facts_json(const pbts_portable_proof *proof, const pbts_portable_facts *facts);
/* Why pbts_portable_proof_verify gave no facts; PBTS_EXIT_REFUSED. */
int ledger_facts_refuse(const char *what, pbts_status status);

#endif
