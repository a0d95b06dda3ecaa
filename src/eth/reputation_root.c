#include "eth/reputation_root.h"

#include "base/assert.h"

enum { IS_NEW = 1, GROWS = 2, SETS = 4, LONG = 0x8000 };

#define U40_MAX ((UINT64_C(1) << 40) - 1)

/* Ascending by user_no, no two equal. */
struct pbts_reputation_tree {
    pbts_mem *mem;
    pbts_reputation_account *accounts;
    uint32_t count, users_max; /* count <= users_max */
};

pbts_status pbts_reputation_tree_new(pbts_reputation_tree **out, pbts_mem *mem,
                                     uint32_t users_max) {
    assert(users_max <= PBTS_USERS_MAX);
    pbts_reputation_tree *tree = pbts_alloc(mem, sizeof *tree);
    if (tree == NULL) return PBTS_NO_MEMORY;
    tree->mem = mem;
    tree->users_max = users_max;
    *out = tree;
    return PBTS_OK;
}

void pbts_reputation_tree_free(pbts_reputation_tree *tree) {
    if (tree == NULL) return;
    pbts_release(tree->mem, tree->accounts);
    pbts_release(tree->mem, tree);
}

uint32_t pbts_reputation_tree_count(const pbts_reputation_tree *tree) {
    return tree->count;
}

const pbts_reputation_account *pbts_reputation_tree_at(const pbts_reputation_tree *tree,
                                                       uint32_t index) {
    assert(index < tree->count);
    return &tree->accounts[index];
}

/* How many accounts have a number below this one. */
static uint32_t place_of(const pbts_reputation_tree *tree, uint32_t user_no) {
    uint32_t low = 0, high = tree->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tree->accounts[middle].user_no < user_no) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const pbts_reputation_account *pbts_reputation_tree_find(const pbts_reputation_tree *tree,
                                                         uint32_t user_no, uint32_t *index) {
    uint32_t place = place_of(tree, user_no);
    if (place == tree->count || tree->accounts[place].user_no != user_no) return NULL;
    if (index != NULL) *index = place;
    return &tree->accounts[place];
}

/* ---- leaves ---- */

void pbts_reputation_leaf(uint8_t out[static PBTS_REPUTATION_LEAF_LEN],
                          const pbts_reputation_account *account) {
    pbts_u256 word = pbts_reputation_word_pack(&account->word);
    uint8_t key_hash[PBTS_SHA256_LEN];
    pbts_writer leaf = pbts_writer_over(out, PBTS_REPUTATION_LEAF_LEN);
    pbts_sha256(key_hash, PBTS_SPAN_OF(account->public_key.bytes));
    pbts_write_bytes(&leaf, PBTS_SPAN_OF(account->uid_hash));
    pbts_write_bytes(&leaf, PBTS_SPAN_OF(word.bytes));
    pbts_write_bytes(&leaf, PBTS_SPAN_OF(key_hash));
    pbts_write_u32(&leaf, account->user_no);
    assert(!leaf.failed && leaf.len == PBTS_REPUTATION_LEAF_LEN);
}

void pbts_reputation_tree_root(const pbts_reputation_tree *tree, uint8_t out[static 32]) {
    pbts_hash_tree hashes;
    uint8_t leaf[PBTS_REPUTATION_LEAF_LEN];
    pbts_hash_tree_init(&hashes);
    for (uint32_t i = 0; i < tree->count; i++) {
        pbts_reputation_leaf(leaf, &tree->accounts[i]);
        pbts_hash_tree_add(&hashes, PBTS_SPAN_OF(leaf));
    }
    pbts_hash_tree_root(&hashes, out);
}

pbts_status
pbts_reputation_root_prove(const pbts_reputation_tree *tree, uint32_t user_no, uint32_t *index,
                           uint8_t path[static PBTS_HASH_TREE_HEIGHT_MAX][PBTS_SHA256_LEN],
                           size_t *path_len) {
    uint8_t leaf[PBTS_REPUTATION_LEAF_LEN];
    uint32_t place;
    if (pbts_reputation_tree_find(tree, user_no, &place) == NULL) return PBTS_NOT_FOUND;
    uint8_t(*hashes)[PBTS_SHA256_LEN] = pbts_alloc_array(tree->mem, tree->count, sizeof *hashes);
    if (hashes == NULL) return PBTS_NO_MEMORY;
    for (uint32_t i = 0; i < tree->count; i++) {
        pbts_reputation_leaf(leaf, &tree->accounts[i]);
        pbts_hash_tree_leaf(hashes[i], PBTS_SPAN_OF(leaf));
    }
    *path_len = pbts_hash_tree_prove(path, hashes, tree->count, place);
    *index = place;
    pbts_release(tree->mem, hashes);
    return PBTS_OK;
}

/* ---- data ---- */

static void write_varint(pbts_writer *writer, uint64_t value) {
    for (; value >= 0x80; value >>= 7) pbts_write_u8(writer, (uint8_t)(value | 0x80));
    pbts_write_u8(writer, (uint8_t)value);
}

static void write_u40(pbts_writer *writer, uint64_t value) {
    pbts_write_u8(writer, (uint8_t)(value >> 32));
    pbts_write_u32(writer, (uint32_t)value);
}

/* PBTS_MALFORMED: cut short, above 64 bits, or not the shortest form. */
static pbts_status read_varint(pbts_cursor *cursor, uint64_t *out) {
    uint64_t value = 0;
    uint8_t byte;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (pbts_read_u8(cursor, &byte) != PBTS_OK) return PBTS_MALFORMED;
        if (shift == 63 && byte > 1) return PBTS_MALFORMED;
        value |= (uint64_t)(byte & 0x7F) << shift;
        if ((byte & 0x80) != 0) continue;
        if (byte == 0 && shift > 0) return PBTS_MALFORMED;
        *out = value;
        return PBTS_OK;
    }
    return PBTS_MALFORMED;
}

typedef struct {
    uint32_t user_no;
    bool is_new, sets;               /* never both */
    pbts_reputation_account account; /* of a new one: who; word: the increase, or what is set */
} entry;

static bool is_short(const entry *e, uint64_t gap) {
    const pbts_reputation_word *by = &e->account.word;
    return !e->is_new && !e->sets && gap < LONG && by->generation == 0 && by->up_bytes <= U40_MAX &&
           by->down_bytes <= U40_MAX;
}

static void write_entry(pbts_writer *writer, const entry *e, uint32_t gap) {
    const pbts_reputation_word *by = &e->account.word;
    bool grows = by->generation > 0;
    if (is_short(e, gap)) {
        pbts_write_u16(writer, (uint16_t)gap);
        write_u40(writer, by->up_bytes);
        write_u40(writer, by->down_bytes);
        return;
    }
    pbts_write_u16(writer, (uint16_t)(LONG | (e->sets ? SETS : 0) | (grows ? GROWS : 0) |
                                      (e->is_new ? IS_NEW : 0)));
    write_varint(writer, gap);
    if (e->is_new) {
        pbts_write_bytes(writer, PBTS_SPAN_OF(e->account.uid_hash));
        pbts_write_bytes(writer, PBTS_SPAN_OF(e->account.public_key.bytes));
    }
    write_varint(writer, by->up_bytes);
    write_varint(writer, by->down_bytes);
    if (grows) write_varint(writer, by->generation);
}

static bool same_user(const pbts_reputation_account *a, const pbts_reputation_account *b) {
    return memcmp(a->uid_hash, b->uid_hash, sizeof a->uid_hash) == 0 &&
           memcmp(a->public_key.bytes, b->public_key.bytes, sizeof a->public_key.bytes) == 0;
}

static bool falls(const pbts_reputation_word *from, const pbts_reputation_word *to) {
    return to->up_bytes < from->up_bytes || to->down_bytes < from->down_bytes ||
           to->generation < from->generation;
}

pbts_status pbts_reputation_tree_entry(const pbts_reputation_tree *tree, pbts_writer *data,
                                       const pbts_reputation_account *account,
                                       uint32_t previous_no) {
    static const pbts_reputation_word NOTHING = { 0 };
    uint8_t bytes[PBTS_REPUTATION_ROOT_ENTRY_MAX];
    pbts_writer writer = pbts_writer_over(bytes, sizeof bytes);
    const pbts_reputation_account *old = pbts_reputation_tree_find(tree, account->user_no, NULL);
    const pbts_reputation_word *from = old != NULL ? &old->word : &NOTHING;
    if (account->user_no <= previous_no) return PBTS_MALFORMED;
    if (old != NULL && !same_user(old, account)) return PBTS_MALFORMED;
    entry next = { .user_no = account->user_no,
                   .is_new = old == NULL,
                   .sets = falls(from, &account->word),
                   .account = *account };
    if (!next.sets) {
        next.account.word = (pbts_reputation_word){
            .up_bytes = account->word.up_bytes - from->up_bytes,
            .down_bytes = account->word.down_bytes - from->down_bytes,
            .generation = account->word.generation - from->generation,
        };
    }
    write_entry(&writer, &next, account->user_no - previous_no - 1);
    assert(!writer.failed);
    if (data->failed || data->capacity - data->len < writer.len) return PBTS_NO_SPACE;
    pbts_write_bytes(data, pbts_writer_span(&writer));
    return PBTS_OK;
}

/* ---- replay ---- */

static pbts_status read_u40(pbts_cursor *data, uint64_t *out) {
    uint8_t high;
    uint32_t low;
    PBTS_TRY(pbts_read_u8(data, &high));
    PBTS_TRY(pbts_read_u32(data, &low));
    *out = (uint64_t)high << 32 | low;
    return PBTS_OK;
}

static pbts_status read_who(pbts_cursor *data, pbts_reputation_account *account) {
    PBTS_TRY(pbts_read_bytes(data, account->uid_hash, sizeof account->uid_hash));
    return pbts_read_bytes(data, account->public_key.bytes, sizeof account->public_key.bytes);
}

static pbts_status read_long(pbts_cursor *data, uint16_t flags, entry *out, uint64_t *gap) {
    pbts_reputation_word *by = &out->account.word;
    uint64_t generation = 0;
    if ((flags & ~(LONG | SETS | IS_NEW | GROWS)) != 0) return PBTS_MALFORMED;
    out->is_new = (flags & IS_NEW) != 0;
    out->sets = (flags & SETS) != 0;
    if (out->is_new && out->sets) return PBTS_MALFORMED;
    PBTS_TRY(read_varint(data, gap));
    if (out->is_new && read_who(data, &out->account) != PBTS_OK) return PBTS_MALFORMED;
    PBTS_TRY(read_varint(data, &by->up_bytes));
    PBTS_TRY(read_varint(data, &by->down_bytes));
    if ((flags & GROWS) != 0) {
        PBTS_TRY(read_varint(data, &generation));
        if (generation == 0 || generation > UINT32_MAX) return PBTS_MALFORMED;
    }
    by->generation = (uint32_t)generation;
    return is_short(out, *gap) ? PBTS_MALFORMED : PBTS_OK;
}

static pbts_status read_entry(pbts_cursor *data, uint32_t previous_no, entry *out) {
    pbts_reputation_word by = { 0 };
    entry read = { 0 };
    uint16_t first;
    uint64_t gap;
    if (pbts_read_u16(data, &first) != PBTS_OK) return PBTS_MALFORMED;
    if ((first & LONG) != 0) {
        PBTS_TRY(read_long(data, first, &read, &gap));
    } else {
        gap = first;
        if (read_u40(data, &by.up_bytes) != PBTS_OK || read_u40(data, &by.down_bytes) != PBTS_OK)
            return PBTS_MALFORMED;
        read.account.word = by;
    }
    if (gap >= UINT32_MAX - previous_no) return PBTS_MALFORMED;
    read.user_no = previous_no + 1 + (uint32_t)gap;
    read.account.user_no = read.user_no;
    *out = read;
    return PBTS_OK;
}

static bool increase(pbts_reputation_word *word, const pbts_reputation_word *by) {
    if (by->up_bytes > UINT64_MAX - word->up_bytes) return false;
    if (by->down_bytes > UINT64_MAX - word->down_bytes) return false;
    if (by->generation > UINT32_MAX - word->generation) return false;
    word->up_bytes += by->up_bytes;
    word->down_bytes += by->down_bytes;
    word->generation += by->generation;
    return true;
}

/* An old account's. There is one form for each change, so what is set falls. */
static bool change(pbts_reputation_word *word, const entry *by) {
    if (!by->sets) return increase(word, &by->account.word);
    if (!falls(word, &by->account.word)) return false;
    *word = by->account.word;
    return true;
}

/* Whether all entries can be applied, and how many accounts are new. */
static pbts_status check_data(const pbts_reputation_tree *tree, pbts_span data,
                              uint32_t *new_count) {
    pbts_cursor cursor = pbts_cursor_over(data);
    entry next = { 0 };
    *new_count = 0;
    while (pbts_cursor_left(&cursor) > 0) {
        PBTS_TRY(read_entry(&cursor, next.user_no, &next));
        const pbts_reputation_account *old = pbts_reputation_tree_find(tree, next.user_no, NULL);
        if ((old == NULL) != next.is_new) return PBTS_MALFORMED;
        if (old != NULL) {
            pbts_reputation_word word = old->word;
            if (!change(&word, &next)) return PBTS_MALFORMED;
        } else if (++*new_count > tree->users_max - tree->count) {
            return PBTS_LIMIT;
        }
    }
    return PBTS_OK;
}

/* Old accounts and entries are both ascending: merge them, from the checked data. */
static void merge(pbts_reputation_account *out, const pbts_reputation_tree *tree, pbts_span data) {
    pbts_cursor cursor = pbts_cursor_over(data);
    entry next = { 0 };
    uint32_t old = 0;
    while (pbts_cursor_left(&cursor) > 0) {
        pbts_status status = read_entry(&cursor, next.user_no, &next);
        assert(status == PBTS_OK);
        while (old < tree->count && tree->accounts[old].user_no < next.user_no) {
            *out++ = tree->accounts[old++];
        }
        if (next.is_new) {
            *out++ = next.account;
        } else {
            *out = tree->accounts[old++];
            bool fits = change(&out++->word, &next);
            assert(fits);
        }
    }
    while (old < tree->count) *out++ = tree->accounts[old++];
}

/* The same when nobody is new: most batches of a long history. */
static void apply_in_place(pbts_reputation_tree *tree, pbts_span data) {
    pbts_cursor cursor = pbts_cursor_over(data);
    entry next = { 0 };
    while (pbts_cursor_left(&cursor) > 0) {
        pbts_status status = read_entry(&cursor, next.user_no, &next);
        assert(status == PBTS_OK);
        bool fits = change(&tree->accounts[place_of(tree, next.user_no)].word, &next);
        assert(fits);
    }
}

pbts_status pbts_reputation_tree_apply(pbts_reputation_tree *tree, pbts_span data) {
    uint32_t new_count;
    PBTS_TRY(check_data(tree, data, &new_count));
    uint32_t count = tree->count + new_count;
    if (new_count == 0) {
        apply_in_place(tree, data);
        return PBTS_OK;
    }
    pbts_reputation_account *accounts = pbts_alloc_array(tree->mem, count, sizeof *accounts);
    if (accounts == NULL) return PBTS_NO_MEMORY;
    merge(accounts, tree, data);
    pbts_release(tree->mem, tree->accounts);
    tree->accounts = accounts;
    tree->count = count;
    return PBTS_OK;
}

pbts_status pbts_reputation_data_next(pbts_cursor *data, uint32_t *user_no) {
    entry next;
    if (pbts_cursor_left(data) == 0) return PBTS_NEED_MORE;
    PBTS_TRY(read_entry(data, *user_no, &next));
    *user_no = next.user_no;
    return PBTS_OK;
}

pbts_status pbts_reputation_tree_set(pbts_reputation_tree *tree,
                                     const pbts_reputation_account *accounts, uint32_t count) {
    pbts_reputation_account *copy = NULL;
    if (count > tree->users_max) return PBTS_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t least = i == 0 ? 1 : accounts[i - 1].user_no + 1;
        if (accounts[i].user_no < least || least == 0) return PBTS_MALFORMED;
    }
    if (count > 0) {
        copy = pbts_alloc_array(tree->mem, count, sizeof *copy);
        if (copy == NULL) return PBTS_NO_MEMORY;
        memcpy(copy, accounts, count * sizeof *copy);
    }
    pbts_release(tree->mem, tree->accounts);
    tree->accounts = copy;
    tree->count = count;
    return PBTS_OK;
}

pbts_status pbts_reputation_root_verify(const uint8_t root[static 32], uint32_t user_count,
                                        const pbts_reputation_account *account, uint32_t index,
                                        const uint8_t (*path)[PBTS_SHA256_LEN], size_t path_len) {
    uint8_t leaf[PBTS_REPUTATION_LEAF_LEN];
    pbts_reputation_leaf(leaf, account);
    return pbts_hash_tree_check(root, user_count, index, PBTS_SPAN_OF(leaf), path, path_len);
}
