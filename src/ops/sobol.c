/* SobolSample: points of Sobol's sequence in Gray code order, as Joe and Kuo's direction numbers give it. */
#include "ops/object.h"

enum { MAX_DIMENSIONS = 1111, BITS = 32 };

static const uint16_t numbers[] = {
#include "ops/sobol.def"
};

/* v[k] = m[k] 2^(31 - k), where m[k] = 2 a1 m[k-1] ^ 4 a2 m[k-2] ^ ... ^ 2^s m[k-s] ^ m[k-s] for a polynomial of degree s
 * with coefficients 1, a1, a2 ... 1; in the first dimension all m are 1. Returns where the next dimension's numbers are. */
static const uint16_t *directions(const uint16_t *from, uint32_t v[BITS])
{
    uint64_t m[BITS];
    int degree = from ? 31 - __builtin_clz(*from) : 0;
    for (int k = 0; k < BITS; k++) {
        m[k] = !from ? 1 : k < degree ? from[1 + k] : m[k - degree] << degree ^ m[k - degree];
        for (int i = 1; i < degree && k >= degree; i++)
            if (*from >> (degree - i) & 1) m[k] ^= m[k - i] << i;
        v[k] = (uint32_t)(m[k] << (31 - k));
    }
    return from ? from + 1 + degree : numbers;
}

static berth_status run_sobol(bt_call *c)
{
    int64_t dimensions, n, skip;
    berth_status status = bt_int_input(c, 0, &dimensions);
    if (!status) status = bt_int_input(c, 1, &n);
    if (!status) status = bt_int_input(c, 2, &skip);
    if (status) return status;
    if (dimensions < 1 || dimensions > MAX_DIMENSIONS || n < 1 || skip < 0 || n + skip >= INT32_MAX)
        return bt_call_fail(c, "cannot give %lld points in %lld dimensions (1 to %d) after the first %lld",
                            (long long)n, (long long)dimensions, MAX_DIMENSIONS, (long long)skip);
    berth_dtype dtype = bt_attr_type(c->node, "dtype", BERTH_FLOAT);
    bt_shape shape = BT_SHAPE(n, dimensions);
    void *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    const uint16_t *next = NULL;
    for (int64_t d = 0; d < dimensions; d++) {
        uint32_t v[BITS], x = 0;
        next = directions(next, v);
        uint32_t first = (uint32_t)skip + 1, gray = first ^ first >> 1;
        for (int k = 0; k < BITS; k++)
            if (gray >> k & 1) x ^= v[k];
        for (int64_t i = 0; i < n; i++) {
            if (i) x ^= v[__builtin_ctz((uint32_t)(skip + 1 + i))];
            if (dtype == BERTH_DOUBLE) ((double *)out)[i * dimensions + d] = x * 0x1p-32;
            else ((float *)out)[i * dimensions + d] = (float)(x * 0x1p-32);
        }
    }
    return BERTH_OK;
}

static berth_status infer_sobol(bt_infer *x)
{
    const bt_tensor *dimensions = x->n_in > 1 ? x->in[0].value : NULL,
                    *n = x->n_in > 1 ? x->in[1].value : NULL;
    x->out[0].dtype = bt_attr_type(x->node, "dtype", BERTH_FLOAT);
    x->out[0].shape =
        BT_SHAPE(n && bt_tensor_count(n) == 1 ? bt_tensor_int(n, 0) : -1,
                 dimensions && bt_tensor_count(dimensions) == 1 ? bt_tensor_int(dimensions, 0) : -1);
    return BERTH_OK;
}

const bt_op bt_ops_sobol[] = {
    {"SobolSample", infer_sobol, .cpu = run_sobol, .flags = BT_OP_NO_FOLD,
     BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE), "dtype"},
    {NULL},
};
