/* A tracker on a store in a temporary folder, for measuring its checks. Private to bench_forms.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/secret.h"
#include "bench_forms.h"

static bool set_up_instance(forms_tracker *t, const pbts_tracker_config *config) {
    pbts_txn *txn;
    if (pbts_txn_begin(&txn, t->store, true) != PBTS_OK) return false;
    if (pbts_tracker_setup(txn, config, NULL, t->now) != PBTS_OK) {
        pbts_txn_abort(txn);
        return false;
    }
    return pbts_txn_commit(txn) == PBTS_OK;
}

bool forms_tracker_open(forms_tracker *out) {
    const char *base = getenv("TMPDIR");
    const pbts_store_config store = { .size_max_bytes = 64 << 20, .no_sync = true };
    int len = snprintf(out->folder, sizeof out->folder, "%s/pbts-bench-XXXXXX",
                       base != NULL && strlen(base) < 40 ? base : "/tmp");
    if (len < 0 || mkdtemp(out->folder) == NULL) {
        out->folder[0] = '\0';
        return false;
    }
    out->now = (pbts_now){ .unix_s = (uint64_t)time(NULL), .mono_s = 1000 };
    if (pbts_bls_generate(&out->owner, pbts_random_system()) != PBTS_OK) return false;
    if (pbts_store_open(&out->store, out->folder, &store) != PBTS_OK) return false;
    pbts_tracker_config config = { .mem = pbts_mem_system(),
                                   .random = pbts_random_system(),
                                   .store = out->store,
                                   .policy = pbts_policy_default(),
                                   .owner = out->owner };
    bool ok = set_up_instance(out, &config) &&
              pbts_tracker_open(&out->tracker, &config, out->now) == PBTS_OK;
    pbts_wipe(&config.owner, sizeof config.owner);
    return ok;
}

/* The end of a commit of one operation. */
static bool end(pbts_commit *commit, pbts_refusal refusal) {
    if (refusal == PBTS_REFUSAL_NONE) return pbts_commit_end(commit) == PBTS_OK;
    pbts_commit_abort(commit);
    return false;
}

bool forms_tracker_add_user(forms_tracker *t, forms_user *user, const char *uid) {
    uint8_t message[PBTS_MESSAGE_MAX];
    pbts_registration registration = { .uid = pbts_span_text(uid) };
    pbts_checked_registration checked;
    pbts_commit *commit;
    user->uid = uid;
    if (pbts_bls_generate(&user->secret, pbts_random_system()) != PBTS_OK) return false;
    pbts_bls_public_of(&user->key, &user->secret);
    if (pbts_bls_public_decode(&user->point, &user->key) != PBTS_OK) return false;
    registration.key = user->key;
    pbts_writer writer = pbts_writer_over(message, sizeof message);
    pbts_message_register(&writer, pbts_tracker_iid(t->tracker), &user->key, registration.uid);
    pbts_bls_sign(&registration.signature, &user->secret, PBTS_BLS_REGISTER,
                  pbts_writer_span(&writer));
    if (pbts_check_registration(t->tracker, &checked, &registration) != PBTS_REFUSAL_NONE ||
        pbts_commit_begin(&commit, t->tracker, t->now) != PBTS_OK)
        return false;
    return end(commit, pbts_commit_registration(commit, &user->number, &checked, false));
}

bool forms_tracker_add_torrent(forms_tracker *t, const forms_user *user,
                               const pbts_metainfo *meta) {
    pbts_commit *commit;
    uint32_t number;
    if (pbts_commit_begin(&commit, t->tracker, t->now) != PBTS_OK) return false;
    return end(commit, pbts_commit_torrent(commit, &number, user->number, meta));
}

void forms_tracker_close(forms_tracker *t) {
    static const char *const FILES[] = { "data.mdb", "lock.mdb", "writer.lock" };
    char path[96];
    pbts_tracker_free(t->tracker);
    pbts_store_close(t->store);
    pbts_wipe(&t->owner, sizeof t->owner);
    if (t->folder[0] == '\0') return;
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", t->folder, FILES[i]);
        (void)unlink(path);
    }
    (void)rmdir(t->folder);
}
