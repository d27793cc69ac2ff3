/* Code points from bytes and back, for the ops on text (unicode.c, unicode_case.c). */
#ifndef BT_OPS_UNICODE_H
#define BT_OPS_UNICODE_H

#include "ops/text.h"

/* The code point that begins at s.p[0] (s.n > 0), and its bytes in *used; -1 for bytes that are none: of these, as
 * many as could have begun one are used, and at least one. */
int32_t bt_utf8_next(bt_str s, size_t *used);
/* Appends a code point that is one (no surrogate, at most 0x10ffff). */
void bt_utf8_add(bt_text *text, int32_t point);

#endif
