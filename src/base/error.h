/* Errors: filled once, at the place of failure, in the words of that place; callers above may put the name of
 * the file or node in front, once. */
#ifndef BT_ERROR_H
#define BT_ERROR_H

#include "berth.h"

/* Fills *error (which may be NULL, and is left alone when it already holds a failure) and returns `status`. */
berth_status bt_fail(berth_error *error, berth_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "text: " before the message of a failure. */
void bt_error_prefix(berth_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A clean slate, for a struct that the caller handed in uninitialised. */
static inline void bt_error_clear(berth_error *error)
{
    if (error) error->status = BERTH_OK, error->message[0] = '\0';
}
#define bt_fail_memory(error) bt_fail(error, BERTH_NO_MEMORY, "out of memory")

#endif
