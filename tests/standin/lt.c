/* A stand-in for cuBLASLt on the stand-in driver: products by plain loops, done in their stream like kernels. Strict about what
 * it was told beforehand: alignment, working memory. STANDIN_LT: "" or what fails, "create", "choose" or "product";
 * STANDIN_LT_WORKSPACE: bytes that each product wants (default 0). standin_lt_counts is asked by tests. */
#include <string.h>

#include "device/cuda/lt.h"
#include "inside.h"
#include "tensor/tensor.h"

struct lt_desc_ {
    lt_compute compute;
    lt_type scale, bias_type;
    int32_t turned[2];
    uint32_t epilogue;
    const void *bias;
};

struct lt_layout_ {
    lt_type type;
    uint64_t rows, columns;
    int64_t lead, step;
    int32_t batch;
};

struct lt_preference_ {
    uint64_t workspace;
    uint32_t reductions, align[4];
};

struct cublasLtContext {
    int unused;
};

/* What was called for: handles and descriptors alive, lookups and products ever. */
EXPORT struct standin_lt_counts {
    int alive;
    int64_t lookups, products;
} standin_lt_counts;

static bool fails(const char *what)
{
    const char *wish = getenv("STANDIN_LT");
    return wish && !strcmp(wish, what);
}

static uint64_t wanted_workspace(void)
{
    const char *text = getenv("STANDIN_LT_WORKSPACE");
    return text ? strtoull(text, NULL, 10) : 0;
}

static lt_status made(void *p)
{
    __atomic_add_fetch(&standin_lt_counts.alive, p != NULL, __ATOMIC_SEQ_CST);
    return p ? LT_OK : 3;
}

static lt_status drop(void *p)
{
    __atomic_sub_fetch(&standin_lt_counts.alive, 1, __ATOMIC_SEQ_CST);
    free(p);
    return LT_OK;
}

/* One for all: those of a context that broke are never given back, and are no leak. */
static struct cublasLtContext the_handle;

EXPORT lt_status cublasLtCreate(lt_handle *handle)
{
    if (fails("create")) return 1;
    return made(*handle = &the_handle);
}
EXPORT lt_status cublasLtDestroy(lt_handle handle)
{
    if (handle != &the_handle) return 7;
    __atomic_sub_fetch(&standin_lt_counts.alive, 1, __ATOMIC_SEQ_CST);
    return LT_OK;
}

EXPORT lt_status cublasLtMatmulDescCreate(lt_desc *desc, lt_compute compute, lt_type scale)
{
    if (made(*desc = calloc(1, sizeof **desc))) return 3;
    (*desc)->compute = compute, (*desc)->scale = scale, (*desc)->epilogue = 1;
    return LT_OK;
}
EXPORT lt_status cublasLtMatmulDescDestroy(lt_desc desc) { return drop(desc); }

EXPORT lt_status cublasLtMatmulDescSetAttribute(lt_desc desc, lt_attribute what, const void *value,
                                                size_t bytes)
{
    void *to = what == LT_DESC_TRANSA         ? (void *)&desc->turned[0]
               : what == LT_DESC_TRANSB       ? (void *)&desc->turned[1]
               : what == LT_DESC_EPILOGUE     ? (void *)&desc->epilogue
               : what == LT_DESC_BIAS_TYPE    ? (void *)&desc->bias_type
               : what == LT_DESC_BIAS_POINTER ? (void *)&desc->bias
                                              : NULL;
    if (!to || bytes != (what == LT_DESC_BIAS_POINTER ? 8 : 4)) return 7;
    memcpy(to, value, bytes);
    return LT_OK;
}

EXPORT lt_status cublasLtMatrixLayoutCreate(lt_layout *layout, lt_type type, uint64_t rows, uint64_t columns,
                                            int64_t lead)
{
    if (made(*layout = calloc(1, sizeof **layout))) return 3;
    **layout = (struct lt_layout_){type, rows, columns, lead, 0, 1};
    return lead < (int64_t)rows ? 7 : LT_OK;
}
EXPORT lt_status cublasLtMatrixLayoutDestroy(lt_layout layout) { return drop(layout); }

EXPORT lt_status cublasLtMatrixLayoutSetAttribute(lt_layout layout, lt_attribute what, const void *value,
                                                  size_t bytes)
{
    if (what == LT_LAYOUT_BATCH && bytes == 4) memcpy(&layout->batch, value, 4);
    else if (what == LT_LAYOUT_STEP && bytes == 8) memcpy(&layout->step, value, 8);
    else return 7;
    return LT_OK;
}

EXPORT lt_status cublasLtMatmulPreferenceCreate(lt_preference *preference)
{
    return made(*preference = calloc(1, sizeof **preference));
}
EXPORT lt_status cublasLtMatmulPreferenceDestroy(lt_preference preference) { return drop(preference); }

EXPORT lt_status cublasLtMatmulPreferenceSetAttribute(lt_preference p, lt_attribute what, const void *value,
                                                      size_t bytes)
{
    if (what == LT_PREFERENCE_WORKSPACE && bytes == 8) memcpy(&p->workspace, value, 8);
    else if (what == LT_PREFERENCE_REDUCTIONS && bytes == 4) memcpy(&p->reductions, value, 4);
    else if (what >= LT_PREFERENCE_ALIGN_A && what < LT_PREFERENCE_ALIGN_A + 4 && bytes == 4)
        memcpy(&p->align[what - LT_PREFERENCE_ALIGN_A], value, 4);
    else return 7;
    return LT_OK;
}

/* algo: the working memory, and the alignment that it counts on. */
EXPORT lt_status cublasLtMatmulAlgoGetHeuristic(lt_handle handle, lt_desc desc, lt_layout a, lt_layout b,
                                                lt_layout c, lt_layout d, lt_preference preference, int n,
                                                lt_choice *choices, int *found)
{
    uint64_t bytes = wanted_workspace();
    (void)c;
    __atomic_add_fetch(&standin_lt_counts.lookups, 1, __ATOMIC_SEQ_CST);
    *found = 0;
    if (fails("choose") || !handle || n < 1) return 15;
    bool fits = (desc->turned[0] ? a->columns : a->rows) == d->rows &&
                (desc->turned[1] ? b->rows : b->columns) == d->columns &&
                (desc->turned[0] ? a->rows : a->columns) == (desc->turned[1] ? b->columns : b->rows);
    if (!fits || a->type != b->type || preference->reductions != LT_REDUCE_IN_COMPUTE_TYPE) return 7;
    if (bytes > preference->workspace) bytes = 0;
    choices[0] = (lt_choice){.algo.data = {bytes, preference->align[0]}, .workspaceSize = bytes};
    *found = 1;
    return LT_OK;
}

/* ---- Products ----------------------------------------------------------------------------------------- */

typedef struct task {
    struct lt_desc_ desc;
    struct lt_layout_ a, b, d;
    const void *pa, *pb, *c;
    void *pd, *workspace;
    size_t workspace_bytes;
    double beta;
} task;

static double load(lt_type type, const void *p, int64_t i)
{
    uint32_t wide;
    switch (type) {
    case LT_F16: return (double)bt_half_to_float(((const uint16_t *)p)[i]);
    case LT_BF16:
        wide = (uint32_t)((const uint16_t *)p)[i] << 16;
        float f;
        memcpy(&f, &wide, sizeof f);
        return (double)f;
    case LT_F64: return ((const double *)p)[i];
    default: return (double)((const float *)p)[i];
    }
}

static void store(lt_type type, void *p, int64_t i, double v)
{
    switch (type) {
    case LT_F16: ((uint16_t *)p)[i] = bt_float_to_half((float)v); break;
    case LT_BF16: ((uint16_t *)p)[i] = bt_float_to_bf16((float)v); break;
    case LT_F64: ((double *)p)[i] = v; break;
    default: ((float *)p)[i] = (float)v;
    }
}

static void perform(const void *own)
{
    const task *t = own;
    const int64_t m = (int64_t)t->d.rows, n = (int64_t)t->d.columns;
    const int64_t k = (int64_t)(t->desc.turned[0] ? t->a.rows : t->a.columns);
    if (t->workspace) memset(t->workspace, 0xee, t->workspace_bytes);
    for (int64_t batch = 0; batch < t->d.batch; batch++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t i = 0; i < m; i++) {
                double sum = 0;
                for (int64_t l = 0; l < k; l++) {
                    int64_t at_a = t->desc.turned[0] ? i * t->a.lead + l : l * t->a.lead + i;
                    int64_t at_b = t->desc.turned[1] ? l * t->b.lead + j : j * t->b.lead + l;
                    sum += load(t->a.type, t->pa, batch * t->a.step + at_a) *
                           load(t->b.type, t->pb, batch * t->b.step + at_b);
                }
                int64_t at = batch * t->d.step + j * t->d.lead + i;
                if (t->beta != 0) sum += t->beta * load(t->d.type, t->c, at);
                if (t->desc.epilogue & LT_BIAS) sum += load(t->desc.bias_type, t->desc.bias, i);
                if (t->desc.epilogue & LT_RELU && sum < 0) sum = 0;
                store(t->d.type, t->pd, at, sum);
            }
}

EXPORT lt_status cublasLtMatmul(lt_handle handle, lt_desc desc, const void *alpha, const void *a,
                                lt_layout la, const void *b, lt_layout lb, const void *beta, const void *c,
                                lt_layout lc, void *d, lt_layout ld, const lt_algo *algo, void *workspace,
                                size_t workspace_bytes, cu_stream stream)
{
    bool is_wide = desc->scale == LT_F64;
    double first = is_wide ? *(const double *)alpha : (double)*(const float *)alpha;
    task t = {*desc,
              *la,
              *lb,
              *ld,
              a,
              b,
              c,
              d,
              workspace,
              workspace_bytes,
              is_wide ? *(const double *)beta : (double)*(const float *)beta};
    uintptr_t all = (uintptr_t)a | (uintptr_t)b | (uintptr_t)c | (uintptr_t)d |
                    (desc->epilogue & LT_BIAS ? (uintptr_t)desc->bias : 0);
    (void)lc;
    if (fails("product")) return 13;
    if (!handle || first != 1 || workspace_bytes < algo->data[0] || (algo->data[0] && !workspace) ||
        all % algo->data[1])
        return misuse("a product otherwise than it was asked for"), 7;
    __atomic_add_fetch(&standin_lt_counts.products, 1, __ATOMIC_SEQ_CST);
    return standin_work(stream, perform, &t, sizeof t) ? 13 : LT_OK;
}
