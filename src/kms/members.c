#include "kms/members.h"

#include "codec/text.h"
#include "codec/words.h"

static bool is_number(pbts_span word, size_t number) {
    uint8_t text[8];
    pbts_writer writer = pbts_writer_over(text, sizeof text);
    pbts_write_decimal(&writer, number);
    return pbts_span_equal(word, pbts_writer_span(&writer));
}

static bool read_url(char out[static PBTS_KMS_URL_MAX], pbts_span url) {
    static const char SCHEME[] = "https://";
    size_t scheme = sizeof SCHEME - 1;
    while (url.len > scheme && url.data[url.len - 1] == '/') url.len--;
    if (url.len <= scheme || url.len >= PBTS_KMS_URL_MAX || memcmp(url.data, SCHEME, scheme) != 0)
        return false;
    for (size_t i = 0; i < url.len; i++) {
        if (url.data[i] < 0x21 || url.data[i] > 0x7e) return false;
    }
    memcpy(out, url.data, url.len);
    out[url.len] = '\0';
    return true;
}

/* Written again, so that equal pins are equal texts. */
static bool read_pin(char out[static PBTS_KMS_PIN_MAX], pbts_span pin) {
    uint8_t digest[PBTS_SHA256_LEN];
    if (pbts_base64_decode_exact(digest, sizeof digest, pin) != PBTS_OK) return false;
    pbts_writer writer = pbts_writer_over((uint8_t *)out, PBTS_KMS_PIN_MAX);
    pbts_write_text(&writer, "sha256//");
    pbts_base64_encode(&writer, PBTS_SPAN_OF(digest));
    pbts_write_u8(&writer, 0);
    return !writer.failed;
}

static pbts_status read_member(pbts_kms_members *out, pbts_span line) {
    if (out->nodes == PBTS_KMS_NODES_MAX) return PBTS_LIMIT;
    size_t i = out->nodes;
    if (!is_number(pbts_take_word(&line), i + 1) ||
        !read_url(out->urls[i], pbts_take_word(&line)) ||
        pbts_hex_decode_exact(out->keys[i].bytes, PBTS_BLS_PUBLIC_LEN, pbts_take_word(&line)) !=
            PBTS_OK ||
        !read_pin(out->pins[i], pbts_take_word(&line)) || pbts_take_word(&line).len != 0)
        return PBTS_MALFORMED;
    out->nodes++;
    return PBTS_OK;
}

pbts_status pbts_kms_members_parse(pbts_kms_members *out, size_t *line, pbts_span text) {
    pbts_kms_members members = { 0 };
    *line = 0;
    if (text.len > PBTS_KMS_MEMBERS_LEN_MAX) return PBTS_LIMIT;
    while (text.len > 0) {
        ++*line;
        pbts_span part = pbts_trim(pbts_take_until(&text, '\n'));
        if (part.len == 0 || part.data[0] == '#') continue;
        PBTS_TRY(read_member(&members, part));
    }
    *out = members;
    return PBTS_OK;
}
