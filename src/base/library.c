/* dlopen and dlsym. */
#include "base/library.h"

#include <dlfcn.h>
#include <string.h>

bool bt_library_open(const char *soname, const char *const *names, size_t n, void *to)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; i < n; i++) {
        void *function = library ? dlsym(library, names[i]) : NULL;
        if (!function) return false;
        memcpy((char *)to + i * sizeof function, &function, sizeof function);
    }
    return true;
}
