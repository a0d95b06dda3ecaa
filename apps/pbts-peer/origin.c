#include "origin.h"

static bool begins_with(pbts_span text, const char *prefix) {
    size_t len = strlen(prefix);
    return text.len > len && memcmp(text.data, prefix, len) == 0;
}

pbts_span origin_of(pbts_span url) {
    size_t at = 0;
    if (begins_with(url, "http://")) at = sizeof "http://" - 1;
    if (begins_with(url, "https://")) at = sizeof "https://" - 1;
    if (at == 0) return (pbts_span){ NULL, 0 };
    size_t start = at;
    while (at < url.len && strchr("/?#", url.data[at]) == NULL) {
        if (url.data[at] == '@') return (pbts_span){ NULL, 0 };
        at++;
    }
    return at > start ? (pbts_span){ url.data, at } : (pbts_span){ NULL, 0 };
}
