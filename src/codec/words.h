/* codec/words.h - taking lines of text apart. Total; what is taken is borrowed from the text. */
#ifndef PBTS_CODEC_WORDS_H
#define PBTS_CODEC_WORDS_H

#include "base/cursor.h"

static inline bool pbts_is_blank(uint8_t c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static inline pbts_span pbts_trim(pbts_span text) {
    while (text.len > 0 && pbts_is_blank(text.data[0]))
        text = (pbts_span){ text.data + 1, text.len - 1 };
    while (text.len > 0 && pbts_is_blank(text.data[text.len - 1])) text.len--;
    return text;
}

/* Up to `end`, which is taken away with it, or all. */
static inline pbts_span pbts_take_until(pbts_span *text, uint8_t end) {
    const uint8_t *at = text->len > 0 ? memchr(text->data, end, text->len) : NULL;
    size_t len = at != NULL ? (size_t)(at - text->data) : text->len;
    pbts_span part = { text->data, len };
    size_t used = at != NULL ? len + 1 : len;
    if (used > 0) *text = (pbts_span){ text->data + used, text->len - used };
    return part;
}

/* The next of the words between blanks; empty after the last. */
static inline pbts_span pbts_take_word(pbts_span *text) {
    *text = pbts_trim(*text);
    pbts_span word = { text->data, 0 };
    while (word.len < text->len && !pbts_is_blank(text->data[word.len])) word.len++;
    if (word.len > 0) *text = (pbts_span){ text->data + word.len, text->len - word.len };
    return word;
}

#endif
