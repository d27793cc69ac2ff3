/* Matrix products by cuBLASLt, which is opened at the first of them and never needed: whatever it does not do, or fails to do,
 * is left to the own kernels (ops/matmul.c). How each product is done is asked of the library once and kept. Row by row,
 * y = a b is to a library that counts column by column y' = b' a': its first side is our second. */
#include <dlfcn.h>
#include <stdatomic.h>

#include "device/cuda/cuda.h"
#include "device/cuda/lt.h"

static struct {
    BT_LT_FUNCTIONS(BT_CU_DECLARE)
    bool is_there;
} lt;

struct bt_gemm_plan {
    bt_cu_known known; /* first */
    bt_gemm what;
    lt_desc desc;
    lt_layout a, b, y;
    lt_algo algo;
    size_t workspace;
};

struct bt_cu_blas {
    lt_handle handle;
    bt_cu_plans plans;
};

static void look(void)
{
    void *library = bt_cu_open_library("BERTH_CUBLASLT", "libcublasLt", 0);
    if (!library) return;
#define X(result, name, arguments) \
    if (!(lt.name = (result(*) arguments)dlsym(library, #name))) return;
    BT_LT_FUNCTIONS(X)
#undef X
    lt.is_there = true;
}

_Static_assert(sizeof(bt_gemm) == 6 * 8 + 3 * 4 + 12, "a gap");

/* ---- Plans -------------------------------------------------------------------------------------------- */

static lt_type type_of(berth_dtype dtype)
{
    return dtype == BERTH_HALF       ? LT_F16
           : dtype == BERTH_BFLOAT16 ? LT_BF16
           : dtype == BERTH_DOUBLE   ? LT_F64
                                     : LT_F32;
}

static bool layout_new(lt_layout *layout, const bt_gemm *what, lt_type type, int64_t rows, int64_t columns,
                       int64_t step)
{
    int32_t batch = (int32_t)what->batch;
    if (lt.cublasLtMatrixLayoutCreate(layout, type, (uint64_t)columns, (uint64_t)rows, columns))
        return *layout = NULL, false;
    return what->batch == 1 ||
           (!lt.cublasLtMatrixLayoutSetAttribute(*layout, LT_LAYOUT_BATCH, &batch, sizeof batch) &&
            !lt.cublasLtMatrixLayoutSetAttribute(*layout, LT_LAYOUT_STEP, &step, sizeof step));
}

/* The bias of the heuristic is any pointer as aligned as the true one. */
static bool desc_new(lt_desc *desc, const bt_gemm *what)
{
    lt_compute compute = what->type == BERTH_DOUBLE ? LT_COMPUTE_F64
                         : what->tf32               ? LT_COMPUTE_TF32
                                                    : LT_COMPUTE_F32;
    int32_t first = what->turned_b, second = what->turned_a;
    uint32_t epilogue = (what->has_bias ? LT_BIAS : 0) | (what->relu ? LT_RELU : 0);
    const void *bias = (const void *)(uintptr_t)what->align;
    int32_t type = (int32_t)type_of(what->out);
    if (lt.cublasLtMatmulDescCreate(desc, compute, what->type == BERTH_DOUBLE ? LT_F64 : LT_F32))
        return *desc = NULL, false;
    if (lt.cublasLtMatmulDescSetAttribute(*desc, LT_DESC_TRANSA, &first, sizeof first) ||
        lt.cublasLtMatmulDescSetAttribute(*desc, LT_DESC_TRANSB, &second, sizeof second))
        return false;
    if (!epilogue) return true;
    return !lt.cublasLtMatmulDescSetAttribute(*desc, LT_DESC_EPILOGUE, &epilogue, sizeof epilogue) &&
           (!what->has_bias ||
            (!lt.cublasLtMatmulDescSetAttribute(*desc, LT_DESC_BIAS_TYPE, &type, sizeof type) &&
             !lt.cublasLtMatmulDescSetAttribute(*desc, LT_DESC_BIAS_POINTER, &bias, sizeof bias)));
}

/* Sums that are split are put together in float, whatever the result is. */
static bool choose(const struct bt_cu_blas *blas, bt_gemm_plan *p)
{
    const uint32_t reductions = LT_REDUCE_IN_COMPUTE_TYPE, align = p->what.align;
    const uint64_t most = p->what.no_workspace ? 0 : BT_LIBRARY_WORKSPACE;
    lt_preference preference;
    lt_choice choice;
    int n = 0;
    if (lt.cublasLtMatmulPreferenceCreate(&preference)) return false;
    bool ok =
        !lt.cublasLtMatmulPreferenceSetAttribute(preference, LT_PREFERENCE_WORKSPACE, &most, sizeof most) &&
        !lt.cublasLtMatmulPreferenceSetAttribute(preference, LT_PREFERENCE_REDUCTIONS, &reductions,
                                                 sizeof reductions);
    for (unsigned i = 0; i < 4 && ok; i++)
        ok = !lt.cublasLtMatmulPreferenceSetAttribute(preference, LT_PREFERENCE_ALIGN_A + i, &align,
                                                      sizeof align);
    ok = ok &&
         !lt.cublasLtMatmulAlgoGetHeuristic(blas->handle, p->desc, p->b, p->a, p->y, p->y, preference, 1,
                                            &choice, &n) &&
         n > 0 && !choice.state;
    lt.cublasLtMatmulPreferenceDestroy(preference);
    if (ok) p->algo = choice.algo, p->workspace = choice.workspaceSize;
    return ok;
}

static void drop_descriptors(bt_cu_known *known)
{
    bt_gemm_plan *p = (bt_gemm_plan *)known;
    if (p->desc) lt.cublasLtMatmulDescDestroy(p->desc);
    if (p->a) lt.cublasLtMatrixLayoutDestroy(p->a);
    if (p->b) lt.cublasLtMatrixLayoutDestroy(p->b);
    if (p->y) lt.cublasLtMatrixLayoutDestroy(p->y);
    p->desc = NULL, p->a = p->b = p->y = NULL;
}

/* What the library does not do is kept too, as refused. */
static bt_cu_known *plan_new(void *user, const void *what)
{
    const struct bt_cu_blas *blas = user;
    const bt_gemm *g = what;
    bt_gemm_plan *p = bt_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->what = *g, p->known.what = &p->what;
    lt_type type = type_of(g->type);
    bool ok = desc_new(&p->desc, g) &&
              layout_new(&p->a, g, type, g->turned_a ? g->k : g->m, g->turned_a ? g->m : g->k, g->step_a) &&
              layout_new(&p->b, g, type, g->turned_b ? g->n : g->k, g->turned_b ? g->k : g->n, g->step_b) &&
              layout_new(&p->y, g, type_of(g->out), g->m, g->n, g->m * g->n) && choose(blas, p);
    if (!ok) drop_descriptors(&p->known);
    p->known.is_refused = !ok;
    return &p->known;
}

bool bt_cu_blas_is_there(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return lt.is_there;
}

static struct bt_cu_blas *blas_of(bt_cu_device *d)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    struct bt_cu_blas *blas = atomic_load_explicit(&d->blas, memory_order_acquire);
    if (blas) return blas;
    bool is_there = bt_cu_blas_is_there();
    pthread_mutex_lock(&opening);
    if (!(blas = d->blas) && (blas = bt_calloc(1, sizeof *blas))) {
        bt_cu_plans_init(&blas->plans);
        if (is_there && lt.cublasLtCreate(&blas->handle)) blas->handle = NULL;
        atomic_store_explicit(&d->blas, blas, memory_order_release);
    }
    pthread_mutex_unlock(&opening);
    return blas;
}

/* ---- The device's functions --------------------------------------------------------------------------- */

const bt_gemm_plan *bt_cu_gemm_plan(bt_device *device, const bt_gemm *what, size_t *workspace)
{
    bt_cu_device *d = bt_cu_open(device, NULL);
    if (!d || what->batch > INT32_MAX || bt_cu_enter(d)) return NULL;
    struct bt_cu_blas *blas = blas_of(d);
    const bt_gemm_plan *p = NULL;
    if (blas && blas->handle)
        p = (const bt_gemm_plan *)bt_cu_plans_find(&blas->plans, what, sizeof *what, plan_new, blas);
    bt_cu_leave(d);
    if (p) *workspace = p->workspace;
    return p;
}

/* The descriptor is shared, and a bias is named in it: a product with one has a copy. */
static bool set_bias(const bt_gemm_plan *p, const void *bias, lt_desc *own)
{
    *own = NULL;
    if (!p->what.has_bias) return true;
    return desc_new(own, &p->what) &&
           !lt.cublasLtMatmulDescSetAttribute(*own, LT_DESC_BIAS_POINTER, &bias, sizeof bias);
}

bool bt_cu_gemm(bt_device *device, const bt_gemm_plan *plan, const bt_gemm_data *data)
{
    static const float ones[2] = {0, 1};
    static const double wide_ones[2] = {0, 1};
    bt_gemm_plan *p = (bt_gemm_plan *)(uintptr_t)plan;
    bt_cu_device *d = device->physical->state;
    bool is_wide = p->what.type == BERTH_DOUBLE;
    const void *one = is_wide ? (const void *)&wide_ones[1] : &ones[1],
               *zero = is_wide ? (const void *)wide_ones : ones;
    lt_desc own;
    if (bt_cu_enter(d)) return false;
    bt_cu_span *span = bt_cu_span_begin(d, d->stream);
    lt_status status = LT_OK + !set_bias(p, data->bias, &own);
    if (!status)
        status = lt.cublasLtMatmul(d->blas->handle, own ? own : p->desc, one, data->b, p->b, data->a, p->a,
                                   data->add ? one : zero, data->add ? data->add : data->y, p->y, data->y, p->y,
                                   &p->algo, data->workspace, p->workspace, bt_cu_stream(d));
    bt_cu_span_end(d, span, status);
    if (own) lt.cublasLtMatmulDescDestroy(own);
    bt_cu_leave(d);
    if (status) p->known.is_refused = true;
    return !status;
}

void bt_cu_blas_free(bt_cu_device *d, bool is_idle)
{
    struct bt_cu_blas *blas = d->blas;
    if (!blas) return;
    bt_cu_plans_free(&blas->plans, drop_descriptors);
    if (blas->handle && is_idle) lt.cublasLtDestroy(blas->handle);
    bt_free(blas);
}
