/* A stand-in for cuDNN's graph interface on the stand-in driver: convolutions, with additions and an activation behind them, by
 * plain loops, done in their stream like kernels. Strict about attributes: each of the type that it has, all that are needed, and
 * none that is not known. Of the five ways that its heuristic offers a caller who keeps floats as they are can take but the last
 * two: the first rounds, the second is compiled first, the third wants more working memory than there is; the fourth wants as
 * much as is said, and the last none. STANDIN_DNN: "" or what fails, "create", "fuse" (more than a convolution), "choose", "plan"
 * or "run"; STANDIN_DNN_WORKSPACE: bytes that a convolution wants (default 0). standin_dnn_counts is asked by tests. */
#include <math.h>
#include <string.h>

#include "device/cuda/dnn.h"
#include "inside.h"
#include "tensor/tensor.h"

enum {
    BAD = 2000,
    CANNOT = 3000,
    MOST_SET = 12,
    MOST_VALUES = 8,
    CONFIGS = 5,
    AXES = 3,
    ROUNDS = 0,
    COMPILES,
    HUNGRY,
    ASKS
};

/* What was called for: handles and descriptors alive, lookups and convolutions ever. */
EXPORT struct standin_dnn_counts {
    int alive;
    int64_t lookups, convolutions;
} standin_dnn_counts;

typedef struct attribute {
    dnn_kind kind;
    dnn_attribute name;
    dnn_type type;
    bool is_optional;
} attribute;

static const attribute attributes[] = {
    {DNN_TENSOR, DNN_TENSOR_TYPE, DNN_IS_DATA_TYPE, false},
    {DNN_TENSOR, DNN_TENSOR_DIMS, DNN_IS_INT64, false},
    {DNN_TENSOR, DNN_TENSOR_STRIDES, DNN_IS_INT64, false},
    {DNN_TENSOR, DNN_TENSOR_ID, DNN_IS_INT64, false},
    {DNN_TENSOR, DNN_TENSOR_ALIGNMENT, DNN_IS_INT64, false},
    {DNN_TENSOR, DNN_TENSOR_VIRTUAL, DNN_IS_BOOL, true},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_COMPUTE, DNN_IS_DATA_TYPE, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_MODE, DNN_IS_CONVOLUTION_MODE, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_AXES, DNN_IS_INT64, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_BEFORE, DNN_IS_INT64, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_AFTER, DNN_IS_INT64, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_DILATIONS, DNN_IS_INT64, false},
    {DNN_CONVOLUTION, DNN_CONVOLUTION_STRIDES, DNN_IS_INT64, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_X, DNN_IS_DESC, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_W, DNN_IS_DESC, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_Y, DNN_IS_DESC, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_WHAT, DNN_IS_DESC, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_ALPHA, DNN_IS_FLOAT, false},
    {DNN_DO_CONVOLUTION, DNN_DO_CONVOLUTION_BETA, DNN_IS_FLOAT, false},
    {DNN_POINTWISE, DNN_POINTWISE_MODE, DNN_IS_POINTWISE_MODE, false},
    {DNN_POINTWISE, DNN_POINTWISE_COMPUTE, DNN_IS_DATA_TYPE, false},
    {DNN_POINTWISE, DNN_POINTWISE_LOW, DNN_IS_FLOAT, true},
    {DNN_POINTWISE, DNN_POINTWISE_HIGH, DNN_IS_FLOAT, true},
    {DNN_POINTWISE, DNN_POINTWISE_SLOPE, DNN_IS_FLOAT, true},
    {DNN_DO_POINTWISE, DNN_DO_POINTWISE_WHAT, DNN_IS_DESC, false},
    {DNN_DO_POINTWISE, DNN_DO_POINTWISE_X, DNN_IS_DESC, false},
    {DNN_DO_POINTWISE, DNN_DO_POINTWISE_B, DNN_IS_DESC, true},
    {DNN_DO_POINTWISE, DNN_DO_POINTWISE_Y, DNN_IS_DESC, false},
    {DNN_GRAPH, DNN_GRAPH_HANDLE, DNN_IS_HANDLE, false},
    {DNN_GRAPH, DNN_GRAPH_OPS, DNN_IS_DESC, false},
    {DNN_HEURISTIC, DNN_HEURISTIC_GRAPH, DNN_IS_DESC, false},
    {DNN_HEURISTIC, DNN_HEURISTIC_MODE, DNN_IS_HEURISTIC_MODE, false},
    {DNN_PLAN, DNN_PLAN_HANDLE, DNN_IS_HANDLE, false},
    {DNN_PLAN, DNN_PLAN_CONFIG, DNN_IS_DESC, false},
    {DNN_PACK, DNN_PACK_IDS, DNN_IS_INT64, false},
    {DNN_PACK, DNN_PACK_POINTERS, DNN_IS_POINTER, false},
    {DNN_PACK, DNN_PACK_WORKSPACE, DNN_IS_POINTER, false},
};
enum { N_ATTRIBUTES = sizeof attributes / sizeof *attributes };

typedef struct value {
    dnn_attribute name;
    int64_t n;
    union {
        int64_t ints[MOST_VALUES];
        int32_t modes[MOST_VALUES];
        float floats[MOST_VALUES];
        bool bools[MOST_VALUES];
        void *pointers[MOST_VALUES];
    };
} value;

typedef struct descriptor {
    dnn_kind kind;
    bool is_final;
    int n;
    value values[MOST_SET];
    int way;                  /* of a config, its engine */
    struct descriptor *graph; /* of a config */
} descriptor;

struct cudnnContext {
    cu_stream stream;
};

static bool fails(const char *what)
{
    const char *wish = getenv("STANDIN_DNN");
    return wish && !strcmp(wish, what);
}

static int64_t wanted_workspace(void)
{
    const char *text = getenv("STANDIN_DNN_WORKSPACE");
    return text ? strtoll(text, NULL, 10) : 0;
}

static void count(int alive) { __atomic_add_fetch(&standin_dnn_counts.alive, alive, __ATOMIC_SEQ_CST); }

/* Those of a context that broke are never given back, and are no leak. */
static struct cudnnContext handles[64];

EXPORT dnn_status cudnnCreate(dnn_handle *handle)
{
    static unsigned next;
    if (fails("create")) return 1001;
    *handle = &handles[__atomic_fetch_add(&next, 1, __ATOMIC_SEQ_CST) % 64];
    count(1);
    return DNN_OK;
}
EXPORT dnn_status cudnnDestroy(dnn_handle handle) { return (void)handle, count(-1), DNN_OK; }
EXPORT dnn_status cudnnSetStream(dnn_handle handle, cu_stream stream)
{
    return handle->stream = stream, DNN_OK;
}

/* ---- Descriptors -------------------------------------------------------------------------------------- */

EXPORT dnn_status cudnnBackendCreateDescriptor(dnn_kind kind, dnn_desc *desc)
{
    descriptor *d = calloc(1, sizeof *d);
    if (!(*desc = d)) return 4003;
    d->kind = kind;
    count(1);
    return DNN_OK;
}
EXPORT dnn_status cudnnBackendDestroyDescriptor(dnn_desc desc)
{
    free(desc);
    count(-1);
    return DNN_OK;
}

static const value *get(const descriptor *d, dnn_attribute name)
{
    for (int i = 0; i < d->n; i++)
        if (d->values[i].name == name) return &d->values[i];
    return NULL;
}
static const descriptor *desc_of(const descriptor *d, dnn_attribute name)
{
    const value *v = get(d, name);
    return v ? v->pointers[0] : NULL;
}

EXPORT dnn_status cudnnBackendSetAttribute(dnn_desc desc, dnn_attribute name, dnn_type type, int64_t n,
                                           const void *values)
{
    descriptor *d = desc;
    bool is_known = false;
    for (int i = 0; i < N_ATTRIBUTES; i++)
        is_known |= attributes[i].kind == d->kind && attributes[i].name == name && attributes[i].type == type;
    if (!is_known || d->is_final || n < 1 || n > MOST_VALUES || d->n == MOST_SET || get(d, name))
        return misuse("an attribute that cuDNN does not take"), BAD;
    size_t size =
        type == DNN_IS_BOOL                                                                              ? 1
        : type == DNN_IS_INT64 || type == DNN_IS_DESC || type == DNN_IS_POINTER || type == DNN_IS_HANDLE ? 8
                                                                                                         : 4;
    value *v = &d->values[d->n++];
    v->name = name, v->n = n;
    memcpy(v->ints, values, (size_t)n * size);
    for (int64_t i = 0; type == DNN_IS_DESC && i < n; i++)
        if (!((descriptor *)v->pointers[i])->is_final) return misuse("a descriptor that is not final"), BAD;
    return DNN_OK;
}

EXPORT dnn_status cudnnBackendFinalize(dnn_desc desc)
{
    descriptor *d = desc;
    for (int i = 0; i < N_ATTRIBUTES; i++)
        if (attributes[i].kind == d->kind && !attributes[i].is_optional && !get(d, attributes[i].name))
            return misuse("a descriptor of cuDNN's that lacks something"), BAD;
    if (d->kind == DNN_GRAPH && get(d, DNN_GRAPH_OPS)->n > 1 && fails("fuse")) return CANNOT;
    if (d->kind == DNN_HEURISTIC) __atomic_add_fetch(&standin_dnn_counts.lookups, 1, __ATOMIC_SEQ_CST);
    if (d->kind == DNN_PLAN && fails("plan")) return CANNOT;
    d->is_final = true;
    return DNN_OK;
}

static dnn_status get_configs(const descriptor *d, int64_t room, int64_t *n, descriptor **configs)
{
    if (fails("choose")) return *n = 0, DNN_OK;
    *n = CONFIGS;
    for (int i = 0; i < CONFIGS && i < room; i++) {
        configs[i]->way = i, configs[i]->is_final = true;
        configs[i]->graph = get(d, DNN_HEURISTIC_GRAPH)->pointers[0];
    }
    return DNN_OK;
}

EXPORT dnn_status cudnnBackendGetAttribute(dnn_desc const desc, dnn_attribute name, dnn_type type,
                                           int64_t room, int64_t *n, void *values)
{
    const descriptor *d = desc;
    if (d->kind == DNN_HEURISTIC && name == DNN_HEURISTIC_RESULTS && type == DNN_IS_DESC)
        return get_configs(d, room, n, values);
    if (room < 1) return BAD;
    *n = 1;
    if (d->kind == DNN_CONFIG && name == DNN_CONFIG_ENGINE && type == DNN_IS_DESC)
        return (*(descriptor **)values)->way = d->way, DNN_OK;
    if (d->kind == DNN_ENGINE && name == DNN_ENGINE_NOTES && type == DNN_IS_NOTE)
        return *n = d->way == ROUNDS, *(int32_t *)values = DNN_NOTE_DOWN_CONVERT, DNN_OK;
    if (d->kind == DNN_ENGINE && name == DNN_ENGINE_BEHAVIOUR && type == DNN_IS_BEHAVIOUR)
        return *n = d->way == COMPILES, *(int32_t *)values = DNN_BEHAVIOUR_COMPILES, DNN_OK;
    if (d->kind == DNN_PLAN && name == DNN_PLAN_WORKSPACE && type == DNN_IS_INT64) {
        int way = desc_of(d, DNN_PLAN_CONFIG)->way;
        *(int64_t *)values = way == HUNGRY ? (int64_t)1 << 40 : way == ASKS ? wanted_workspace() : 0;
        return DNN_OK;
    }
    return misuse("an attribute that cuDNN does not have"), BAD;
}

/* ---- Convolutions ------------------------------------------------------------------------------------- */

typedef struct side {
    int32_t type;
    int64_t n, c, space[AXES], strides[2 + AXES]; /* n, c, space */
    void *p;
} side;

typedef struct task {
    side x, w, y, plus[2]; /* plus: p NULL: there is none */
    int64_t before[AXES], dilation[AXES], stride[AXES];
    int32_t mode; /* of the activation; 0: none */
    float low, high, slope;
    void *workspace;
    int64_t workspace_bytes;
} task;

/* Of an operation's tensor, with the pointer that goes by its number; false: there is none for it. */
static bool read_side(const descriptor *t, const descriptor *pack, side *s)
{
    const value *dims = get(t, DNN_TENSOR_DIMS), *strides = get(t, DNN_TENSOR_STRIDES),
                *ids = get(pack, DNN_PACK_IDS);
    int axes = (int)dims->n - 2, skip = AXES - axes;
    *s = (side){.type = get(t, DNN_TENSOR_TYPE)->modes[0],
                .n = dims->ints[0],
                .c = dims->ints[1],
                .space = {1, 1, 1}};
    for (int i = 0; i < 2; i++) s->strides[i] = strides->ints[i];
    for (int i = 0; i < axes; i++)
        s->space[skip + i] = dims->ints[2 + i], s->strides[2 + skip + i] = strides->ints[2 + i];
    if (strides->n != dims->n || axes < 2 || axes > AXES || get(t, DNN_TENSOR_VIRTUAL)->bools[0])
        return false;
    for (int64_t i = 0; i < ids->n; i++)
        if (ids->ints[i] == get(t, DNN_TENSOR_ID)->ints[0]) s->p = get(pack, DNN_PACK_POINTERS)->pointers[i];
    return s->p && (uintptr_t)s->p % (uintptr_t)get(t, DNN_TENSOR_ALIGNMENT)->ints[0] == 0;
}

static double load(const side *s, int64_t at)
{
    const uint16_t narrow = s->type == DNN_FLOAT ? 0 : ((const uint16_t *)s->p)[at];
    uint32_t wide = (uint32_t)narrow << 16;
    float f;
    if (s->type == DNN_FLOAT) return (double)((const float *)s->p)[at];
    if (s->type == DNN_HALF) return (double)bt_half_to_float(narrow);
    return memcpy(&f, &wide, sizeof f), (double)f;
}

static void store(const side *s, int64_t at, double v)
{
    if (s->type == DNN_FLOAT) ((float *)s->p)[at] = (float)v;
    else
        ((uint16_t *)s->p)[at] =
            s->type == DNN_HALF ? bt_float_to_half((float)v) : bt_float_to_bf16((float)v);
}

static int64_t at_of(const side *s, int64_t n, int64_t c, const int64_t *space)
{
    int64_t at = (s->n == 1 ? 0 : n) * s->strides[0] + c * s->strides[1];
    for (int i = 0; i < AXES; i++) at += (s->space[i] == 1 ? 0 : space[i]) * s->strides[2 + i];
    return at;
}

static double activate(const task *t, double v)
{
    switch (t->mode) {
    case DNN_RELU:
        return v < (double)t->low ? (double)t->low + (double)t->slope * (v - (double)t->low)
                                  : fmin(v, (double)t->high);
    case DNN_TANH: return tanh(v);
    case DNN_SIGMOID: return 1 / (1 + exp(-v));
    case DNN_ELU: return v < 0 ? expm1(v) : v;
    case DNN_GELU: return v / 2 * (1 + erf(v * sqrt(0.5)));
    case DNN_GELU_TANH: return v / 2 * (1 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
    case DNN_SOFTPLUS: return log1p(exp(v));
    case DNN_SWISH: return v / (1 + exp(-v));
    default: return v;
    }
}

/* The next position of a space in its order; false: it was the last. */
static bool step(const int64_t *space, int64_t *at)
{
    for (int i = AXES - 1; i >= 0; i--) {
        if (++at[i] < space[i]) return true;
        at[i] = 0;
    }
    return false;
}

static double sum_at(const task *t, int64_t n, int64_t k, const int64_t *pixel)
{
    int64_t group = k / (t->w.n / (t->x.c / t->w.c)), tap[AXES] = {0};
    double sum = 0;
    do {
        int64_t seen[AXES];
        bool inside = true;
        for (int i = 0; i < AXES; i++) {
            seen[i] = pixel[i] * t->stride[i] - t->before[i] + tap[i] * t->dilation[i];
            inside = inside && seen[i] >= 0 && seen[i] < t->x.space[i];
        }
        for (int64_t c = 0; c < t->w.c && inside; c++)
            sum +=
                load(&t->x, at_of(&t->x, n, group * t->w.c + c, seen)) * load(&t->w, at_of(&t->w, k, c, tap));
    } while (step(t->w.space, tap));
    return sum;
}

static void perform(const void *own)
{
    const task *t = own;
    if (t->workspace_bytes) memset(t->workspace, 0xee, (size_t)t->workspace_bytes);
    for (int64_t n = 0; n < t->y.n; n++) {
        int64_t pixel[AXES] = {0};
        do {
            for (int64_t k = 0; k < t->y.c; k++) {
                double v = sum_at(t, n, k, pixel);
                for (int i = 0; i < 2; i++)
                    if (t->plus[i].p) v += load(&t->plus[i], at_of(&t->plus[i], n, k, pixel));
                store(&t->y, at_of(&t->y, n, k, pixel), activate(t, v));
            }
        } while (step(t->y.space, pixel));
    }
}

/* A convolution's own numbers; false: they do not fit what it reads and writes. */
static bool read_convolution(const descriptor *op, task *t)
{
    const descriptor *what = desc_of(op, DNN_DO_CONVOLUTION_WHAT);
    const int64_t *after = get(what, DNN_CONVOLUTION_AFTER)->ints;
    int axes = (int)get(what, DNN_CONVOLUTION_AXES)->ints[0], skip = AXES - axes;
    bool fits = get(what, DNN_CONVOLUTION_MODE)->modes[0] == DNN_CROSS_CORRELATION && t->w.n == t->y.c &&
                t->x.n == t->y.n && t->x.c % t->w.c == 0 && axes >= 2 && axes <= AXES;
    for (int i = 0; i < AXES; i++) t->stride[i] = t->dilation[i] = 1;
    for (int i = 0; i < axes && fits; i++) {
        int at = skip + i;
        t->before[at] = get(what, DNN_CONVOLUTION_BEFORE)->ints[i];
        t->stride[at] = get(what, DNN_CONVOLUTION_STRIDES)->ints[i];
        t->dilation[at] = get(what, DNN_CONVOLUTION_DILATIONS)->ints[i];
        int64_t room =
            t->x.space[at] + t->before[at] + after[i] - ((t->w.space[at] - 1) * t->dilation[at] + 1);
        fits = after[i] >= 0 && room >= 0 && t->y.space[at] == room / t->stride[at] + 1;
    }
    return fits;
}

/* Additions and an activation, each of what the one before it gave; *result: what the last gives. */
static bool read_rest(const value *ops, const descriptor *pack, task *t, const descriptor **result)
{
    int n_plus = 0;
    for (int64_t i = 1; i < ops->n; i++) {
        const descriptor *op = ops->pointers[i], *what = desc_of(op, DNN_DO_POINTWISE_WHAT);
        const value *low = get(what, DNN_POINTWISE_LOW), *high = get(what, DNN_POINTWISE_HIGH),
                    *slope = get(what, DNN_POINTWISE_SLOPE);
        bool is_sum = get(what, DNN_POINTWISE_MODE)->modes[0] == DNN_ADD;
        if (desc_of(op, DNN_DO_POINTWISE_X) != *result || t->mode || (is_sum && n_plus == 2)) return false;
        if (is_sum && !read_side(desc_of(op, DNN_DO_POINTWISE_B), pack, &t->plus[n_plus++])) return false;
        if (!is_sum) t->mode = get(what, DNN_POINTWISE_MODE)->modes[0];
        t->low = low ? low->floats[0] : 0, t->high = high ? high->floats[0] : INFINITY,
        t->slope = slope ? slope->floats[0] : 0;
        *result = desc_of(op, DNN_DO_POINTWISE_Y);
    }
    return true;
}

EXPORT dnn_status cudnnBackendExecute(dnn_handle handle, dnn_desc plan, dnn_desc pack)
{
    const descriptor *config = desc_of(plan, DNN_PLAN_CONFIG);
    const value *ops = get(config->graph, DNN_GRAPH_OPS);
    const descriptor *first = ops->pointers[0], *result = desc_of(first, DNN_DO_CONVOLUTION_Y);
    task t = {.workspace = get(pack, DNN_PACK_WORKSPACE)->pointers[0],
              .workspace_bytes = config->way == ASKS ? wanted_workspace() : 0};
    if (fails("run")) return 5000;
    bool ok = config->way >= ASKS && first->kind == DNN_DO_CONVOLUTION &&
              read_side(desc_of(first, DNN_DO_CONVOLUTION_X), pack, &t.x) &&
              read_side(desc_of(first, DNN_DO_CONVOLUTION_W), pack, &t.w) &&
              read_rest(ops, pack, &t, &result) && read_side(result, pack, &t.y) &&
              read_convolution(first, &t) && (t.workspace || !t.workspace_bytes);
    if (!ok) return misuse("a convolution otherwise than it was asked for"), BAD;
    __atomic_add_fetch(&standin_dnn_counts.convolutions, 1, __ATOMIC_SEQ_CST);
    return standin_work(handle->stream, perform, &t, sizeof t) ? 5001 : DNN_OK;
}
