/* base/assert.h - assertions of a caller's bug, kept in release builds. */
#ifndef PBTS_BASE_ASSERT_H
#define PBTS_BASE_ASSERT_H

#undef NDEBUG
#include <assert.h>

#endif
