/* say.h - messages to people, on stderr, each with the name of the command before it. */
#ifndef PBTS_APPS_SAY_H
#define PBTS_APPS_SAY_H

#include <jansson.h>
#include <stdio.h>

#include "base/cursor.h"

/* The program whose messages these are: "pbts", unless its main says otherwise. */
extern const char *say_program;

/* "pbts: MESSAGE\n", clean (below). Gives back `code`, so that a failure is one statement. */
int say_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
void say_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* "pbts: PATH: what errno says"; PBTS_EXIT_IO. */
int say_errno(const char *path);
/* The same of a status, with what errno says where that is PBTS_IO. */
int say_status(const char *path, pbts_status status);
int say_no_memory(void); /* PBTS_EXIT_IO */

/* Text from a stranger (a tracker, a .torrent, a file name) without the control characters that
 * would steer a terminal: C0, DEL and C1 become '?'. */
void say_clean(FILE *out, pbts_span text);

/* Print JSON, indented, to stdout, and release it; PBTS_EXIT_OK, or PBTS_EXIT_IO when NULL. */
int say_json(json_t *take);
/* Make sure that all of stdout was written; `code`, or PBTS_EXIT_IO. */
int say_flush(int code);

/* "12.5 GiB (13421772800 bytes)" for people; valid until the next call but three. */
const char *say_bytes(unsigned long long bytes);
/* "2026-12-21 09:30:00 UTC", "" when there is no such date; valid until the next call. */
const char *say_time(uint64_t unix_s);
/* "1 receipt", "20 receipts", "2 entries"; valid until the next call but seven. The noun is at most
 * SAY_NOUN_MAX characters. */
enum { SAY_NOUN_MAX = 30 };
const char *say_count(unsigned long long count, const char *noun);

#endif
