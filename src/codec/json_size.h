/* codec/json_size.h - how big a JSON text is as a tree, before anybody builds the tree: one of
 * empty lists would take fifty times the memory of its text. */
#ifndef PBTS_CODEC_JSON_SIZE_H
#define PBTS_CODEC_JSON_SIZE_H

#include "base/cursor.h"

/* Whether the text opens more than `brackets_max` lists and objects, or has more than `commas_max`
 * commas. Of a text that is no JSON either answer may come. */
static inline bool pbts_json_is_above(pbts_span text, size_t brackets_max, size_t commas_max) {
    size_t brackets = 0, commas = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (in_string && c == '\\') i++;
        if (c == '"') in_string = !in_string;
        if (in_string) continue;
        brackets += c == '[' || c == '{';
        commas += c == ',';
    }
    return brackets > brackets_max || commas > commas_max;
}

#endif
