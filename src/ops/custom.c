/* Ops of the user's own: how they are registered, and the public functions (berth.h, "Ops of your own") that stand between
 * them and the rest. To the rest such an op is a bt_op like any other. An example: examples/custom_op. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "ops/gpu.h"
#include "ops/move.h"

typedef struct custom {
    bt_op op; /* first: a node's def leads here */
    const berth_op *given;
} custom;

/* In infer or in run: the other one is NULL. */
struct berth_op_call {
    bt_infer *infer;
    bt_call *run;
    const bt_node *node;
    berth_error *error;
    bool on_device;
    uint64_t made; /* bit i: output i has its memory */
};

static const berth_op *given_of(const bt_node *node)
{
    return ((const custom *)(const void *)node->def)->given;
}

/* ---- Between the rest and the op ---------------------------------------------------------------------- */

static berth_status infer_custom(bt_infer *x)
{
    const berth_op *op = given_of(x->node);
    berth_op_call call = {.infer = x, .node = x->node, .error = x->error};
    if (!op->infer) {
        for (int i = 0; i < x->n_out; i++)
            x->out[i].dtype = x->n_in > 0 ? bt_infer_type(x, 0) : bt_attr_type(x->node, "T", 0);
        return BERTH_OK;
    }
    berth_status status = op->infer(&call);
    if (status) return bt_fail(x->error, status, "its shape function failed");
    return x->error ? x->error->status : BERTH_OK;
}

/* A kernel that forgets an output, or to say what went wrong, is found out here. */
static berth_status run_with(bt_call *c, berth_status (*run)(berth_op_call *call), bool on_device)
{
    berth_op_call call = {.run = c, .node = c->node, .error = c->error, .on_device = on_device};
    berth_status status = run(&call);
    if (status) return bt_fail(c->error, status, "its kernel failed");
    if (c->error->status) return c->error->status;
    for (int i = 0; i < c->n_out && i < 64; i++)
        if (!(call.made >> i & 1))
            return bt_fail(c->error, BERTH_BAD_INPUT, "its kernel left output %d out", i);
    return BERTH_OK;
}

static berth_status run_custom(bt_call *c) { return run_with(c, given_of(c->node)->run, false); }
static berth_status run_custom_on_device(bt_call *c)
{
    return run_with(c, given_of(c->node)->run_on_device, true);
}

/* ---- Registering -------------------------------------------------------------------------------------- */

/* Why the op cannot be added; NULL: it can. */
static const char *fault_of(const berth_op *op)
{
    if (!op || !op->name || !*op->name) return "an op without a name";
    if (!op->run) return "no function `run`";
    return NULL;
}

static bool is_there(const berth_op *op)
{
    const bt_op *found = bt_op_find(op->name);
    return found && found->infer == infer_custom && ((const custom *)(const void *)found)->given == op;
}

berth_status berth_op_register(const berth_op *op, berth_error *error)
{
    bt_error_clear(error);
    const char *fault = fault_of(op);
    if (fault)
        return bt_fail(error, BERTH_BAD_ARGUMENT, "op '%s': %s", op && op->name ? op->name : "", fault);
    if (is_there(op)) return BERTH_OK;
    custom *c = bt_calloc(1, sizeof *c);
    if (!c) return bt_fail_memory(error);
    c->given = op;
    c->op = (bt_op){.name = op->name,
                    .infer = infer_custom,
                    .cpu = run_custom,
                    .flags = op->is_stateful ? BT_OP_STATEFUL : 0,
                    .outputs = op->outputs,
                    .gpu = op->run_on_device ? run_custom_on_device : NULL,
                    .gpu_types = op->device_types,
                    .host_inputs = op->host_inputs};
    if (bt_op_add(&c->op)) return BERTH_OK; /* it stays with the process */
    bt_free(c);
    return is_there(op)
               ? BERTH_OK
               : bt_fail(error, BERTH_BAD_ARGUMENT, "op '%s': there is one of this name already", op->name);
}

/* All or none: what could fail is asked before the first is added. */
static berth_status register_all(const berth_op_library *library, berth_error *error)
{
    for (size_t i = 0; i < library->n_ops; i++) {
        const berth_op *op = &library->ops[i];
        const char *fault = fault_of(op);
        if (!fault && bt_op_find(op->name) && !is_there(op)) fault = "there is one of this name already";
        if (fault) return bt_fail(error, BERTH_BAD_ARGUMENT, "op '%s': %s", op->name ? op->name : "", fault);
    }
    for (size_t i = 0; i < library->n_ops; i++) {
        berth_status status = berth_op_register(&library->ops[i], error);
        if (status) return status;
    }
    return BERTH_OK;
}

berth_status berth_op_library_load(const char *path, berth_error *error)
{
    bt_error_clear(error);
    char slashed[4096];
    /* A bare name is a file like any other, not one to look for where the system has its libraries. */
    int n = snprintf(slashed, sizeof slashed, "%s%s", strchr(path, '/') ? "" : "./", path);
    void *handle = n < (int)sizeof slashed ? dlopen(slashed, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!handle) return bt_fail(error, BERTH_BAD_ARGUMENT, "op library '%s': %s", path, dlerror());
    const berth_op_library *library = dlsym(handle, "berth_ops");
    if (!library) {
        bt_fail(error, BERTH_BAD_ARGUMENT, "op library '%s': exports no berth_ops", path);
    } else if (library->op_interface != BERTH_OP_INTERFACE) {
        bt_fail(error, BERTH_BAD_ARGUMENT,
                "op library '%s': was built for version %d of the op interface, this berth has version %d",
                path, library->op_interface, BERTH_OP_INTERFACE);
    } else {
        berth_error own = {0};
        berth_status status = register_all(library, &own);
        if (!status) return BERTH_OK;
        bt_fail(error, status, "op library '%s': %s", path, own.message);
        /* Ops that were added may be looked at by now: the library stays. */
        if (status == BERTH_NO_MEMORY) return status;
    }
    dlclose(handle);
    return error ? error->status : BERTH_BAD_ARGUMENT;
}

/* ---- Attributes --------------------------------------------------------------------------------------- */

int64_t berth_op_int(const berth_op_call *call, const char *attribute, int64_t otherwise)
{
    return bt_attr_int(call->node, attribute, otherwise);
}

float berth_op_float(const berth_op_call *call, const char *attribute, float otherwise)
{
    return bt_attr_float(call->node, attribute, otherwise);
}

bool berth_op_bool(const berth_op_call *call, const char *attribute, bool otherwise)
{
    return bt_attr_bool(call->node, attribute, otherwise);
}

const char *berth_op_string(const berth_op_call *call, const char *attribute, const char *otherwise)
{
    return bt_attr_string(call->node, attribute, otherwise);
}

berth_dtype berth_op_type(const berth_op_call *call, const char *attribute, berth_dtype otherwise)
{
    return bt_attr_type(call->node, attribute, otherwise);
}

int berth_op_ints(const berth_op_call *call, const char *attribute, int64_t *values, int most)
{
    const bt_attr_value *list;
    const bt_attr *found = bt_attr_find(call->node, attribute);
    if (!found || (found->n && found->kind != BT_ATTR_INT)) return -1;
    int n = bt_attr_list(call->node, attribute, &list);
    for (int i = 0; i < n && i < most; i++) values[i] = list[i].i;
    return n;
}

/* ---- Inputs ------------------------------------------------------------------------------------------- */

int berth_op_input_count(const berth_op_call *call)
{
    return call->infer ? call->infer->n_in : call->run->n_in;
}

static bool is_input(const berth_op_call *call, int index)
{
    return index >= 0 && index < berth_op_input_count(call);
}

bool berth_op_input(const berth_op_call *call, int index, berth_spec *spec)
{
    *spec = (berth_spec){.rank = -1};
    if (!is_input(call, index)) return false;
    const bt_tensor *t = call->run ? call->run->in[index] : NULL;
    const bt_shape *shape = t ? &t->shape : &call->infer->in[index].shape;
    spec->dtype = t ? t->dtype : call->infer->in[index].dtype;
    spec->rank = shape->rank;
    for (int i = 0; i < shape->rank; i++) spec->dims[i] = shape->dim[i];
    return true;
}

/* Whether the data of an input can be read here. */
static bool is_at_hand(const berth_op_call *call, int index)
{
    return call->run && (!call->on_device || (index < 63 && call->node->def->host_inputs >> index & 1));
}

int berth_op_input_ints(const berth_op_call *call, int index, int64_t *values, int most)
{
    if (!is_input(call, index)) return -1;
    const bt_tensor *t = call->infer               ? call->infer->in[index].value
                         : is_at_hand(call, index) ? call->run->in[index]
                                                   : NULL;
    if (!t || !(BT_T(t->dtype) & (BT_INTS | BT_T(BERTH_BOOL)))) return -1;
    int64_t n = bt_tensor_count(t);
    for (int64_t i = 0; i < n && i < most; i++) values[i] = bt_tensor_int(t, i);
    return n > INT32_MAX ? -1 : (int)n;
}

const void *berth_op_input_data(const berth_op_call *call, int index)
{
    if (!call->run || !is_input(call, index)) return NULL;
    return bt_dtype_is_object(call->run->in[index]->dtype) ? NULL : call->run->in[index]->data;
}

const char *berth_op_input_string(const berth_op_call *call, int index, int64_t element, size_t *n)
{
    if (n) *n = 0;
    if (!call->run || !is_input(call, index)) return NULL;
    const bt_tensor *t = call->run->in[index];
    if (t->dtype != BERTH_STRING || element < 0 || element >= bt_tensor_count(t)) return NULL;
    const bt_string *s = (const bt_string *)t->data + element;
    if (n) *n = s->n;
    return s->p ? s->p : "";
}

/* ---- Outputs ------------------------------------------------------------------------------------------ */

/* Fails for what no output can be. Unknown sizes are legal in infer alone. */
static berth_status output_shape(berth_op_call *call, int index, berth_dtype dtype, int rank,
                                 const int64_t *dims, bt_shape *shape)
{
    int n = call->infer ? call->infer->n_out : call->run->n_out, least = call->infer ? -1 : 0;
    size_t bytes;
    if (index < 0 || index >= n) return bt_fail(call->error, BERTH_BAD_INPUT, "has no output %d", index);
    if (!bt_dtype_valid(dtype) || rank > BERTH_MAX_RANK || rank < least)
        return bt_fail(call->error, BERTH_BAD_INPUT, "output %d: dtype %d of rank %d cannot be", index,
                       (int)dtype, rank);
    *shape = rank < 0 ? BT_SHAPE_UNKNOWN : bt_shape_from(rank, dims);
    for (int i = 0; i < rank; i++)
        if (dims[i] < least)
            return bt_fail(call->error, BERTH_BAD_INPUT, "output %d: dimension %d cannot be %lld", index,
                           i, (long long)dims[i]);
    if (!call->infer && !bt_shape_bytes(shape, bt_dtype_size(dtype), &bytes))
        return bt_fail(call->error, BERTH_BAD_INPUT, "output %d: is too large", index);
    return BERTH_OK;
}

berth_status berth_op_set_output(berth_op_call *call, int index, berth_dtype dtype, int rank,
                                 const int64_t *dims)
{
    bt_shape shape;
    if (!call->infer)
        return bt_fail(call->error, BERTH_BAD_INPUT, "sets an output outside its shape function");
    berth_status status = output_shape(call, index, dtype, rank, dims, &shape);
    if (!status) call->infer->out[index] = (bt_fact){dtype, shape, NULL};
    return status;
}

void *berth_op_output(berth_op_call *call, int index, berth_dtype dtype, int rank, const int64_t *dims)
{
    bt_shape shape;
    if (!call->run)
        return bt_fail(call->error, BERTH_BAD_INPUT, "makes an output in its shape function"), NULL;
    if (output_shape(call, index, dtype, rank, dims, &shape)) return NULL;
    if (index < 64) call->made |= 1ull << index;
    return bt_out(call->run, index, dtype, &shape);
}

berth_status berth_op_set_string(berth_op_call *call, int index, int64_t element, const char *bytes, size_t n)
{
    const bt_tensor *t = call->run && index >= 0 && index < call->run->n_out ? call->run->out[index] : NULL;
    if (!t || t->dtype != BERTH_STRING || element < 0 || element >= bt_tensor_count(t))
        return bt_fail(call->error, BERTH_BAD_INPUT, "output %d has no string %lld", index,
                       (long long)element);
    return bt_string_set((bt_string *)t->data + element, bytes, n) ? BERTH_OK : bt_fail_memory(call->error);
}

void *berth_op_scratch(berth_op_call *call, size_t bytes)
{
    if (!call->run)
        return bt_fail(call->error, BERTH_BAD_INPUT, "wants memory in its shape function"), NULL;
    return bt_scratch(call->run, bytes);
}

/* ---- Work --------------------------------------------------------------------------------------------- */

typedef struct range {
    berth_op_range *body;
    void *user;
} range;

static void run_range(void *user, int64_t begin, int64_t end, int worker)
{
    const range *r = user;
    (void)worker;
    r->body(r->user, begin, end);
}

void berth_op_parallel(berth_op_call *call, int64_t n, int64_t grain, berth_op_range *body, void *user)
{
    range r = {body, user};
    if (n > 0) bt_parallel(call->run ? call->run->pool : NULL, n, grain > 0 ? grain : 1, run_range, &r);
}

berth_status berth_op_launch(berth_op_call *call, const char *source, berth_dtype T, const char *kernel,
                             int64_t n, const berth_op_arg *args, int n_args)
{
    enum { MOST_ARGS = 32 };
    bt_arg own[MOST_ARGS];
    char defines[BT_DEFINES];
    if (!call->on_device)
        return bt_fail(call->error, BERTH_BAD_INPUT, "launches a kernel where there is no device for it");
    if (n_args < 0 || n_args > MOST_ARGS)
        return bt_fail(call->error, BERTH_BAD_INPUT, "kernel '%s': %d arguments, of %d at most", kernel,
                       n_args, MOST_ARGS);
    if (!bt_gpu_type(T))
        return bt_fail(call->error, BERTH_UNSUPPORTED, "kernel '%s': no kernels of %s", kernel,
                       bt_dtype_name(T));
    for (int i = 0; i < n_args; i++) {
        switch (args[i].kind) {
        case BERTH_ARG_POINTER: own[i] = bt_pointer(args[i].value.pointer); break;
        case BERTH_ARG_INT32: own[i] = bt_int(args[i].value.i); break;
        case BERTH_ARG_INT64: own[i] = bt_long(args[i].value.l); break;
        case BERTH_ARG_FLOAT: own[i] = bt_float(args[i].value.f); break;
        default:
            return bt_fail(call->error, BERTH_BAD_INPUT, "kernel '%s': argument %d is of no kind", kernel,
                           i);
        }
    }
    if (n <= 0) return BERTH_OK;
    bt_grid grid = bt_grid_of(call->run, n);
    return bt_gpu_launch(call->run, source, bt_gpu_defines(defines, T, 0, ""), kernel, &grid, own, n_args);
}

berth_status berth_op_fail(berth_op_call *call, const char *format, ...)
{
    char message[400];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return bt_fail(call->error, call->infer ? BERTH_BAD_MODEL : BERTH_BAD_INPUT, "%s", message);
}

berth_status berth_op_status(const berth_op_call *call)
{
    return call->error ? call->error->status : BERTH_OK;
}
