/* Keys: see order.h. */
#include "ops/order.h"

#include <math.h>

static const uint64_t top = (uint64_t)1 << 63;

/* Doubles as integers: negative ones run backwards. */
static uint64_t float_key(double v)
{
    union {
        double d;
        uint64_t u;
    } bits = {v == 0 ? 0 : v};
    if (isnan(v)) return BT_NAN_KEY;
    return bits.u & top ? ~bits.u : bits.u | top;
}

static uint64_t int_key(int64_t v) { return (uint64_t)v ^ top; }

#define KEYS(type, key)                                                        \
    for (int64_t i = 0; i < n; i++) keys[i] = key(((const type *)t->data)[i]); \
    return keys;
#define HALF_KEY(v) float_key(bt_half_to_float(v))
#define BFLOAT16_KEY(v) float_key(bt_bf16_to_float(v))

uint64_t *bt_call_keys(bt_call *c, const bt_tensor *t)
{
    int64_t n = bt_tensor_count(t);
    uint64_t *keys = bt_scratch(c, ((size_t)n + 1) * sizeof *keys);
    if (!keys) return NULL;
    switch (t->dtype) {
    case BERTH_FLOAT: KEYS(float, float_key)
    case BERTH_DOUBLE: KEYS(double, float_key)
    case BERTH_HALF: KEYS(uint16_t, HALF_KEY)
    case BERTH_BFLOAT16: KEYS(uint16_t, BFLOAT16_KEY)
    case BERTH_INT8: KEYS(int8_t, int_key)
    case BERTH_INT16: KEYS(int16_t, int_key)
    case BERTH_INT32: KEYS(int32_t, int_key)
    case BERTH_INT64: KEYS(int64_t, int_key)
    case BERTH_BOOL:
    case BERTH_UINT8: KEYS(uint8_t, )
    case BERTH_UINT16: KEYS(uint16_t, )
    case BERTH_UINT32: KEYS(uint32_t, )
    case BERTH_UINT64: KEYS(uint64_t, )
    default: return bt_call_unsupported(c, "no order for type %s", bt_dtype_name(t->dtype)), NULL;
    }
}

int64_t bt_key_search(const uint64_t *keys, int64_t n, uint64_t key, bool strict)
{
    int64_t low = 0;
    while (n > 0) {
        int64_t half = n / 2;
        bool before = strict ? keys[low + half] <= key : keys[low + half] < key;
        if (before) low += half + 1, n -= half + 1;
        else n = half;
    }
    return low;
}
