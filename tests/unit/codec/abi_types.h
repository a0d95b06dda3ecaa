/* Contract types read from text, such as "(address,bytes13[2])[]", and values of them as JSON or
 * ABI: what drives codec/abi.c in tests with types that are only known when they run. */
#ifndef PBTS_TEST_CODEC_ABI_TYPES_H
#define PBTS_TEST_CODEC_ABI_TYPES_H

#include "codec/abi.h"
#include "eth/vectors.h"

enum { TYPE_MEMBERS_MAX = 16 };

typedef struct abi_type {
    enum { INTEGER, ADDRESS, FIXED, BYTES, TUPLE, ARRAY } kind;
    size_t len;          /* of FIXED; the items of ARRAY, 0 for T[] */
    bool dynamic_len;    /* ARRAY: T[] */
    size_t member_count; /* of TUPLE; 1 in ARRAY */
    struct abi_type *members[TYPE_MEMBERS_MAX];
} abi_type;

static inline abi_type *type_new(void) {
    abi_type *type = calloc(1, sizeof *type);
    assert_non_null(type);
    return type;
}

static inline void type_free(abi_type *type) {
    for (size_t i = 0; i < type->member_count; i++) type_free(type->members[i]);
    free(type);
}

static inline bool type_take(const char **text, const char *word) {
    if (strncmp(*text, word, strlen(word)) != 0) return false;
    *text += strlen(word);
    return true;
}

static inline size_t type_take_number(const char **text) {
    char *end = NULL;
    size_t number = strtoul(*text, &end, 10);
    *text = end;
    return number;
}

static inline abi_type *type_parse(const char **text) {
    abi_type *type = type_new();
    (void)type_take(text, "tuple");
    if (type_take(text, "(")) {
        type->kind = TUPLE;
        while (!type_take(text, ")")) {
            assert_true(type->member_count < TYPE_MEMBERS_MAX);
            type->members[type->member_count++] = type_parse(text);
            (void)type_take(text, ",");
        }
    } else if (type_take(text, "address")) {
        type->kind = ADDRESS;
    } else if (type_take(text, "string")) {
        type->kind = BYTES;
    } else if (type_take(text, "bytes")) {
        type->len = type_take_number(text);
        type->kind = type->len > 0 ? FIXED : BYTES;
    } else {
        assert_true(type_take(text, "uint") || type_take(text, "int"));
        (void)type_take_number(text);
        type->kind = INTEGER;
    }
    while (type_take(text, "[")) {
        abi_type *array = type_new();
        array->kind = ARRAY;
        array->dynamic_len = **text == ']';
        array->len = type_take_number(text);
        array->members[array->member_count++] = type;
        assert_true(type_take(text, "]"));
        type = array;
    }
    return type;
}

static inline bool type_is_dynamic(const abi_type *type) {
    if (type->kind == BYTES || type->dynamic_len) return true;
    for (size_t i = 0; i < type->member_count; i++) {
        if (type_is_dynamic(type->members[i])) return true;
    }
    return false;
}

/* The words of what a tuple or static array is made of. */
static inline size_t type_inner_words(const abi_type *type);

static inline size_t type_words(const abi_type *type) {
    if (type_is_dynamic(type) || type->member_count == 0) return type->kind == TUPLE ? 0 : 1;
    return type_inner_words(type);
}

static inline size_t type_head_words(const abi_type *type) {
    return type_is_dynamic(type) ? 1 : type_words(type);
}

static inline size_t type_inner_words(const abi_type *type) {
    size_t words = 0;
    for (size_t i = 0; i < type->member_count; i++) words += type_head_words(type->members[i]);
    return type->kind == ARRAY ? words * type->len : words;
}

/* A decimal number, maybe negative, as a word. */
static inline pbts_u256 type_number(const char *digits) {
    pbts_u256 value = { { 0 } };
    bool negative = *digits == '-';
    for (digits += negative; *digits != 0; digits++) {
        pbts_u256 digit = pbts_u256_from_u64((uint64_t)(*digits - '0'));
        assert_int_equal(pbts_u256_multiply_u64(&value, &value, 10), PBTS_OK);
        assert_int_equal(pbts_u256_add(&value, &value, &digit), PBTS_OK);
    }
    if (negative) { /* its two's complement: all bits of value - 1 the other way round */
        size_t i = sizeof value.bytes;
        while (i > 0 && value.bytes[--i]-- == 0) {
        }
        for (i = 0; i < sizeof value.bytes; i++) value.bytes[i] = (uint8_t)~value.bytes[i];
    }
    return value;
}

/* ---- a value of ethers: [..] or {"type", "value"} ---- */

static inline void put_json(pbts_abi_tuple *tuple, const abi_type *type, const json_t *value);

static inline void put_json_members(pbts_abi_tuple *tuple, const abi_type *type,
                                    const json_t *values) {
    size_t i;
    const json_t *value;
    json_array_foreach(values, i, value) {
        put_json(tuple, type->members[type->kind == TUPLE ? i : 0], value);
    }
}

static inline void put_json_leaf(pbts_abi_tuple *tuple, const abi_type *type, const char *text) {
    bool hex = strncmp(text, "0x", 2) == 0;
    pbts_span bytes = hex ? vectors_unhex(text) : pbts_span_text(text);
    pbts_u256 number;
    switch (type->kind) {
    case INTEGER:
        number = type_number(text);
        pbts_abi_put_u256(tuple, &number);
        break;
    case ADDRESS:
        assert_int_equal(bytes.len, PBTS_ABI_ADDRESS_LEN);
        pbts_abi_put_address(tuple, bytes.data);
        break;
    case FIXED:
        assert_int_equal(bytes.len, type->len);
        pbts_abi_put_bytes_fixed(tuple, bytes);
        break;
    default: pbts_abi_put_bytes(tuple, bytes); break;
    }
    if (hex) vectors_free(bytes);
}

static inline void put_json(pbts_abi_tuple *tuple, const abi_type *type, const json_t *value) {
    if (json_is_object(value)) value = json_object_get(value, "value");
    if (type->kind != TUPLE && type->kind != ARRAY) {
        put_json_leaf(tuple, type, json_string_value(value));
        return;
    }
    if (!type_is_dynamic(type)) {
        put_json_members(tuple, type, value);
        return;
    }
    size_t count = json_array_size(value), words = type_inner_words(type);
    if (type->dynamic_len) words = count * type_head_words(type->members[0]);
    pbts_abi_tuple inner = type->dynamic_len ? pbts_abi_put_array(tuple, count, words)
                                             : pbts_abi_put_tuple(tuple, words);
    put_json_members(&inner, type, value);
    pbts_abi_close(&inner);
}

/* ---- from ABI to ABI: what is read is written again ---- */

static inline pbts_status copy_value(pbts_abi_tuple *to, pbts_abi_reader *from,
                                     const abi_type *type);

static inline pbts_status copy_members(pbts_abi_tuple *to, pbts_abi_reader *from,
                                       const abi_type *type, size_t count) {
    for (size_t i = 0; i < count; i++) {
        PBTS_TRY(copy_value(to, from, type->members[type->kind == TUPLE ? i : 0]));
    }
    return PBTS_OK;
}

static inline pbts_status copy_leaf(pbts_abi_tuple *to, pbts_abi_reader *from,
                                    const abi_type *type) {
    uint8_t word[PBTS_ABI_WORD_LEN];
    pbts_span bytes;
    switch (type->kind) {
    case INTEGER:
        PBTS_TRY(pbts_abi_read_word(from, word));
        pbts_abi_put_word(to, word);
        return PBTS_OK;
    case ADDRESS:
        PBTS_TRY(pbts_abi_read_address(from, word));
        pbts_abi_put_address(to, word);
        return PBTS_OK;
    case FIXED:
        PBTS_TRY(pbts_abi_read_bytes_fixed(from, word, type->len));
        pbts_abi_put_bytes_fixed(to, (pbts_span){ word, type->len });
        return PBTS_OK;
    default:
        PBTS_TRY(pbts_abi_read_bytes(from, &bytes));
        pbts_abi_put_bytes(to, bytes);
        return PBTS_OK;
    }
}

static inline pbts_status copy_value(pbts_abi_tuple *to, pbts_abi_reader *from,
                                     const abi_type *type) {
    pbts_abi_reader items;
    size_t count = type->kind == TUPLE ? type->member_count : type->len;
    if (type->kind != TUPLE && type->kind != ARRAY) return copy_leaf(to, from, type);
    if (!type_is_dynamic(type)) return copy_members(to, from, type, count);
    size_t words = type_inner_words(type);
    if (type->dynamic_len) {
        size_t item_words = type_head_words(type->members[0]);
        PBTS_TRY(pbts_abi_read_array(from, &items, &count, item_words));
        words = count * item_words;
    } else {
        PBTS_TRY(pbts_abi_read_tuple(from, &items));
    }
    pbts_abi_tuple inner =
        type->dynamic_len ? pbts_abi_put_array(to, count, words) : pbts_abi_put_tuple(to, words);
    return copy_members(&inner, &items, type, count);
}

#endif
