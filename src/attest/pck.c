#include "attest/pck.h"

enum {
    DER_INTEGER = 0x02,
    DER_OCTETS = 0x04,
    DER_OID = 0x06,
    DER_SEQUENCE = 0x30,
    PART_TCB = 2,
    PART_PCEID = 3,
    PART_FMSPC = 4,
    TCB_PCESVN = 17,
    TCB_CPUSVN = 18,
};

/* 1.2.840.113741.1.13.1 */
static const uint8_t PREFIX[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d, 0x01, 0x0d, 0x01 };

/* ---- DER ---- */

static pbts_status read_length(pbts_cursor *cursor, size_t *out) {
    uint8_t first;
    uint16_t wide = 0;
    PBTS_TRY(pbts_read_u8(cursor, &first));
    if (first < 0x80) {
        *out = first;
        return PBTS_OK;
    }
    if (first == 0x81) {
        uint8_t narrow;
        PBTS_TRY(pbts_read_u8(cursor, &narrow));
        wide = narrow;
        if (wide < 0x80) return PBTS_MALFORMED;
    } else if (first == 0x82) {
        PBTS_TRY(pbts_read_u16(cursor, &wide));
        if (wide < 0x100) return PBTS_MALFORMED;
    } else {
        return PBTS_MALFORMED;
    }
    *out = wide;
    return PBTS_OK;
}

static pbts_status read_element(pbts_cursor *cursor, uint8_t *tag, pbts_span *content) {
    size_t len;
    PBTS_TRY(pbts_read_u8(cursor, tag));
    PBTS_TRY(read_length(cursor, &len));
    return pbts_read_span(cursor, content, len);
}

static pbts_status read_tagged(pbts_cursor *cursor, uint8_t tag_wanted, pbts_span *content) {
    uint8_t tag;
    PBTS_TRY(read_element(cursor, &tag, content));
    return tag == tag_wanted ? PBTS_OK : PBTS_MALFORMED;
}

/* A number from 0 to 65535, in its shortest form. */
static pbts_status number_of(uint16_t *out, uint8_t tag, pbts_span content) {
    uint32_t value = 0;
    if (tag != DER_INTEGER || content.len == 0 || content.len > 3) return PBTS_MALFORMED;
    if ((content.data[0] & 0x80) != 0) return PBTS_MALFORMED;
    if (content.len > 1 && content.data[0] == 0 && (content.data[1] & 0x80) == 0)
        return PBTS_MALFORMED;
    for (size_t i = 0; i < content.len; i++) value = value << 8 | content.data[i];
    if (value > UINT16_MAX) return PBTS_MALFORMED;
    *out = (uint16_t)value;
    return PBTS_OK;
}

static pbts_status octets_of(uint8_t *out, size_t len, uint8_t tag, pbts_span content) {
    if (tag != DER_OCTETS || content.len != len) return PBTS_MALFORMED;
    memcpy(out, content.data, len);
    return PBTS_OK;
}

/* ---- the extension ---- */

typedef struct {
    uint8_t number; /* the OID's last arc below `prefix`; 0: another OID */
    uint8_t tag;
    pbts_span value;
} part;

/* SEQUENCE { OID, value } */
static pbts_status read_part(pbts_cursor *cursor, pbts_span prefix, part *out) {
    pbts_span inside, oid;
    PBTS_TRY(read_tagged(cursor, DER_SEQUENCE, &inside));
    pbts_cursor at = pbts_cursor_over(inside);
    PBTS_TRY(read_tagged(&at, DER_OID, &oid));
    PBTS_TRY(read_element(&at, &out->tag, &out->value));
    if (pbts_cursor_left(&at) != 0) return PBTS_MALFORMED;
    bool ours = oid.len == prefix.len + 1 && memcmp(oid.data, prefix.data, prefix.len) == 0 &&
                oid.data[prefix.len] < 32;
    out->number = ours ? oid.data[prefix.len] : 0;
    return PBTS_OK;
}

/* Each number once; `seen` has a bit for each. */
static pbts_status mark(uint32_t *seen, uint8_t number) {
    uint32_t bit = UINT32_C(1) << number;
    if (number != 0 && (*seen & bit) != 0) return PBTS_MALFORMED;
    *seen |= bit;
    return PBTS_OK;
}

static pbts_status take_tcb_part(pbts_pck *pck, const part *from) {
    uint16_t svn;
    if (from->number == 0 || from->number > TCB_CPUSVN) return PBTS_MALFORMED;
    if (from->number == TCB_CPUSVN)
        return octets_of(pck->cpusvn, sizeof pck->cpusvn, from->tag, from->value);
    PBTS_TRY(number_of(&svn, from->tag, from->value));
    if (from->number == TCB_PCESVN) {
        pck->pcesvn = svn;
        return PBTS_OK;
    }
    if (svn > UINT8_MAX) return PBTS_MALFORMED;
    pck->sgx_svn[from->number - 1] = (uint8_t)svn;
    return PBTS_OK;
}

static pbts_status take_tcb(pbts_pck *pck, const part *tcb) {
    uint8_t prefix[sizeof PREFIX + 1];
    uint32_t seen = 0, all = ((UINT32_C(1) << (TCB_CPUSVN + 1)) - 1) & ~UINT32_C(1);
    pbts_cursor cursor = pbts_cursor_over(tcb->value);
    if (tcb->tag != DER_SEQUENCE) return PBTS_MALFORMED;
    memcpy(prefix, PREFIX, sizeof PREFIX);
    prefix[sizeof PREFIX] = PART_TCB;
    while (pbts_cursor_left(&cursor) > 0) {
        part each;
        PBTS_TRY(read_part(&cursor, PBTS_SPAN_OF(prefix), &each));
        PBTS_TRY(mark(&seen, each.number));
        PBTS_TRY(take_tcb_part(pck, &each));
    }
    return seen == all ? PBTS_OK : PBTS_MALFORMED;
}

static pbts_status take_part(pbts_pck *pck, const part *from) {
    switch (from->number) {
    case PART_TCB: return take_tcb(pck, from);
    case PART_PCEID: return octets_of(pck->pceid, sizeof pck->pceid, from->tag, from->value);
    case PART_FMSPC: return octets_of(pck->fmspc, sizeof pck->fmspc, from->tag, from->value);
    default: return PBTS_OK;
    }
}

static pbts_status parse(pbts_pck *pck, pbts_span extension) {
    const uint32_t needed = 1U << PART_TCB | 1U << PART_PCEID | 1U << PART_FMSPC;
    pbts_cursor outer = pbts_cursor_over(extension);
    uint32_t seen = 0;
    pbts_span inside;
    PBTS_TRY(read_tagged(&outer, DER_SEQUENCE, &inside));
    if (pbts_cursor_left(&outer) != 0) return PBTS_MALFORMED;
    pbts_cursor cursor = pbts_cursor_over(inside);
    while (pbts_cursor_left(&cursor) > 0) {
        part each;
        PBTS_TRY(read_part(&cursor, PBTS_SPAN_OF(PREFIX), &each));
        PBTS_TRY(mark(&seen, each.number));
        PBTS_TRY(take_part(pck, &each));
    }
    return (seen & needed) == needed ? PBTS_OK : PBTS_MALFORMED;
}

pbts_status pbts_pck_parse(pbts_pck *out, pbts_span extension) {
    pbts_pck pck = { 0 };
    if (parse(&pck, extension) != PBTS_OK) return PBTS_MALFORMED;
    *out = pck;
    return PBTS_OK;
}
