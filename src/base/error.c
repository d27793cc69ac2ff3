/* Errors: formatting into the caller's struct. The first failure wins; later ones are consequences of it. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A message is one line: whatever a file's names carry in, control characters go out as blanks. */
static void flatten(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f) *s = ' ';
}

berth_status bt_fail(berth_error *error, berth_status status, const char *format, ...)
{
    if (!error || error->status != BERTH_OK) return status;
    va_list args;
    va_start(args, format);
    vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    flatten(error->message);
    error->status = status;
    return status;
}

void bt_error_prefix(berth_error *error, const char *format, ...)
{
    if (!error || error->status == BERTH_OK) return;
    char message[sizeof error->message];
    memcpy(message, error->message, sizeof message);
    va_list args;
    va_start(args, format);
    int n = vsnprintf(error->message, sizeof error->message, format, args);
    va_end(args);
    /* A prefix of a mad length must not push out what went wrong: half of the room is the message's. */
    size_t room = sizeof error->message, prefix = n < 0 ? 0 : (size_t)n;
    if (prefix > room / 2) prefix = room / 2;
    snprintf(error->message + prefix, room - prefix, ": %.*s", (int)(room - prefix) - 3, message);
    flatten(error->message);
}
