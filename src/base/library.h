/* Libraries that are opened when they are first needed, and not needed to start. */
#ifndef BT_LIBRARY_H
#define BT_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

/* Opens the library by its soname, for good, and puts the n functions of these names into to[], a table of function pointers;
 * those of the libraries that it stands on count as its own. False: it, or one of them, is not there. */
bool bt_library_open(const char *soname, const char *const *names, size_t n, void *to);

#endif
