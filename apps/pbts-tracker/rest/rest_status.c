/* GET /: the page for people. One answer, nothing fetched from elsewhere, no script; everything
 * that is not a constant is escaped. */
#include "codec/text.h"
#include "rest_parts.h"

enum { PAGE_MAX = 16 * 1024 };

static const char HEAD[] =
    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta name=\"color-scheme\" content=\"light dark\"><title>PBTS tracker</title>\n<style>\n"
    ":root{--ink:#1d2327;--soft:#5d6871;--paper:#fbfbf9;--line:#dcdfe1;--box:#f1f3f2;"
    "--link:#0b5cad}\n"
    "@media(prefers-color-scheme:dark){:root{--ink:#e4e7e9;--soft:#9aa5ad;--paper:#14181b;"
    "--line:#2f373c;--box:#1c2226;--link:#7db8f2}}\n"
    "body{margin:0 auto;max-width:46rem;padding:2rem 1.25rem;background:var(--paper);"
    "color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}"
    "p{margin:.4rem 0}.soft{color:var(--soft)}a{color:var(--link)}\n"
    "dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.75rem;"
    "margin:1.5rem 0}\n"
    "dl div{border:1px solid var(--line);border-radius:.5rem;padding:.6rem .8rem}"
    "dt{color:var(--soft);font-size:.85rem}dd{margin:0;font-size:1.3rem;"
    "font-variant-numeric:tabular-nums}\n"
    "pre,code{font-family:ui-monospace,monospace;font-size:.88rem}"
    "pre{background:var(--box);border:1px solid var(--line);border-radius:.5rem;padding:.8rem;"
    "overflow-x:auto}\n"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid var(--line);"
    "padding:.35rem .5rem .35rem 0;vertical-align:top}.iid{overflow-wrap:anywhere}\n"
    "</style></head><body>\n<h1>PBTS tracker</h1>\n"
    "<p class=\"soft\">A private BitTorrent tracker whose ratios move only by receipts that the "
    "receiving peer signed.</p>\n";

static const char ENDPOINTS[] =
    "<h2>Endpoints</h2>\n<table>\n"
    "<tr><td><a href=\"/health\">/health</a></td><td>is it well?</td></tr>\n"
    "<tr><td><a href=\"/params\">/params</a></td><td>this instance's public parameters</td></tr>\n"
    "<tr><td><a href=\"/contract/status\">/contract/status</a></td><td>the ledger</td></tr>\n"
    "<tr><td><a href=\"/tee/status\">/tee/status</a></td><td>what this runs in</td></tr>\n"
    "<tr><td><a href=\"/metrics\">/metrics</a></td><td>counters for Prometheus</td></tr>\n"
    "<tr><td><code>/user/&lt;uid&gt;</code></td><td>a user's totals and ratio</td></tr>\n"
    "<tr><td><code>/torrents</code></td><td>registered torrents, for users</td></tr>\n"
    "<tr><td><code>POST /register</code></td><td>a new user, with proof of its key</td></tr>\n"
    "<tr><td><code>POST /report</code></td><td>receipts, to be credited</td></tr>\n"
    "<tr><td><code>POST /verify-receipt</code></td><td>check one receipt</td></tr>\n"
    "</table>\n</body></html>\n";

static void write_escaped(pbts_writer *page, const char *text) {
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '<': pbts_write_text(page, "&lt;"); break;
        case '>': pbts_write_text(page, "&gt;"); break;
        case '&': pbts_write_text(page, "&amp;"); break;
        case '"': pbts_write_text(page, "&quot;"); break;
        case '\'': pbts_write_text(page, "&#39;"); break;
        default: pbts_write_u8(page, (uint8_t)*text);
        }
    }
}

static void write_fact(pbts_writer *page, const char *name, uint64_t value, const char *unit) {
    pbts_write_text(page, "<div><dt>");
    pbts_write_text(page, name);
    pbts_write_text(page, "</dt><dd>");
    pbts_write_decimal(page, value);
    pbts_write_text(page, unit);
    pbts_write_text(page, "</dd></div>\n");
}

static void write_facts(pbts_writer *page, struct app *app) {
    pbts_tracker_stats stats;
    pbts_tracker_stats_read(app->tracker, &stats);
    pbts_write_text(page, "<dl>\n");
    write_fact(page, "users", stats.users, "");
    write_fact(page, "torrents", stats.torrents, "");
    write_fact(page, "peers", stats.peers, "");
    write_fact(page, "seeders", stats.seeders, "");
    write_fact(page, "credited since start", stats.credited_bytes >> 20, " MiB");
    write_fact(page, "held", stats.held_bytes >> 20, " MiB");
    write_fact(page, "ledger entries", stats.ledger_sequence + 1, "");
    write_fact(page, "up for", (app_now().mono_s - app->start_mono_s) / 60, " min");
    pbts_write_text(page, "</dl>\n");
}

static void write_how_to(pbts_writer *page, const struct app *app, bool is_open) {
    pbts_write_text(page, "<h2>How to take part</h2>\n");
    if (!is_open) pbts_write_text(page, "<p>Registration is closed: ask an administrator.</p>\n");
    pbts_write_text(page, "<pre>pbts key new --out my.key\npbts register --tracker ");
    write_escaped(page, app->public_url);
    pbts_write_text(page, " --key my.key --uid YOUR-NAME\n</pre>\n"
                          "<p>It prints your own announce URL. Keep it to yourself: it works for "
                          "any BitTorrent client, in your name.</p>\n");
}

static void write_tee(pbts_writer *page, pbts_tee_kind kind) {
    if (kind == PBTS_TEE_NONE) return;
    if (kind == PBTS_TEE_SIMULATOR) {
        pbts_write_text(page, "<p><strong>SIMULATED TEE</strong>: its evidence proves "
                              "nothing.</p>\n");
        return;
    }
    pbts_write_text(page, "<p>It gives evidence of what it runs in (");
    pbts_write_text(page, pbts_tee_kind_text(kind));
    pbts_write_text(page, ").</p>\n");
}

static void write_instance(pbts_writer *page, const struct app *app) {
    pbts_write_text(page, "<h2>This instance</h2>\n<p class=\"iid\"><code>");
    pbts_hex_encode(page, (pbts_span){ pbts_tracker_iid(app->tracker), PBTS_IID_LEN });
    pbts_write_text(page, "</code></p>\n");
    write_tee(page, (pbts_tee_kind)app->config.tee);
    pbts_write_text(page, "<p class=\"soft\">version " PBTS_VERSION "</p>\n");
}

void rest_status_page(struct rest_request *request, const struct rest_caller *caller) {
    struct app *app = request->app;
    uint8_t bytes[PAGE_MAX];
    pbts_writer page = pbts_writer_over(bytes, sizeof bytes);
    pbts_write_text(&page, HEAD);
    write_facts(&page, app);
    write_how_to(&page, app, pbts_tracker_policy(app->tracker).open_registration);
    write_instance(&page, app);
    pbts_write_text(&page, ENDPOINTS);
    rest_reply_header(request, "Content-Security-Policy",
                      "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
                      "base-uri 'none'; form-action 'none'");
    rest_reply_header(request, "Referrer-Policy", "no-referrer");
    rest_reply_header(request, "Cache-Control", "no-cache");
    if (page.failed)
        rest_reply_error(request, 500, "INTERNAL", "the page does not fit its buffer");
    else
        rest_reply_bytes(request, 200, "text/html; charset=utf-8", pbts_writer_span(&page));
}
