#include "kms/client.h"

#include "base/assert.h"
#include "base/secret.h"
#include "hash/hkdf.h"

pbts_status pbts_kms_client_init(pbts_kms_client *out, const pbts_kms_client_config *config,
                                 pbts_random *random) {
    memset(out, 0, sizeof *out);
    out->config = *config;
    if (config->threshold < 1 || config->nodes > PBTS_KMS_NODES_MAX ||
        config->threshold > config->nodes)
        return PBTS_LIMIT;
    PBTS_TRY(pbts_bls_public_decode(&out->group, &config->group));
    PBTS_TRY(pbts_random_fill(random, out->secret, sizeof out->secret));
    out->request.kind = config->kind;
    out->request.mode = config->mode;
    out->request.lineage = config->lineage;
    out->request.generation = config->generation;
    memcpy(out->request.statement, config->statement, sizeof out->request.statement);
    return pbts_x25519_public(out->request.ephemeral, out->secret);
}

void pbts_kms_client_deinit(pbts_kms_client *client) {
    pbts_wipe(client, sizeof *client);
}

pbts_kms_conduct pbts_kms_client_conduct(const pbts_kms_client *client, size_t node) {
    assert(node >= 1 && node <= client->config.nodes);
    return client->nodes[node - 1].conduct;
}

/* ---- to the request ---- */

pbts_status pbts_kms_client_hello(pbts_kms_client *client, size_t node, pbts_span bytes) {
    pbts_kms_hello hello;
    assert(node >= 1 && node <= client->config.nodes);
    if (client->is_asked) return PBTS_EXISTS;
    PBTS_TRY(pbts_kms_hello_decode(&hello, bytes));
    if (hello.node != node || hello.nodes != client->config.nodes ||
        memcmp(&hello.group, &client->config.group, sizeof hello.group) != 0)
        return PBTS_DENIED;
    client->nodes[node - 1].hello = hello;
    client->nodes[node - 1].conduct = PBTS_KMS_SAID_HELLO;
    return PBTS_OK;
}

pbts_status pbts_kms_client_report_data(pbts_kms_client *client,
                                        uint8_t out[static PBTS_REPORT_DATA_LEN]) {
    pbts_kms_request *request = &client->request;
    size_t len = 0;
    for (size_t i = 0; i < client->config.nodes && !client->is_asked; i++) {
        if (client->nodes[i].conduct != PBTS_KMS_SAID_HELLO) continue;
        request->nonces[len].node = (uint8_t)(i + 1);
        request->nonces[len++].nonce = client->nodes[i].hello.nonce;
    }
    if (!client->is_asked && len < client->config.threshold) return PBTS_NEED_MORE;
    if (!client->is_asked) request->nonces_len = len;
    client->is_asked = true;
    pbts_kms_request_report_data(client->report_data, request, &client->config.group);
    memcpy(out, client->report_data, sizeof client->report_data);
    return PBTS_OK;
}

pbts_status pbts_kms_client_request(pbts_kms_client *client, pbts_writer *out, pbts_span quote,
                                    const pbts_collateral_files *collateral) {
    pbts_kms_request request = client->request;
    pbts_quote parsed;
    assert(client->is_asked);
    if (pbts_quote_parse(&parsed, quote) != PBTS_ATTEST_ACCEPTED ||
        memcmp(parsed.td.report_data, client->report_data, sizeof client->report_data) != 0)
        return PBTS_MALFORMED;
    pbts_kms_measure(client->measurement, &parsed.td);
    request.quote = quote;
    request.collateral = *collateral;
    pbts_kms_request_encode(out, &request);
    return pbts_writer_status(out);
}

/* ---- replies ---- */

static pbts_status open_reply(pbts_kms_client *client, size_t i, const pbts_kms_reply *reply) {
    uint8_t shared[PBTS_X25519_LEN], key[PBTS_BOX_KEY_LEN];
    pbts_bls_signature share;
    pbts_status status = pbts_x25519_shared(shared, client->secret, reply->ephemeral);
    if (status == PBTS_OK) {
        pbts_kms_reply_key(key, reply, shared, client->report_data);
        status = pbts_box_open(share.bytes, key, (pbts_span){ 0 }, PBTS_SPAN_OF(reply->sealed));
    }
    if (status == PBTS_OK) status = pbts_bls_signature_decode(&client->nodes[i].share, &share);
    pbts_wipe(shared, sizeof shared);
    pbts_wipe(key, sizeof key);
    pbts_wipe(&share, sizeof share);
    return status;
}

static pbts_status take_reply(pbts_kms_client *client, size_t i, pbts_span bytes) {
    pbts_kms_reply reply;
    PBTS_TRY(pbts_kms_reply_decode(&reply, bytes));
    if (reply.node != i + 1) return PBTS_DENIED;
    client->nodes[i].epoch = reply.epoch;
    return open_reply(client, i, &reply);
}

pbts_status pbts_kms_client_reply(pbts_kms_client *client, size_t node, pbts_span bytes) {
    assert(node >= 1 && node <= client->config.nodes && client->is_asked);
    pbts_kms_conduct *conduct = &client->nodes[node - 1].conduct;
    if (*conduct == PBTS_KMS_SILENT) return PBTS_DENIED; /* it was not asked */
    if (*conduct != PBTS_KMS_SAID_HELLO) return PBTS_EXISTS;
    pbts_status status = take_reply(client, node - 1, bytes);
    if (status != PBTS_NO_MEMORY) *conduct = status == PBTS_OK ? PBTS_KMS_REPLIED : PBTS_KMS_LIED;
    return status;
}

/* ---- from shares to the result ---- */

static void write_topic(const pbts_kms_client *client, pbts_writer *out) {
    const pbts_kms_client_config *config = &client->config;
    pbts_kms_topic topic = { .mode = config->mode,
                             .is_simulated = config->is_simulated,
                             .lineage = config->lineage,
                             .generation = config->generation };
    memcpy(topic.measurement, client->measurement, sizeof topic.measurement);
    pbts_kms_topic_encode(out, &topic);
}

static void hash_message(const pbts_kms_client *client, pbts_bls_g1_point *out) {
    uint8_t buffer[PBTS_KMS_TOPIC_LEN_MAX];
    pbts_writer writer = pbts_writer_over(buffer, sizeof buffer);
    if (client->config.kind == PBTS_KMS_ASK_STATEMENT) {
        pbts_bls_hash(out, PBTS_BLS_KMS_ATTEST, PBTS_SPAN_OF(client->config.statement));
        return;
    }
    write_topic(client, &writer);
    pbts_bls_hash(out, PBTS_BLS_KMS_KEY, pbts_writer_span(&writer));
}

static bool has_replied(const pbts_kms_client *client, size_t i, uint64_t epoch) {
    return client->nodes[i].conduct == PBTS_KMS_REPLIED && client->nodes[i].epoch == epoch;
}

/* Interpolate the first t shares of the epoch. PBTS_NEED_MORE: there are fewer. */
static pbts_status combine(const pbts_kms_client *client, pbts_bls_g1_point *out, uint64_t epoch) {
    pbts_bls_g1_point shares[PBTS_KMS_NODES_MAX];
    uint8_t xs[PBTS_KMS_NODES_MAX];
    size_t len = 0;
    for (size_t i = 0; i < client->config.nodes && len < client->config.threshold; i++) {
        if (!has_replied(client, i, epoch)) continue;
        shares[len] = client->nodes[i].share;
        xs[len++] = (uint8_t)(i + 1);
    }
    bool is_enough = len == client->config.threshold;
    if (is_enough) pbts_bls_g1_interpolate(out, shares, xs, len);
    pbts_wipe(shares, sizeof shares);
    return is_enough ? PBTS_OK : PBTS_NEED_MORE;
}

static size_t agreeing(const pbts_kms_client *client, size_t with) {
    const pbts_kms_hello *hello = &client->nodes[with].hello;
    size_t count = 0;
    for (size_t i = 0; i < client->config.nodes; i++) {
        const pbts_kms_hello *other = &client->nodes[i].hello;
        count += client->nodes[i].conduct != PBTS_KMS_SILENT && other->epoch == hello->epoch &&
                 memcmp(other->shares, hello->shares, sizeof hello->shares) == 0;
    }
    return count;
}

static bool read_public(pbts_kms_public *out, const pbts_kms_client *client, size_t from) {
    const pbts_kms_hello *hello = &client->nodes[from].hello;
    out->epoch = hello->epoch;
    out->group = client->group;
    for (size_t i = 0; i < client->config.nodes; i++) {
        if (pbts_bls_public_decode(&out->shares[i], &hello->shares[i]) != PBTS_OK) return false;
    }
    return pbts_kms_public_check(out, client->config.nodes, client->config.threshold) == PBTS_OK;
}

/* The nodes' public keys: what t of them say, so an honest one too, and what goes with P. */
static bool find_public(pbts_kms_public *out, const pbts_kms_client *client, uint64_t epoch) {
    for (size_t i = 0; i < client->config.nodes; i++) {
        if (client->nodes[i].conduct == PBTS_KMS_SILENT || client->nodes[i].hello.epoch != epoch ||
            agreeing(client, i) < client->config.threshold)
            continue;
        if (read_public(out, client, i)) return true;
    }
    return false;
}

/* Whether anybody was found. */
static bool name_liars(pbts_kms_client *client, const pbts_kms_public *public,
                       const pbts_bls_g1_point *hashed) {
    bool found = false;
    for (size_t i = 0; i < client->config.nodes; i++) {
        if (!has_replied(client, i, public->epoch) ||
            pbts_bls_verify_sums(&public->shares[i], hashed, 1, &client->nodes[i].share) == PBTS_OK)
            continue;
        client->nodes[i].conduct = PBTS_KMS_LIED;
        found = true;
    }
    return found;
}

static pbts_status combine_checked(pbts_kms_client *client, pbts_bls_g1_point *out,
                                   const pbts_bls_g1_point *hashed, uint64_t epoch) {
    pbts_kms_public public;
    PBTS_TRY(combine(client, out, epoch));
    if (pbts_bls_verify_sums(&client->group, hashed, 1, out) == PBTS_OK) return PBTS_OK;
    if (!find_public(&public, client, epoch)) return PBTS_BAD_SIGNATURE;
    if (!name_liars(client, &public, hashed)) return PBTS_BAD_SIGNATURE;
    PBTS_TRY(combine(client, out, epoch));
    return pbts_bls_verify_sums(&client->group, hashed, 1, out);
}

/* Shares of two epochs do not go together. */
static pbts_status result(pbts_kms_client *client, pbts_bls_g1_point *out) {
    pbts_bls_g1_point hashed;
    pbts_status worst = PBTS_NEED_MORE;
    hash_message(client, &hashed);
    for (size_t i = 0; i < client->config.nodes; i++) {
        if (client->nodes[i].conduct != PBTS_KMS_REPLIED) continue;
        pbts_status status = combine_checked(client, out, &hashed, client->nodes[i].epoch);
        if (status == PBTS_OK) return PBTS_OK;
        if (status == PBTS_BAD_SIGNATURE) worst = status;
    }
    return worst;
}

pbts_status pbts_kms_client_key(pbts_kms_client *client, uint8_t out[static PBTS_KMS_KEY_TRK_LEN]) {
    uint8_t buffer[PBTS_KMS_TOPIC_LEN_MAX];
    pbts_writer topic = pbts_writer_over(buffer, sizeof buffer);
    pbts_bls_g1_point point;
    pbts_bls_signature secret;
    assert(client->config.kind == PBTS_KMS_ASK_KEY);
    pbts_status status = result(client, &point);
    if (status == PBTS_OK) {
        write_topic(client, &topic);
        pbts_bls_signature_encode(&secret, &point);
        pbts_hkdf_sha256(out, PBTS_KMS_KEY_TRK_LEN, pbts_span_text("pbts-kms-key-v1"),
                         PBTS_SPAN_OF(secret.bytes), pbts_writer_span(&topic));
    }
    pbts_wipe(&secret, sizeof secret);
    pbts_wipe(&point, sizeof point);
    return status;
}

pbts_status pbts_kms_client_signature(pbts_kms_client *client, pbts_bls_signature *out) {
    pbts_bls_g1_point point;
    assert(client->config.kind == PBTS_KMS_ASK_STATEMENT);
    PBTS_TRY(result(client, &point));
    pbts_bls_signature_encode(out, &point);
    return PBTS_OK;
}
