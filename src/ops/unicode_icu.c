/* ICU's converters, called as TensorFlow calls them. ICU and its tables are 30 MB, so the library is opened when a converter
 * is first asked for; the build needs its headers alone. Its functions have its version in their names. */
#include "ops/unicode_icu.h"

#if BERTH_ICU
#include "base/library.h"

#include <pthread.h>
#include <unicode/ucnv.h>
#include <unicode/uvernum.h>

#define QUOTED(text) #text
#define EXPANDED(text) QUOTED(text)
#define LIBRARY "libicuuc.so." EXPANDED(U_ICU_VERSION_MAJOR_NUM)
#define FUNCTIONS(X)       \
    X(ucnv_open)           \
    X(ucnv_close)          \
    X(ucnv_setToUCallBack) \
    X(ucnv_getNextUChar)   \
    X(UCNV_TO_U_CALLBACK_SUBSTITUTE)

static struct {
#define X(name) __typeof__(&(name)) name;
    FUNCTIONS(X)
#undef X
    bool is_there;
} icu;

static void look_for_icu(void)
{
    static const char *const names[] = {
#define X(name) EXPANDED(name),
        FUNCTIONS(X)
#undef X
    };
    icu.is_there = bt_library_open(LIBRARY, names, sizeof names / sizeof *names, &icu);
}

/* ICU puts U+FFFD, and goes on. */
static void found_wrong(const void *context, UConverterToUnicodeArgs *args, const char *units, int32_t n,
                        UConverterCallbackReason reason, UErrorCode *code)
{
    if (reason <= UCNV_IRREGULAR) ((bt_converter *)context)->wrong = true;
    icu.UCNV_TO_U_CALLBACK_SUBSTITUTE(NULL, args, units, n, reason, code);
}

berth_status bt_converter_open(bt_call *c, const char *name, bt_converter *converter)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    UErrorCode code = U_ZERO_ERROR;
    *converter = (bt_converter){0};
    pthread_once(&once, look_for_icu);
    if (!icu.is_there)
        return bt_call_unsupported(c, "the encoding '%.60s': it needs ICU (" LIBRARY "), which is not here",
                                   name);
    converter->icu = *name ? icu.ucnv_open(name, &code) : NULL;
    if (code == U_MEMORY_ALLOCATION_ERROR) return bt_fail_memory(c->error);
    if (!converter->icu || U_FAILURE(code))
        return bt_call_fail(c, "Could not create converter for input encoding: %.60s", name);
    icu.ucnv_setToUCallBack(converter->icu, found_wrong, converter, NULL, NULL, &code);
    return U_FAILURE(code) ? bt_call_fail(c, "the encoding '%.60s' reports no faults", name) : BERTH_OK;
}

int32_t bt_converter_next(bt_converter *converter, bt_str *left)
{
    UErrorCode code = U_ZERO_ERROR;
    const char *end = left->p + left->n;
    converter->wrong = false;
    int32_t point = icu.ucnv_getNextUChar(converter->icu, &left->p, end, &code);
    if (U_FAILURE(code)) left->p = end; /* the point is 0xffff: a shift and no character after it */
    left->n = (size_t)(end - left->p);
    return converter->wrong ? -1 : point;
}

void bt_converter_close(bt_converter *converter)
{
    if (converter->icu) icu.ucnv_close(converter->icu);
    converter->icu = NULL;
}

#else

berth_status bt_converter_open(bt_call *c, const char *name, bt_converter *converter)
{
    *converter = (bt_converter){0};
    return bt_call_unsupported(c, "the encoding '%.60s': this berth was built without ICU", name);
}

int32_t bt_converter_next(bt_converter *converter, bt_str *left)
{
    (void)converter;
    return left->p += left->n, left->n = 0, -1;
}

void bt_converter_close(bt_converter *converter) { (void)converter; }

#endif
