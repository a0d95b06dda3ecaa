/* base/secret.h - handling of bytes that must not leak. */
#ifndef PBTS_BASE_SECRET_H
#define PBTS_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

void pbts_wipe(void *bytes, size_t len);                      /* not optimised away */
bool pbts_equal_ct(const void *a, const void *b, size_t len); /* constant time in content */

#endif
