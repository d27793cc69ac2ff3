/* Regular expressions as TensorFlow has them: those of the RE2 library, behind a C face. */
#ifndef BT_REGEX_RE2_H
#define BT_REGEX_RE2_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bt_regex bt_regex;
typedef void bt_regex_emit(void *user, const char *bytes, size_t n);

/* NULL with a message when the pattern is none, or memory ran out. */
bt_regex *bt_regex_new(const char *pattern, size_t n, char *error, size_t room);
void bt_regex_free(bt_regex *regex);
/* 1: the whole text matches; 0: it does not; -1: out of memory. */
int bt_regex_full(const bt_regex *regex, const char *text, size_t n);
/* The text with the first match, or all, rewritten ("\1": what group 1 matched). False: out of memory. */
bool bt_regex_replace(const bt_regex *regex, const char *text, size_t n, const char *rewrite,
                      size_t rewrite_n, bool all, bt_regex_emit *emit, void *user);

#ifdef __cplusplus
}
#endif
#endif
