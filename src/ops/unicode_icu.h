/* Encodings that unicode.c has no tables of: those of ICU, the library that TensorFlow takes them from (unicode_icu.c). */
#ifndef BT_OPS_UNICODE_ICU_H
#define BT_OPS_UNICODE_ICU_H

#include "ops/op.h"

/* One of ICU's converters, for one thread. */
typedef struct bt_converter {
    struct UConverter *icu;
    bool wrong; /* what ICU's callback leaves */
} bt_converter;

/* By any name that ICU knows, with its options ("ISO-2022-JP", "ibm-1047,swaplfnl"). BAD_INPUT: it knows none such;
 * UNSUPPORTED: this build or this machine has no ICU. bt_converter_close() is then not needed, but allowed. To begin again, it
 * is closed and opened: ICU's own reset leaves the state of some (x11-compound-text). */
berth_status bt_converter_open(bt_call *c, const char *name, bt_converter *converter);
/* Takes the next code point off *left, which has a byte at least; -1 for bytes that are none. What a character
 * left in the converter (the order of bytes, a shift, a second code point) stays for the next. */
int32_t bt_converter_next(bt_converter *converter, bt_str *left);
void bt_converter_close(bt_converter *converter);

#endif
