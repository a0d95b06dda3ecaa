#include "gossip.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "net/clock.h"
#include "net/http_client.h"

enum { TIMEOUT_MS = 5000 };

struct kms_gossip {
    kms_service *service;
    pbts_http_client *client;
    pthread_t thread;
    atomic_bool stops;
    char certificate[HOME_PATH_MAX], key[HOME_PATH_MAX];
    bool is_asked[PBTS_KMS_NODES_MAX]; /* and has not answered yet */
};

static void ask(kms_gossip *g, size_t i, pbts_span question) {
    const pbts_kms_members *members = &g->service->config.members;
    char url[PBTS_KMS_URL_MAX + 32];
    (void)snprintf(url, sizeof url, "%s/kms/v1/gossip", members->urls[i]);
    const pbts_http_query query = { .url = url,
                                    .content_type = "application/octet-stream",
                                    .pin = members->pins[i],
                                    .body = question,
                                    .answer_len_max = PBTS_KMS_ANSWER_LEN_MAX,
                                    .timeout_ms = TIMEOUT_MS,
                                    .server = (uint32_t)i };
    g->is_asked[i] = pbts_http_client_start(g->client, &query) == PBTS_OK;
}

static void ask_all(kms_gossip *g) {
    uint8_t question[PBTS_KMS_QUESTION_LEN_MAX];
    pbts_writer writer = pbts_writer_over(question, sizeof question);
    service_ask(g->service, &writer);
    for (size_t i = 0; i < g->service->config.group.nodes; i++) {
        if (i + 1 != g->service->number && !g->is_asked[i]) ask(g, i, pbts_writer_span(&writer));
    }
}

static void listen_until(kms_gossip *g, uint64_t until_ms) {
    service_counters *counters = &g->service->counters;
    for (uint64_t now = pbts_clock_mono_ms(); now < until_ms && !atomic_load(&g->stops);
         now = pbts_clock_mono_ms()) {
        pbts_http_answer answer;
        if (!pbts_http_client_wait(g->client, &answer, (uint32_t)(until_ms - now))) continue;
        g->is_asked[answer.server] = false;
        atomic_fetch_add(&counters->gossip_asked, 1);
        if (answer.status == 200) {
            service_hear(g->service, answer.body);
            service_tick(g->service);
        } else {
            atomic_fetch_add(&counters->gossip_failed, 1);
        }
    }
}

static void *loop(void *argument) {
    kms_gossip *g = argument;
    while (!atomic_load(&g->stops)) {
        service_tick(g->service);
        ask_all(g);
        listen_until(g, pbts_clock_mono_ms() + g->service->config.poll_ms);
    }
    return NULL;
}

pbts_status gossip_start(kms_gossip **out, kms_service *service) {
    kms_gossip *g = calloc(1, sizeof *g);
    if (g == NULL) return PBTS_NO_MEMORY;
    g->service = service;
    pbts_status status = pbts_http_client_new(&g->client, NULL);
    if (status == PBTS_OK && !(home_path(g->certificate, service->config.data, "tls.crt") &&
                               home_path(g->key, service->config.data, "tls.key")))
        status = PBTS_IO;
    if (status == PBTS_OK) {
        pbts_http_client_identify(g->client, g->certificate, g->key);
        if (pthread_create(&g->thread, NULL, loop, g) != 0) status = PBTS_IO;
    }
    if (status == PBTS_OK) {
        *out = g;
        return PBTS_OK;
    }
    pbts_http_client_free(g->client);
    free(g);
    return status;
}

void gossip_stop(kms_gossip *g) {
    if (g == NULL) return;
    atomic_store(&g->stops, true);
    pbts_http_client_wake(g->client);
    (void)pthread_join(g->thread, NULL);
    pbts_http_client_free(g->client);
    free(g);
}
