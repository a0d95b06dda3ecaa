/* ethereum_beacon.h - the options of a light client: beacon nodes, the block that is trusted, the
 * network, and where to keep what it knows. */
#ifndef PBTS_APPS_ETHEREUM_BEACON_H
#define PBTS_APPS_ETHEREUM_BEACON_H

#include "chain/chain.h"

/* The options' texts. Zeroed: no light client. */
typedef struct {
    const char *urls, *trusted_root, *preset, *state;
    bool keep_evidence; /* for pbts_chain_evidence */
    char *list;         /* the URLs, cut */
} ethereum_beacon;

#define ETHEREUM_BEACON_OPTIONS(beacon)                                        \
    { "beacon",                                                                \
      "URLS",                                                                  \
      &(beacon)->urls,                                                         \
      NULL,                                                                    \
      false,                                                                   \
      "beacon nodes, 1 to 32, with commas: a light client says which\n"        \
      "blocks count, and no quorum is asked" },                                \
        { "trusted-root",                                                      \
          "HASH",                                                              \
          &(beacon)->trusted_root,                                             \
          NULL,                                                                \
          false,                                                               \
          "root of a finalized beacon block of the last days, from somebody\n" \
          "you trust" },                                                       \
        { "preset",                                                            \
          "NETWORK",                                                           \
          &(beacon)->preset,                                                   \
          NULL,                                                                \
          false,                                                               \
          "of the beacon nodes: mainnet (default), sepolia, hoodi, or the\n"   \
          "path of a config.yaml, with /" },                                   \
    {                                                                          \
        "light-state", "FILE", &(beacon)->state, NULL, false,                  \
            "where the light client keeps what it knows from run to run"       \
    }

/* Fill in config->beacon, with texts of `beacon`, and the network's chain id. Without --beacon they
 * are left alone. An exit code, after a message when it is not 0. */
int ethereum_beacon_read(ethereum_beacon *beacon, pbts_chain_config *config, uint64_t *chain_id);
/* After the chain was opened or not; the options may be read again. */
void ethereum_beacon_end(ethereum_beacon *beacon);

#endif
