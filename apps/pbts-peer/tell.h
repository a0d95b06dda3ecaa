/* tell.h - what happens, said to people or to programs: plain lines on stderr with the time before
 * them, or with --json one object a line on stdout. Nothing secret goes through here. */
#ifndef PBTS_PEER_TELL_H
#define PBTS_PEER_TELL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Once, at the start. */
void tell_as_json(bool json);
bool tell_is_json(void);

/* `event` names what happened in JSON; `fields` are its details (taken; may be NULL); the text is
 * for people, cleaned of control characters. */
void tell(const char *event, json_t *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* As `tell`, but nothing for people. */
void tell_program(const char *event, json_t *fields);

/* One line that is drawn again and again, on a terminal only; "" takes it away. `tell` goes above
 * it. */
void tell_progress(const char *text);
bool tell_has_terminal(void);

/* "12.3 MB/s"-like numbers in MiB and the like, valid until the next call but seven. */
const char *tell_bytes(uint64_t bytes);
const char *tell_seconds(uint64_t seconds); /* "1:02:03" */

#endif
