/* Text in kernels: numbers to and from text as TensorFlow has them, whatever the host program's locale. */
#ifndef BT_OPS_TEXT_H
#define BT_OPS_TEXT_H

#include "ops/op.h"

static inline bool bt_is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
/* Without the white space around it. */
bt_str bt_trim(bt_str s);
static inline bt_str bt_str_from(const bt_string *s) { return (bt_str){s->p, s->n}; }

/* A float32, float64, int32, int64, uint32 or uint64 that fills the text, but for white space around it, into *out. False: it is none. */
bool bt_text_number(berth_dtype dtype, bt_str text, void *out);
/* printf in the C locale, for the numbers of kernels. */
void bt_text_print_c(bt_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What is in *text becomes the string; false when memory ran out, now or before. The text is left empty. */
bool bt_string_from_text(bt_string *s, bt_text *text);

/* Room for n bytes, which the string then has; the old ones are gone. NULL when out of memory; not for n 0. */
char *bt_string_room(bt_string *s, size_t n);
/* The tensor as TensorFlow prints it, with `limit` elements at either end of each dimension; -1: all of them. */
void bt_text_tensor(bt_text *text, const bt_tensor *t, int64_t limit);

/* Hashes of bytes (string_hash.c): MurmurHash64A as TensorFlow seeds it. */
uint64_t bt_murmur64(const void *bytes, size_t n);
/* FarmHash's Fingerprint64 (string_hash.c). */
uint64_t bt_fingerprint64(const void *bytes, size_t n);

/* Fails when input i is no tensor of strings. */
berth_status bt_strings_input(bt_call *c, int i);
/* The string of input i, a tensor of one string, with a NUL behind it, in the step's working memory; NULL with the error set. */
const char *bt_call_path(bt_call *c, int i);
/* Whether attribute `name` says "UTF8" or "UTF8_CHAR". */
bool bt_attr_utf8(const bt_node *node, const char *name);
/* Bytes of the UTF-8 character that begins with `lead`: 1 for what cannot begin one. */
static inline size_t bt_utf8_size(uint8_t lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

#endif
