/* What MatMul and the convolutions share: fused operations, packed right sides, threads. To read next: matmul.c, conv.c. */
#include "ops/product.h"

#include <math.h>
#include <stdio.h>

/* ---- Fused operations --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bt_vec_unary activation;
} activations[] = {
    {"Elu", BT_VEC_ELU},
    {"LeakyRelu", BT_VEC_LEAKY_RELU},
    {"Sigmoid", BT_VEC_SIGMOID},
    {"Tanh", BT_VEC_TANH},
    {"Swish", BT_VEC_SWISH},
    {"HardSwish", BT_VEC_HARD_SWISH},
    {"HardSigmoid", BT_VEC_HARD_SIGMOID},
    {"Gelu", BT_VEC_GELU},
    {"GeluExact", BT_VEC_GELU},
    {"GeluErf", BT_VEC_GELU},
    {"GeluTanh", BT_VEC_GELU_TANH},
    {"GeluApproximate", BT_VEC_GELU_TANH},
    {"Softplus", BT_VEC_SOFTPLUS},
    {"Selu", BT_VEC_SELU},
};

static bool find_activation(bt_str name, bt_epilogue *e)
{
    if (bt_str_is(name, "Relu") || bt_str_is(name, "Relu6")) {
        e->low = 0;
        if (name.n > 4) e->high = 6;
        return true;
    }
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (bt_str_is(name, activations[i].name)) {
            e->activation = activations[i].activation;
            e->run = bt_simd_get()->vec.unary[e->activation];
            return e->run != NULL;
        }
    return false;
}

berth_status bt_epilogue_parse(const bt_node *node, int first, int n_in, bt_epilogue *e, berth_error *error)
{
    const bt_attr_value *list;
    int n = bt_attr_list(node, "fused_ops", &list), next = first;
    *e = (bt_epilogue){.scale = -1,
                       .bias = -1,
                       .add = -1,
                       .norm = -1,
                       .activation = BT_VEC_COPY,
                       .low = -INFINITY,
                       .high = INFINITY,
                       .alpha = bt_attr_float(node, "leakyrelu_alpha", 0.2f),
                       .epsilon = bt_attr_float(node, "epsilon", 1e-4f)};
    if (n > 0 && bt_attr_find(node, "fused_ops")->kind != BT_ATTR_STRING)
        return bt_fail(error, BERTH_BAD_MODEL, "fused_ops must be strings");
    for (int i = 0; i < n; i++) {
        int *argument = bt_str_is(list[i].s, "Scale")            ? &e->scale
                        : bt_str_is(list[i].s, "BiasAdd")        ? &e->bias
                        : bt_str_is(list[i].s, "Add")            ? &e->add
                        : bt_str_is(list[i].s, "FusedBatchNorm") ? &e->norm
                                                                 : NULL;
        if (argument && *argument < 0) {
            *argument = next;
            next += argument == &e->norm ? 4 : 1;
        } else if (argument || i + 1 < n || !find_activation(list[i].s, e)) {
            return bt_fail(error, BERTH_UNSUPPORTED, "fused operation '%s' in this place", list[i].s.p);
        }
    }
    if (next > n_in) return bt_fail(error, BERTH_BAD_MODEL, "has %d inputs, not %d", n_in, next);
    return BERTH_OK;
}

berth_status bt_epilogue_check(const bt_epilogue *e, const bt_fact *in, int64_t n, const bt_shape *out,
                               berth_error *error)
{
    const int vectors[] = {e->scale,
                           e->bias,
                           e->norm,
                           e->norm < 0 ? -1 : e->norm + 1,
                           e->norm < 0 ? -1 : e->norm + 2,
                           e->norm < 0 ? -1 : e->norm + 3};
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        const bt_shape *s = vectors[i] < 0 ? NULL : &in[vectors[i]].shape;
        if (s && s->rank >= 0 && (s->rank != 1 || (n >= 0 && s->dim[0] >= 0 && s->dim[0] != n)))
            return bt_fail(error, BERTH_BAD_MODEL, "input %d must be a vector of %lld", vectors[i],
                           (long long)n);
    }
    if (e->add >= 0 && !bt_shape_compatible(&in[e->add].shape, out))
        return bt_fail(error, BERTH_BAD_MODEL, "input %d must have the output's shape", e->add);
    return BERTH_OK;
}

/* FusedBatchNorm: y = x f + (offset - mean f), f = scale / sqrt(variance + epsilon). */
static void norm_columns(const bt_epilogue *e, const bt_tensor *const args[4], int64_t n, float *scale,
                         float *bias)
{
    for (int64_t i = 0; i < n; i++) {
        double f = bt_tensor_number(args[0], i) / sqrt(bt_tensor_number(args[3], i) + (double)e->epsilon);
        scale[i] = (float)f;
        bias[i] = (float)(bt_tensor_number(args[1], i) - bt_tensor_number(args[2], i) * f);
    }
}

static void read_vector(const bt_tensor *t, int64_t n, float *y)
{
    if (t->dtype == BERTH_FLOAT) {
        if (n > 0) memcpy(y, t->data, (size_t)n * sizeof *y);
        return;
    }
    for (int64_t i = 0; i < n; i++) y[i] = (float)bt_tensor_number(t, i);
}

berth_status bt_epilogue_prepare(bt_prepare *p, const bt_epilogue *e, int64_t n, bt_columns *columns,
                                 bool *known)
{
    *columns = (bt_columns){0};
    const int inputs[] = {e->scale, e->bias, e->norm, e->norm + 1, e->norm + 2, e->norm + 3};
    int n_inputs = e->norm < 0 ? 2 : 6;
    *known = true;
    for (int i = 0; i < n_inputs; i++) *known &= inputs[i] < 0 || (p->in[inputs[i]].value && n >= 0);
    if (!*known) return BERTH_OK;
    float *vectors = bt_arena_alloc_n(p->arena, (size_t)n * 2 + 1, sizeof(float));
    if (!vectors) return bt_fail_memory(p->error);
    for (int i = 0; i < n_inputs; i++)
        if (inputs[i] >= 0) p->consumed |= 1ull << inputs[i];
    if (e->norm >= 0) {
        const bt_tensor *args[4];
        for (int i = 0; i < 4; i++) args[i] = p->in[e->norm + i].value;
        norm_columns(e, args, n, vectors, vectors + n);
        *columns = (bt_columns){vectors, vectors + n};
        return BERTH_OK;
    }
    if (e->scale >= 0) read_vector(p->in[e->scale].value, n, vectors), columns->scale = vectors;
    if (e->bias >= 0) read_vector(p->in[e->bias].value, n, vectors + n), columns->bias = vectors + n;
    return BERTH_OK;
}

berth_status bt_epilogue_call(bt_call *c, const bt_epilogue *e, int64_t n, bt_columns *columns)
{
    *columns = (bt_columns){0};
    if (e->norm >= 0) {
        float *vectors = bt_scratch(c, ((size_t)n * 2 + 1) * sizeof(float));
        if (!vectors) return BERTH_NO_MEMORY;
        norm_columns(e, (const bt_tensor *const *)c->in + e->norm, n, vectors, vectors + n);
        *columns = (bt_columns){vectors, vectors + n};
        return BERTH_OK;
    }
    if (e->scale >= 0 && !(columns->scale = bt_floats(c, c->in[e->scale]->dtype, c->in[e->scale]->data, n)))
        return BERTH_NO_MEMORY;
    if (e->bias >= 0 && !(columns->bias = bt_floats(c, c->in[e->bias]->dtype, c->in[e->bias]->data, n)))
        return BERTH_NO_MEMORY;
    return BERTH_OK;
}

/* ---- Right sides -------------------------------------------------------------------------------------- */

static int64_t slices_of(const bt_right *r) { return r->slices > 0 ? r->slices : 1; }

bool bt_right_bytes(const bt_right *r, size_t *bytes)
{
    return bt_gemm_packed_bytes(&bt_simd_get()->gemm, r->k, r->n, bytes) &&
           bt_mul(*bytes, (size_t)(r->groups * slices_of(r)), bytes) &&
           bt_add(*bytes, (size_t)r->zeros * sizeof(float), bytes) && *bytes <= PTRDIFF_MAX;
}

int64_t bt_right_offset(const bt_right *r, int64_t slice, int64_t group)
{
    size_t one;
    bt_gemm_packed_bytes(&bt_simd_get()->gemm, r->k, r->n, &one);
    return (slice * r->groups + group) * (int64_t)(one / sizeof(float));
}

static void widen(berth_dtype dtype, float *y, const void *x, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    if (dtype == BERTH_HALF) vec->half_to_float(y, x, n);
    else vec->bf16_to_float(y, x, n);
}

static void pack_groups(const bt_right *r, const char *elements, const float *scale, float *packed)
{
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    int64_t ld = r->transposed ? r->k : r->groups * r->n;
    for (int64_t i = 0; i < slices_of(r) * r->groups; i++) {
        int64_t slice = i / r->groups, group = i % r->groups;
        const char *matrix = elements + (slice * r->k * r->groups + group) * r->n * (int64_t)sizeof(float);
        bt_gemm_pack(g, packed + bt_right_offset(r, slice, group), matrix, ld, r->transposed, r->k, r->n,
                     scale ? scale + group * r->n : NULL);
    }
    memset(packed + bt_right_offset(r, slices_of(r), 0), 0, (size_t)r->zeros * sizeof(float));
}

typedef struct packing {
    const bt_right *right;
    const void *elements;
    const float *scale;
} packing;

static berth_status pack_constant(void *user, void *dst, berth_error *error)
{
    const packing *job = user;
    const bt_right *r = job->right;
    if (r->dtype == BERTH_FLOAT) return pack_groups(r, job->elements, job->scale, dst), BERTH_OK;
    size_t n = (size_t)(r->k * r->n * r->groups * slices_of(r));
    float *wide = bt_alloc(n * sizeof(float));
    uint16_t *aligned = bt_alloc(n * sizeof(uint16_t));
    if (wide && aligned) {
        memcpy(aligned, job->elements, n * sizeof(uint16_t));
        widen(r->dtype, wide, aligned, (int64_t)n);
        pack_groups(r, (const char *)wide, job->scale, dst);
    }
    bool done = wide && aligned;
    bt_free(aligned);
    bt_free(wide);
    return done ? BERTH_OK : bt_fail_memory(error);
}

const float *bt_right_prepare(bt_prepare *p, int i, const bt_right *r, const float *scale)
{
    packing job = {r, p->in[i].value->data, scale};
    char layout[160];
    size_t bytes;
    if (!bt_right_bytes(r, &bytes)) return bt_fail_memory(p->error), NULL;
    uint64_t hash = scale ? bt_hash(scale, (size_t)(r->n * r->groups) * sizeof *scale) : 0;
    snprintf(layout, sizeof layout, "product %s k=%lld n=%lld groups=%lldx%lld zeros=%lld%s scale=%llx",
             bt_simd_get()->name, (long long)r->k, (long long)r->n, (long long)slices_of(r),
             (long long)r->groups, (long long)r->zeros, r->transposed ? " transposed" : "",
             (unsigned long long)hash);
    const float *packed = bt_prepare_pack(p, p->in[i].value, layout, bytes ? bytes : 1, pack_constant, &job);
    if (packed) p->consumed |= 1ull << i;
    return packed;
}

const float *bt_right_call(bt_call *c, const void *elements, const bt_right *r, const float *scale)
{
    size_t bytes;
    if (!bt_right_bytes(r, &bytes)) return bt_fail_memory(c->error), NULL;
    const float *wide = bt_floats(c, r->dtype, elements, r->k * r->n * r->groups * slices_of(r));
    float *packed = wide ? bt_scratch(c, bytes) : NULL;
    if (packed) pack_groups(r, (const char *)wide, scale, packed);
    return packed;
}

/* ---- Running ------------------------------------------------------------------------------------------ */

typedef struct product_job {
    const bt_gemm_kernels *g;
    const bt_product *product;
    int64_t rows, panels;
} product_job;

static void run_rows(void *user, int64_t begin, int64_t end, int worker)
{
    const product_job *job = user;
    (void)worker;
    bt_product_run(job->g, job->product, begin, end, 0, job->panels);
}

static void run_panels(void *user, int64_t begin, int64_t end, int worker)
{
    const product_job *job = user;
    (void)worker;
    bt_product_run(job->g, job->product, 0, job->rows, begin, end);
}

/* Threads share out rows, and so all read the whole right side; where there are few rows, panels. A share is at least
 * some microseconds of multiply-adds, or it is not worth waking a thread, and no less than half of what is even: each
 * share reads all of the right side. */
void bt_product_all(bt_pool *pool, const bt_product *product, int64_t rows)
{
    enum { SHARE = 1 << 19 };
    const bt_gemm_kernels *g = &bt_simd_get()->gemm;
    product_job job = {g, product, rows, bt_gemm_panels(g, product->n)};
    double work = (double)product->k * (double)product->n * (double)rows;
    if (rows <= 0 || product->n <= 0) return;
    if (work < 2 * SHARE || bt_pool_threads(pool) == 1) {
        bt_product_run(g, product, 0, rows, 0, job.panels);
    } else if (rows < product->n && rows < 48 * bt_pool_threads(pool) &&
               job.panels >= bt_pool_threads(pool)) {
        bt_parallel(pool, job.panels, 1 + (int64_t)(SHARE / (work / (double)job.panels)), run_panels, &job);
    } else {
        int64_t grain = 1 + (int64_t)(SHARE / (work / (double)rows)),
                even = rows / (2 * bt_pool_threads(pool)) + 1;
        bt_parallel(pool, rows, grain > even ? grain : even, run_rows, &job);
    }
}

const float *bt_floats(bt_call *c, berth_dtype dtype, const void *elements, int64_t n)
{
    if (dtype == BERTH_FLOAT) return elements;
    float *wide = bt_scratch(c, (size_t)n * sizeof *wide + 1);
    if (wide) widen(dtype, wide, elements, n);
    return wide;
}

float *bt_floats_out(bt_call *c, berth_dtype dtype, void *out, int64_t n)
{
    return dtype == BERTH_FLOAT ? out : bt_scratch(c, (size_t)n * sizeof(float) + 1);
}

void bt_floats_done(bt_call *c, berth_dtype dtype, void *out, const float *y, int64_t n)
{
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    (void)c;
    if (dtype == BERTH_HALF) vec->float_to_half(out, y, n);
    if (dtype == BERTH_BFLOAT16) vec->float_to_bf16(out, y, n);
}
