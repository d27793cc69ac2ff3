/* Convolutions as graphs of cuDNN's operations, channels last; see dnn_graph.h. What follows the sums stands in the order that
 * the library's ready-made kernels know: conv, + add, + bias, activation. Intermediate results are floats that lie nowhere. */
#include "device/cuda/dnn_graph.h"

#include <math.h>

#include "simd/vec.h"

enum { MOST_CONFIGS = 64, MOST_NOTES = 16, AXES = 3 };

/* Tensors by what they are to the graph; numbers from FIRST_VIRTUAL on lie nowhere. */
enum { X = 1, W, BIAS, ADD, Y, FIRST_VIRTUAL };

/* What is built; once something failed, nothing more is. */
typedef struct builder {
    const bt_dnn_library *dnn;
    dnn_handle handle;
    dnn_desc device;
    const bt_conv *what;
    bt_dnn_plan *plan;
    int axes; /* of space: 2, or 3 */
    int64_t n_virtual;
    bool failed;
} builder;

static dnn_desc make(builder *b, dnn_kind kind)
{
    dnn_desc d = NULL;
    b->failed = b->failed || b->plan->n == BT_DNN_DESCS || b->dnn->cudnnBackendCreateDescriptor(kind, &d);
    return b->failed ? NULL : (b->plan->all[b->plan->n++] = d);
}

static void set(builder *b, dnn_desc d, dnn_attribute what, dnn_type type, int64_t n, const void *values)
{
    b->failed = b->failed || b->dnn->cudnnBackendSetAttribute(d, what, type, n, values);
}

static void set_int(builder *b, dnn_desc d, dnn_attribute what, int64_t value)
{
    set(b, d, what, DNN_IS_INT64, 1, &value);
}

static void set_float(builder *b, dnn_desc d, dnn_attribute what, float value)
{
    set(b, d, what, DNN_IS_FLOAT, 1, &value);
}

static void set_desc(builder *b, dnn_desc d, dnn_attribute what, dnn_desc value)
{
    set(b, d, what, DNN_IS_DESC, 1, &value);
}

/* Modes and data types are ints. */
static void set_mode(builder *b, dnn_desc d, dnn_attribute what, dnn_type type, int32_t value)
{
    set(b, d, what, type, 1, &value);
}

static dnn_desc finish(builder *b, dnn_desc d)
{
    b->failed = b->failed || b->dnn->cudnnBackendFinalize(d);
    return d;
}

/* ---- The graph ---------------------------------------------------------------------------------------- */

static int32_t type_of(uint32_t dtype)
{
    return dtype == BERTH_HALF ? DNN_HALF : dtype == BERTH_BFLOAT16 ? DNN_BF16 : DNN_FLOAT;
}

/* [n][space][c] in memory, n, c, space to the library. */
static dnn_desc tensor(builder *b, int64_t id, int64_t n, int64_t c, const int64_t *space)
{
    int64_t dims[2 + AXES] = {n, c}, strides[2 + AXES] = {0, 1}, step = c;
    bool is_virtual = id >= FIRST_VIRTUAL;
    for (int i = b->axes - 1; i >= 0; i--) {
        dims[2 + i] = space ? space[AXES - b->axes + i] : 1;
        strides[2 + i] = step, step *= dims[2 + i];
    }
    strides[0] = step;
    dnn_desc d = make(b, DNN_TENSOR);
    set_mode(b, d, DNN_TENSOR_TYPE, DNN_IS_DATA_TYPE, is_virtual ? DNN_FLOAT : type_of(b->what->type));
    set(b, d, DNN_TENSOR_DIMS, DNN_IS_INT64, b->axes + 2, dims);
    set(b, d, DNN_TENSOR_STRIDES, DNN_IS_INT64, b->axes + 2, strides);
    set_int(b, d, DNN_TENSOR_ID, id);
    set_int(b, d, DNN_TENSOR_ALIGNMENT, b->what->align);
    set(b, d, DNN_TENSOR_VIRTUAL, DNN_IS_BOOL, 1, &is_virtual);
    return finish(b, d);
}

/* The result, or what stands for it while operations follow. */
static dnn_desc result(builder *b, bool is_last)
{
    const bt_conv *w = b->what;
    return tensor(b, is_last ? Y : FIRST_VIRTUAL + b->n_virtual++, w->batch, w->out_c, w->out);
}

/* Padding after the last pixel is what the output's size makes it. */
static dnn_desc convolution(builder *b)
{
    const bt_conv *w = b->what;
    int64_t after[AXES];
    int from = AXES - b->axes;
    for (int i = 0; i < AXES; i++) {
        int64_t last = (w->out[i] - 1) * w->stride[i] + (w->filter[i] - 1) * w->dilation[i] + 1;
        after[i] = last - w->in[i] - w->before[i];
        if (after[i] < 0) after[i] = 0;
    }
    dnn_desc d = make(b, DNN_CONVOLUTION);
    set_mode(b, d, DNN_CONVOLUTION_COMPUTE, DNN_IS_DATA_TYPE, DNN_FLOAT);
    set_mode(b, d, DNN_CONVOLUTION_MODE, DNN_IS_CONVOLUTION_MODE, DNN_CROSS_CORRELATION);
    set_int(b, d, DNN_CONVOLUTION_AXES, b->axes);
    set(b, d, DNN_CONVOLUTION_BEFORE, DNN_IS_INT64, b->axes, w->before + from);
    set(b, d, DNN_CONVOLUTION_AFTER, DNN_IS_INT64, b->axes, after + from);
    set(b, d, DNN_CONVOLUTION_DILATIONS, DNN_IS_INT64, b->axes, w->dilation + from);
    set(b, d, DNN_CONVOLUTION_STRIDES, DNN_IS_INT64, b->axes, w->stride + from);
    return finish(b, d);
}

static dnn_desc convolve(builder *b, dnn_desc y)
{
    const bt_conv *w = b->what;
    dnn_desc what = convolution(b), x = tensor(b, X, w->batch, w->in_c, w->in),
             filter = tensor(b, W, w->out_c, w->in_c / w->groups, w->filter),
             op = make(b, DNN_DO_CONVOLUTION);
    set_desc(b, op, DNN_DO_CONVOLUTION_X, x);
    set_desc(b, op, DNN_DO_CONVOLUTION_W, filter);
    set_desc(b, op, DNN_DO_CONVOLUTION_Y, y);
    set_desc(b, op, DNN_DO_CONVOLUTION_WHAT, what);
    set_float(b, op, DNN_DO_CONVOLUTION_ALPHA, 1);
    set_float(b, op, DNN_DO_CONVOLUTION_BETA, 0);
    return finish(b, op);
}

/* y = f(x, second). */
static dnn_desc pointwise(builder *b, dnn_desc what, dnn_desc x, dnn_desc second, dnn_desc y)
{
    dnn_desc op = make(b, DNN_DO_POINTWISE);
    set_desc(b, op, DNN_DO_POINTWISE_WHAT, what);
    set_desc(b, op, DNN_DO_POINTWISE_X, x);
    if (second) set_desc(b, op, DNN_DO_POINTWISE_B, second);
    set_desc(b, op, DNN_DO_POINTWISE_Y, y);
    return finish(b, op);
}

static dnn_desc mode(builder *b, int32_t mode)
{
    dnn_desc d = make(b, DNN_POINTWISE);
    set_mode(b, d, DNN_POINTWISE_MODE, DNN_IS_POINTWISE_MODE, mode);
    set_mode(b, d, DNN_POINTWISE_COMPUTE, DNN_IS_DATA_TYPE, DNN_FLOAT);
    return d;
}

/* -1: the library has none like it. */
static int32_t mode_of(uint32_t activation)
{
    switch (activation) {
    case BT_VEC_RELU:
    case BT_VEC_CLAMP:
    case BT_VEC_LEAKY_RELU: return DNN_RELU;
    case BT_VEC_ELU: return DNN_ELU;
    case BT_VEC_SIGMOID: return DNN_SIGMOID;
    case BT_VEC_TANH: return DNN_TANH;
    case BT_VEC_SOFTPLUS: return DNN_SOFTPLUS;
    case BT_VEC_SWISH: return DNN_SWISH;
    case BT_VEC_GELU: return DNN_GELU;
    case BT_VEC_GELU_TANH: return DNN_GELU_TANH;
    default: return -1;
    }
}

static dnn_desc activation(builder *b)
{
    const bt_conv *w = b->what;
    int32_t which = mode_of(w->activation);
    if (which < 0) return b->failed = true, NULL;
    dnn_desc d = mode(b, which);
    if (w->activation == BT_VEC_CLAMP) {
        set_float(b, d, DNN_POINTWISE_LOW, w->low);
        set_float(b, d, DNN_POINTWISE_HIGH, w->high);
    }
    if (w->activation == BT_VEC_LEAKY_RELU) set_float(b, d, DNN_POINTWISE_SLOPE, w->low);
    return finish(b, d);
}

static dnn_desc graph(builder *b)
{
    const bt_conv *w = b->what;
    int n_left = w->has_add + w->has_bias + (w->activation != BT_VEC_COPY), n = 0;
    dnn_desc ops[4], y = result(b, n_left == 0), next;
    ops[n++] = convolve(b, y);
    for (int i = 0; i < 2; i++) {
        if (!(i ? w->has_bias : w->has_add)) continue;
        dnn_desc second = i ? tensor(b, BIAS, 1, w->out_c, NULL) : tensor(b, ADD, w->batch, w->out_c, w->out);
        next = result(b, --n_left == 0);
        ops[n++] = pointwise(b, finish(b, mode(b, DNN_ADD)), y, second, next);
        y = next;
    }
    if (n_left) ops[n++] = pointwise(b, activation(b), y, NULL, result(b, true));
    dnn_desc all = make(b, DNN_GRAPH);
    if (b->handle) set(b, all, DNN_GRAPH_HANDLE, DNN_IS_HANDLE, 1, &b->handle);
    set(b, all, DNN_GRAPH_OPS, DNN_IS_DESC, n, ops);
    return finish(b, all);
}

/* ---- The engine --------------------------------------------------------------------------------------- */

/* Numbers that an engine notes of itself; how many. */
static int64_t notes_of(const builder *b, dnn_desc engine, dnn_attribute what, dnn_type type, int32_t *notes)
{
    int64_t n = 0;
    return b->dnn->cudnnBackendGetAttribute(engine, what, type, MOST_NOTES, &n, notes) ? -1 : n;
}

/* Whether a note is none that is against it: floats stay floats, sums are made in float, and are the same in each run. */
static bool is_good(const bt_conv *what, int32_t note)
{
    switch (note) {
    case DNN_NOTE_TENSOR_CORE: return what->type != BERTH_FLOAT || what->tf32;
    case DNN_NOTE_WINOGRAD: return what->type == BERTH_FLOAT;
    case DNN_NOTE_DOWN_CONVERT:
    case DNN_NOTE_REDUCED_REDUCTION:
    case DNN_NOTE_FFT:
    case DNN_NOTE_NONDETERMINISTIC: return false;
    default: return true;
    }
}

/* One that has its kernel compiled first would keep the first run waiting for it, a second or more a convolution. */
static bool is_welcome(const builder *b, dnn_desc config)
{
    int32_t notes[MOST_NOTES], behaviour[MOST_NOTES];
    int64_t n = -1, n_behaviour = -1, ignored;
    dnn_desc engine = NULL;
    if (b->dnn->cudnnBackendCreateDescriptor(DNN_ENGINE, &engine)) return false;
    if (!b->dnn->cudnnBackendGetAttribute(config, DNN_CONFIG_ENGINE, DNN_IS_DESC, 1, &ignored, &engine)) {
        n = notes_of(b, engine, DNN_ENGINE_NOTES, DNN_IS_NOTE, notes);
        n_behaviour = notes_of(b, engine, DNN_ENGINE_BEHAVIOUR, DNN_IS_BEHAVIOUR, behaviour);
    }
    bool is = n >= 0 && n_behaviour >= 0;
    for (int64_t i = 0; i < n && is; i++) is = is_good(b->what, notes[i]);
    for (int64_t i = 0; i < n_behaviour && is; i++) is = behaviour[i] != DNN_BEHAVIOUR_COMPILES;
    b->dnn->cudnnBackendDestroyDescriptor(engine);
    return is;
}

/* False: the library cannot do it so here, or it needs too much. */
static bool plan_by(builder *b, dnn_desc config, int64_t most)
{
    bt_dnn_plan *p = b->plan;
    int64_t n = 0;
    int before = p->n;
    b->failed = false;
    dnn_desc plan = make(b, DNN_PLAN);
    if (b->handle) set(b, plan, DNN_PLAN_HANDLE, DNN_IS_HANDLE, 1, &b->handle);
    if (b->device) set_desc(b, plan, DNN_PLAN_DEVICE, b->device);
    set_desc(b, plan, DNN_PLAN_CONFIG, config);
    finish(b, plan);
    p->workspace = 0;
    b->failed = b->failed || b->dnn->cudnnBackendGetAttribute(plan, DNN_PLAN_WORKSPACE, DNN_IS_INT64, 1, &n,
                                                              &p->workspace);
    if (!b->failed && p->workspace <= most) return (p->plan = plan);
    while (p->n > before) b->dnn->cudnnBackendDestroyDescriptor(p->all[--p->n]);
    return false;
}

/* The configs of a heuristic, in its order; the one that is taken stays with the plan. */
static bool look_through(builder *b, dnn_desc heuristic, int64_t most)
{
    dnn_desc configs[MOST_CONFIGS];
    int64_t n = 0, given = 0;
    for (; n < MOST_CONFIGS; n++)
        if (b->dnn->cudnnBackendCreateDescriptor(DNN_CONFIG, &configs[n])) break;
    if (b->dnn->cudnnBackendGetAttribute(heuristic, DNN_HEURISTIC_RESULTS, DNN_IS_DESC, n, &given, configs))
        given = 0;
    bool is_found = false;
    for (int64_t i = 0; i < n; i++) {
        bool is_it = !is_found && i < given && b->plan->n < BT_DNN_DESCS - 1 && is_welcome(b, configs[i]) &&
                     plan_by(b, configs[i], most);
        if (is_it) b->plan->all[b->plan->n++] = configs[i], is_found = true;
        else b->dnn->cudnnBackendDestroyDescriptor(configs[i]);
    }
    return is_found;
}

static bool look_by(builder *b, dnn_desc whole, int32_t heuristic_mode, int64_t most)
{
    int before = b->plan->n;
    b->failed = false;
    dnn_desc heuristic = make(b, DNN_HEURISTIC);
    set_desc(b, heuristic, DNN_HEURISTIC_GRAPH, whole);
    set_mode(b, heuristic, DNN_HEURISTIC_MODE, DNN_IS_HEURISTIC_MODE, heuristic_mode);
    if (b->device) set_desc(b, heuristic, DNN_HEURISTIC_DEVICE, b->device);
    finish(b, heuristic);
    if (!b->failed && look_through(b, heuristic, most)) return true;
    while (b->plan->n > before) b->dnn->cudnnBackendDestroyDescriptor(b->plan->all[--b->plan->n]);
    return false;
}

bool bt_dnn_plan_new(const bt_dnn_library *dnn, dnn_handle handle, dnn_desc device, const bt_conv *what,
                     int64_t most, bt_dnn_plan *plan)
{
    bool is_flat = what->in[0] == 1 && what->out[0] == 1 && what->filter[0] == 1 && !what->before[0];
    builder b = {
        .dnn = dnn, .handle = handle, .device = device, .what = what, .plan = plan, .axes = is_flat ? 2 : 3};
    *plan = (bt_dnn_plan){.n = 0};
    dnn_desc whole = graph(&b);
    /* What the library falls back to, without regard to speed, only groups have no other way for. */
    if (!b.failed && (look_by(&b, whole, DNN_HEURISTIC_A, most) ||
                      (what->groups > 1 && look_by(&b, whole, DNN_HEURISTIC_FALLBACK, most))))
        return true;
    bt_dnn_plan_free(dnn, plan);
    return false;
}

void bt_dnn_plan_free(const bt_dnn_library *dnn, bt_dnn_plan *plan)
{
    while (plan->n > 0) dnn->cudnnBackendDestroyDescriptor(plan->all[--plan->n]);
}

bool bt_dnn_run(const bt_dnn_library *dnn, dnn_handle handle, const bt_dnn_plan *plan,
                const bt_conv_data *data)
{
    int64_t ids[5] = {X, W, Y}, n = 3;
    const void *pointers[5] = {data->x, data->w, data->y};
    dnn_desc pack;
    if (data->bias) ids[n] = BIAS, pointers[n++] = data->bias;
    if (data->add) ids[n] = ADD, pointers[n++] = data->add;
    if (dnn->cudnnBackendCreateDescriptor(DNN_PACK, &pack)) return false;
    bool ok = !dnn->cudnnBackendSetAttribute(pack, DNN_PACK_IDS, DNN_IS_INT64, n, ids) &&
              !dnn->cudnnBackendSetAttribute(pack, DNN_PACK_POINTERS, DNN_IS_POINTER, n, pointers) &&
              !dnn->cudnnBackendSetAttribute(pack, DNN_PACK_WORKSPACE, DNN_IS_POINTER, 1, &data->workspace) &&
              !dnn->cudnnBackendFinalize(pack) && !dnn->cudnnBackendExecute(handle, plan->plan, pack);
    dnn->cudnnBackendDestroyDescriptor(pack);
    return ok;
}
