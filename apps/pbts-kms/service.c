#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "attest/simulator.h"
#include "base/secret.h"
#include "codec/text.h"
#include "exit_codes.h"
#include "lineages.h"
#include "locked.h"
#include "log.h"
#include "net/clock.h"
#include "say.h"

/* ---- start ---- */

static int say_file(const kms_service *s, const char *name, pbts_status status) {
    const char *why = status == PBTS_NOT_FOUND ? "is missing; \"pbts-kms init\" makes it"
                      : status == PBTS_DENIED  ? "may be read by others; chmod 600"
                      : status == PBTS_IO      ? strerror(errno)
                                               : pbts_status_text(status);
    return say_fail(PBTS_EXIT_IO, "%s/%s: %s", s->config.data, name, why);
}

static int read_identity(kms_service *s, pbts_bls_secret *identity) {
    pbts_bls_public public;
    pbts_status status = home_read_secret(identity->bytes, s->config.data, "identity.key");
    if (status == PBTS_OK) status = pbts_bls_secret_check(identity);
    if (status != PBTS_OK) return say_file(s, "identity.key", status);
    pbts_bls_public_of(&public, identity);
    s->number = pbts_kms_group_number(&s->config.group, &public);
    if (s->number != 0) return PBTS_EXIT_OK;
    return say_fail(PBTS_EXIT_USAGE, "this node's key is not among the members");
}

/* Two processes would say two things with one key, cut each other's journal, and one would keep the
 * share of before a refresh. */
static int hold_directory(kms_service *s) {
    s->directory = open(s->config.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->directory < 0) return say_errno(s->config.data);
    if (flock(s->directory, LOCK_EX | LOCK_NB) == 0) return PBTS_EXIT_OK;
    if (errno != EWOULDBLOCK) return say_errno(s->config.data);
    return say_fail(PBTS_EXIT_IO, "%s: another process runs this node", s->config.data);
}

static int open_node(kms_service *s, const pbts_bls_secret *identity) {
    pbts_kms_node_config node = { .group = &s->config.group,
                                  .number = s->number,
                                  .identity = *identity,
                                  .commit_ms = s->config.commit_s * UINT64_C(1000),
                                  .phase_ms = s->config.phase_s * UINT64_C(1000),
                                  .pause_ms = s->config.pause_s * UINT64_C(1000),
                                  .random = pbts_random_system(),
                                  .journal = keeper_journal(&s->keeper) };
    pbts_kms_key key;
    uint8_t *said;
    size_t said_len;
    pbts_status status = keeper_load_key(&s->keeper, &key);
    bool has_key = status == PBTS_OK;
    if (!has_key && status != PBTS_NOT_FOUND) return say_file(s, "share.sealed", status);
    status = keeper_load_said(&s->keeper, &said, &said_len);
    if (status == PBTS_OK)
        status = pbts_kms_node_new(&s->node, locked_mem(), &node, has_key ? &key : NULL,
                                   (pbts_span){ said, said_len });
    free(said);
    pbts_wipe(&key, sizeof key);
    pbts_wipe(&node, sizeof node);
    if (status != PBTS_OK) return say_file(s, "said", status);
    status = keeper_resume(&s->keeper, s->node, pbts_clock_mono_ms());
    return status == PBTS_OK ? PBTS_EXIT_OK : say_file(s, "journal.sealed", status);
}

static int open_gate(kms_service *s) {
    pbts_random *random = pbts_random_system();
    if (pbts_kms_nonces_init(&s->nonces, s->number, random) != PBTS_OK)
        return say_fail(PBTS_EXIT_IO, "there is no randomness");
    s->lineages_stamp_ns = lineages_stamp_ns(s->config.lineages);
    int code =
        lineages_load(&s->lineages, &s->lineages_len, s->config.lineages, SERVICE_LINEAGES_MAX);
    if (code != PBTS_EXIT_OK) return code;
    s->gate =
        (pbts_kms_gate){ .group = &s->config.group,
                         .number = s->number,
                         .lineages = s->lineages,
                         .lineages_len = s->lineages_len,
                         .root = &PBTS_ATTEST_INTEL,
                         .simulator = s->config.allow_simulator ? &PBTS_ATTEST_SIMULATOR : NULL,
                         .nonces = &s->nonces,
                         .random = random,
                         .mem = pbts_mem_system() };
    return PBTS_EXIT_OK;
}

int service_open(kms_service *out, const kms_config *config) {
    uint8_t seal_key[HOME_SECRET_LEN];
    pbts_bls_secret identity;
    memset(out, 0, sizeof *out);
    out->config = *config;
    out->keeper.journal = -1;
    out->directory = -1;
    (void)pthread_mutex_init(&out->lock, NULL);
    int code = read_identity(out, &identity);
    if (code == PBTS_EXIT_OK) code = hold_directory(out);
    if (code == PBTS_EXIT_OK) {
        pbts_status status = home_read_secret(seal_key, config->data, "seal.key");
        if (status != PBTS_OK) code = say_file(out, "seal.key", status);
    }
    if (code == PBTS_EXIT_OK) {
        keeper_open(&out->keeper, config->data, seal_key, &out->config.group, out->number,
                    pbts_random_system());
        code = open_node(out, &identity);
    }
    if (code == PBTS_EXIT_OK) code = open_gate(out);
    pbts_wipe(seal_key, sizeof seal_key);
    pbts_wipe(&identity, sizeof identity);
    if (code != PBTS_EXIT_OK) service_close(out);
    return code;
}

void service_close(kms_service *s) {
    pbts_kms_node_free(s->node);
    s->node = NULL;
    keeper_close(&s->keeper);
    free(s->lineages);
    s->lineages = NULL;
    pbts_wipe(&s->nonces, sizeof s->nonces);
    if (s->directory >= 0) (void)close(s->directory);
    s->directory = -1;
    (void)pthread_mutex_destroy(&s->lock);
}

/* ---- time ---- */

/* A list that is wrong changes nothing: the one before stays. */
static void reload_lineages(kms_service *s) {
    uint64_t stamp = lineages_stamp_ns(s->config.lineages);
    pbts_kms_lineage *list;
    size_t len;
    if (stamp == s->lineages_stamp_ns) return;
    s->lineages_stamp_ns = stamp;
    if (lineages_load(&list, &len, s->config.lineages, SERVICE_LINEAGES_MAX) != PBTS_EXIT_OK) {
        kms_log("lineages_failed", "kept=%zu", s->lineages_len);
        return;
    }
    free(s->lineages);
    s->lineages = list;
    s->lineages_len = len;
    s->gate.lineages = list;
    s->gate.lineages_len = len;
    kms_log("lineages", "count=%zu", len);
}

static void log_faults(kms_service *s) {
    for (size_t i = 0; i < s->config.group.nodes; i++) {
        pbts_kms_fault fault = pbts_kms_node_fault(s->node, i + 1);
        if (fault == s->faults[i]) continue;
        s->faults[i] = fault;
        kms_log("liar", "node=%zu fault=%s", i + 1, pbts_kms_fault_word(fault));
    }
}

void service_tick(kms_service *s) {
    pthread_mutex_lock(&s->lock);
    reload_lineages(s);
    pbts_status status = pbts_kms_node_tick(s->node, pbts_clock_mono_ms());
    if (status != PBTS_OK) kms_log("tick_failed", "status=%s", pbts_status_name(status));
    log_faults(s);
    pthread_mutex_unlock(&s->lock);
}

/* ---- nodes ---- */

void service_ask(kms_service *s, pbts_writer *question) {
    pthread_mutex_lock(&s->lock);
    pbts_kms_node_ask(s->node, question);
    pthread_mutex_unlock(&s->lock);
}

pbts_status service_gossip(kms_service *s, pbts_writer *answer, pbts_span question) {
    pthread_mutex_lock(&s->lock);
    pbts_status status = pbts_kms_node_answer(s->node, answer, question);
    pthread_mutex_unlock(&s->lock);
    return status;
}

void service_hear(kms_service *s, pbts_span answer) {
    size_t refused = 0;
    pthread_mutex_lock(&s->lock);
    pbts_status status = pbts_kms_node_hear(s->node, &refused, answer, pbts_clock_mono_ms());
    if (status != PBTS_OK || refused > 0)
        kms_log("gossip", "status=%s refused=%zu", pbts_status_name(status), refused);
    pthread_mutex_unlock(&s->lock);
}

pbts_status service_begin(kms_service *s, bool refresh) {
    pthread_mutex_lock(&s->lock);
    bool has_key = pbts_kms_node_key(s->node) != NULL;
    pbts_status status = refresh ? PBTS_NOT_FOUND : PBTS_EXISTS;
    if (has_key == refresh) status = pbts_kms_node_begin(s->node, pbts_clock_mono_ms());
    pthread_mutex_unlock(&s->lock);
    return status;
}

/* ---- trackers ---- */

pbts_status service_hello(kms_service *s, pbts_writer *out) {
    pbts_kms_hello hello;
    pthread_mutex_lock(&s->lock);
    pbts_status status =
        pbts_kms_gate_hello(&hello, &s->gate, pbts_kms_node_key(s->node), pbts_clock_mono_ms());
    pthread_mutex_unlock(&s->lock);
    if (status != PBTS_OK) return status;
    pbts_kms_hello_encode(out, &hello);
    return pbts_writer_status(out);
}

pbts_status service_answer(kms_service *s, pbts_writer *out, pbts_kms_verdict *verdict,
                           pbts_span request) {
    pbts_moment now = { .unix_s = pbts_clock_unix_ms() / 1000, .mono_ms = pbts_clock_mono_ms() };
    pbts_kms_reply reply;
    pthread_mutex_lock(&s->lock);
    pbts_status status =
        pbts_kms_gate_answer(&reply, verdict, &s->gate, pbts_kms_node_key(s->node), request, now);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->counters.refusals[verdict->refusal], 1);
    if (verdict->is_simulated) atomic_fetch_add(&s->counters.simulated, 1);
    atomic_fetch_add(status == PBTS_OK ? &s->counters.answered : &s->counters.refused, 1);
    if (status != PBTS_OK) return status;
    if (verdict->is_simulated) kms_log("answered", "evidence=SIMULATED");
    pbts_kms_reply_encode(out, &reply);
    return pbts_writer_status(out);
}

/* ---- what it shows ---- */

static const char *outcome_word(const pbts_kms_ceremony *ceremony) {
    if (ceremony == NULL) return "none";
    switch (pbts_kms_ceremony_outcome(ceremony)) {
    case PBTS_KMS_RUNNING: return "running";
    case PBTS_KMS_FAILED: return "failed";
    default: return "ends";
    }
}

static void put(pbts_writer *out, const char *name, const char *value) {
    pbts_write_text(out, name);
    pbts_write_text(out, " ");
    pbts_write_text(out, value);
    pbts_write_text(out, "\n");
}

static void put_number(pbts_writer *out, const char *name, uint64_t value) {
    pbts_write_text(out, name);
    pbts_write_text(out, " ");
    pbts_write_decimal(out, value);
    pbts_write_text(out, "\n");
}

static void put_group(pbts_writer *out, const pbts_bls_public_point *point) {
    pbts_bls_public bytes;
    pbts_bls_public_encode(&bytes, point);
    pbts_write_text(out, "public ");
    pbts_hex_encode(out, PBTS_SPAN_OF(bytes.bytes));
    pbts_write_text(out, "\n");
}

void service_status(kms_service *s, pbts_writer *out) {
    pthread_mutex_lock(&s->lock);
    const pbts_kms_key *key = pbts_kms_node_key(s->node);
    const pbts_kms_ceremony *ceremony = pbts_kms_node_ceremony(s->node);
    put_number(out, "node", s->number);
    put_number(out, "nodes", s->config.group.nodes);
    put_number(out, "threshold", s->config.group.threshold);
    put_number(out, "epoch", key != NULL ? key->public.epoch : 0);
    put(out, "share", key == NULL ? "none" : key->has_share ? "good" : "lost");
    if (key != NULL) put_group(out, &key->public.group);
    put(out, "ceremony", outcome_word(ceremony));
    if (ceremony != NULL) put_number(out, "attempt", pbts_kms_ceremony_attempt(ceremony));
    put_number(out, "lineages", s->lineages_len);
    if (s->config.allow_simulator) put(out, "simulator", "SIMULATED evidence is let through");
    for (size_t i = 1; i <= s->config.group.nodes; i++) {
        pbts_kms_fault fault = pbts_kms_node_fault(s->node, i);
        if (fault == PBTS_KMS_HONEST) continue;
        pbts_write_text(out, "liar ");
        pbts_write_decimal(out, i);
        pbts_write_text(out, " ");
        put(out, pbts_kms_fault_word(fault), "");
    }
    pthread_mutex_unlock(&s->lock);
}

void service_metrics(kms_service *s, pbts_writer *out) {
    const service_counters *counters = &s->counters;
    const struct {
        const char *name;
        const atomic_uint_fast64_t *value;
    } rows[] = {
        { "pbts_kms_hellos_total", &counters->hellos },
        { "pbts_kms_answered_total", &counters->answered },
        { "pbts_kms_refused_total", &counters->refused },
        { "pbts_kms_limited_total", &counters->limited },
        { "pbts_kms_simulated_total", &counters->simulated },
        { "pbts_kms_gossip_served_total", &counters->gossip_served },
        { "pbts_kms_gossip_asked_total", &counters->gossip_asked },
        { "pbts_kms_gossip_failed_total", &counters->gossip_failed },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        put_number(out, rows[i].name, atomic_load(rows[i].value));
    for (int i = 1; i < PBTS_KMS_REFUSAL_COUNT; i++) {
        pbts_write_text(out, "pbts_kms_refusals_total{reason=\"");
        pbts_write_text(out, pbts_kms_refusal_word((pbts_kms_refusal)i));
        put_number(out, "\"}", atomic_load(&counters->refusals[i]));
    }
    pthread_mutex_lock(&s->lock);
    const pbts_kms_key *key = pbts_kms_node_key(s->node);
    put_number(out, "pbts_kms_epoch", key != NULL ? key->public.epoch : 0);
    put_number(out, "pbts_kms_share_good", key != NULL && key->has_share);
    put_number(out, "pbts_kms_simulator_allowed", s->config.allow_simulator);
    pthread_mutex_unlock(&s->lock);
}
