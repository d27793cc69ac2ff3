/* Ops: the record that each op is, and what its functions are given. One file a family; a family's records end
 * its file, and ops.def lists the families. To read next: elementwise.c (a family), ../plan/plan.h (who calls). */
#ifndef BT_OP_H
#define BT_OP_H

#include "base/log.h"
#include "base/thread.h"
#include "graph/graph.h"
#include "tensor/tensor.h"

/* ---- Shape functions ---------------------------------------------------------------------------------- */

/* Fills out[0..n_out) from what is known of the inputs. Every out starts with dtype 0 and an unknown shape and
 * must get its dtype; its shape as far as it can be told (unknown is always legal). Run again with exact input
 * shapes before a run, so it must be cheap and must not allocate. in[i].value is set for constants and, for
 * small tensors (shapes, axes), whenever they can be told: use bt_tensor_int and friends on it, never a cast. */
typedef struct bt_infer {
    const bt_node *node;
    const bt_fact *in;
    int n_in;
    bt_fact *out;
    int n_out;
    int producer; /* GraphDef version of the model */
    berth_error *error;
    bool planning; /* facts are what the graph says, not what a run brought: TensorFlow's shape functions refuse some of
                    * what its kernels take */
} bt_infer;

typedef berth_status bt_infer_fn(bt_infer *x);

/* Shape functions that many ops share (infer.c). */
bt_infer_fn bt_infer_same;      /* out 0 is like in 0 */
bt_infer_fn bt_infer_broadcast; /* out 0: dtype of in 0, shape broadcast of in 0 and in 1 */
bt_infer_fn bt_infer_unknown;   /* every out: dtype from attribute "T" (or "dtype"), shape unknown */

/* ---- Preparing a step --------------------------------------------------------------------------------- */

struct bt_store;
struct bt_body;

/* Called once when a plan is made. May parse attributes into *state and pack constant inputs; all that it
 * allocates lies in the arena or the store and lives as long as the plan. Constant inputs (in[i].value) may be
 * unaligned views of the mapped file: read them with memcpy. */
typedef struct bt_prepare {
    const bt_node *node;
    const bt_fact *in;
    int n_in;
    const bt_fact *out;
    int n_out;
    bt_arena *arena;
    bt_device *device; /* where it will run; NULL: on the host, once */
    bool is_streaming; /* constants may have to pass through the device as they are */
    void *state;       /* result: what bt_call.state will be */
    uint64_t consumed; /* result: bit i set when run() never reads in[i] (packed, or known for good); in[i]->data is then NULL */
    const struct bt_prepare_host *host; /* see bt_prepare_pack, bt_prepare_body */
    berth_error *error;
} bt_prepare;

typedef berth_status bt_prepare_fn(bt_prepare *p);

/* Packed weights: bytes made once from a constant, shared by all plans and sessions of the model, in huge
 * pages. `layout` says all that the bytes depend on beside the constant itself ("gemm 64 1x1", a hash of a
 * scale folded in): the same constant and layout give the same bytes. `pack` fills dst once. NULL on failure. */
typedef berth_status bt_pack_fn(void *user, void *dst, berth_error *error);
const void *bt_prepare_pack(bt_prepare *p, const bt_tensor *constant, const char *layout, size_t bytes, bt_pack_fn *pack,
                            void *user);
/* A plan of a function of the model, as a body to run (If, While, calls). facts[i] tells what is known of
 * argument i for every run of this body: dtype, shape, and value for a constant, which is then folded in.
 * facts may be NULL. results[i], when not NULL, receives what is known of each result. */
struct bt_body *bt_prepare_body(bt_prepare *p, const char *function, const bt_fact *facts, bt_fact *results);
const bt_function *bt_prepare_function(bt_prepare *p, const char *function); /* NULL when absent, error set */

typedef struct bt_prepare_host {
    const void *(*pack)(const struct bt_prepare_host *host, const bt_tensor *constant, const char *layout, size_t bytes,
                        bt_pack_fn *pack, void *user, berth_error *error);
    struct bt_body *(*body)(const struct bt_prepare_host *host, const char *function, const bt_fact *facts, bt_fact *results,
                            berth_error *error);
    const bt_function *(*function)(const struct bt_prepare_host *host, const char *function, berth_error *error);
} bt_prepare_host;

/* ---- Running a step ----------------------------------------------------------------------------------- */

typedef struct bt_call {
    const bt_node *node;
    const void *state;   /* what prepare left; shared between runs: read only */
    bt_tensor *const *in; /* inputs are read only (but see BT_OP_INPLACE and `last`) */
    int n_in;
    bt_tensor *const *out;
    int n_out;
    uint64_t last;       /* bit i: nobody reads in[i] after this step; its objects may be taken */
    bt_pool *pool;
    struct bt_device *device; /* where a gpu function's data lies */
    struct bt_run *run;  /* the run in flight: the services below */
    const struct bt_run_host *host;
    berth_error *error;
} bt_call;

typedef berth_status bt_run_fn(bt_call *c);

/* Memory for output i: planned when its shape was known, else taken now. Number tensors are uninitialised,
 * objects are zeroed. Returns the elements, or NULL with the error set (never NULL for zero elements). Call it
 * once an output, before writing it and after the last read of anything that it could share memory with, unless
 * the op is BT_OP_INPLACE. */
void *bt_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape);
/* Output i is the bytes of input j, with a shape of the same number of bytes (and a dtype) of its own. */
berth_status bt_out_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape);
/* Output i becomes what *t holds (its reference moves; *t is left empty). A borrowed *t is copied. */
berth_status bt_out_move(bt_call *c, int i, bt_tensor *t);
/* The same, but *t is left with the memory that the output had, so that neither side allocates when they do it again. */
berth_status bt_out_swap(bt_call *c, int i, bt_tensor *t);
/* n tensors (always as many) that stay this step's from one run to the next, empty at first: for what loops and branches
 * turn over. Objects must be cleared when the step ends. NULL with the error set. */
bt_tensor *bt_kept(bt_call *c, int n);
/* Working memory until the step ends; kept for the next. 64-byte aligned. NULL with the error set. */
void *bt_scratch(bt_call *c, size_t bytes);
/* The same, on the host wherever the step runs. */
void *bt_host_scratch(bt_call *c, size_t bytes);

/* Runs a body. in: n_args tensors, borrowed for the call; out: n_results tensors, NULL for a result that is not
 * wanted. An out that already has a dtype, a buffer that only the caller holds and the right shape is written in
 * place where possible; any other is cleared and replaced. What comes back never borrows from the body.
 * take: bit i set when nobody reads in[i] after the call, so that the body's steps may take its objects (the last
 * step that reads argument i gets that in bt_call.last): a list that a loop grows is then never copied. */
berth_status bt_run_body(bt_call *c, struct bt_body *body, bt_tensor *const *in, bt_tensor *const *out, uint64_t take);
/* Called by loops once an iteration: fails when the run was cancelled or `iteration` passes its bound. */
berth_status bt_run_check(bt_call *c, int64_t iteration);
/* The session's variables, tables and other named state (resource.h). */
struct bt_resources *bt_run_resources(bt_call *c);

typedef struct bt_run_host {
    void *(*out)(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape);
    berth_status (*alias)(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape);
    berth_status (*move)(bt_call *c, int i, bt_tensor *t, bool swap);
    bt_tensor *(*kept)(bt_call *c, int n);
    void *(*scratch)(bt_call *c, size_t bytes);
    void *(*host_scratch)(bt_call *c, size_t bytes); /* NULL: scratch is on the host */
    berth_status (*body)(bt_call *c, struct bt_body *body, bt_tensor *const *in, bt_tensor *const *out, uint64_t take);
    berth_status (*check)(bt_call *c, int64_t iteration);
    struct bt_resources *(*resources)(bt_call *c);
    void *(*fault)(bt_call *c); /* the bt_fault (gpu.h) of c->device; NULL with the error set. Devices with kernels only */
} bt_run_host;

/* Fails the step: BERTH_BAD_INPUT with a message; the executor puts the node's name and op in front. */
#define bt_call_fail(c, ...) bt_fail((c)->error, BERTH_BAD_INPUT, __VA_ARGS__)
#define bt_infer_fail(x, ...) bt_fail((x)->error, BERTH_BAD_MODEL, __VA_ARGS__)
#define bt_call_unsupported(c, ...) bt_fail((c)->error, BERTH_UNSUPPORTED, __VA_ARGS__)

/* ---- Records ------------------------------------------------------------------------------------------ */

enum {
    BT_OP_STATEFUL = 1, /* has an effect, or depends on state: never folded, merged, or dropped from a control path */
    BT_OP_INPLACE = 2,  /* out 0 may be the very bytes of an input of the same size (elementwise: reads element i before writing it) */
    BT_OP_ALIAS = 4,    /* out 0 is always the bytes of in 0 (Reshape, Identity): calls bt_out_alias(c, 0, 0, ...), and is not
                         * called at all where its result's shape is known beforehand */
    BT_OP_DEAD = 8,     /* runs even when inputs are dead (Merge); any other step is skipped and its outputs are dead */
    BT_OP_NO_FOLD = 16, /* deterministic, but not worth folding */
    BT_OP_BODY = 32     /* calls functions (If, While): on a device, its float inputs and outputs lie there, all others on the host */
};

#define BT_T(dtype) (1u << (dtype))
#define BT_FLOATS (BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT) | BT_T(BERTH_DOUBLE))
#define BT_SIGNED (BT_T(BERTH_INT8) | BT_T(BERTH_INT16) | BT_T(BERTH_INT32) | BT_T(BERTH_INT64))
#define BT_UNSIGNED (BT_T(BERTH_UINT8) | BT_T(BERTH_UINT16) | BT_T(BERTH_UINT32) | BT_T(BERTH_UINT64))
#define BT_INTS (BT_SIGNED | BT_UNSIGNED)
#define BT_COMPLEXES (BT_T(BERTH_COMPLEX64) | BT_T(BERTH_COMPLEX128))
#define BT_REALS (BT_FLOATS | BT_INTS)
#define BT_NUMBERS (BT_REALS | BT_COMPLEXES)
#define BT_QUANTIZED                                                                                             \
    (BT_T(BERTH_QINT8) | BT_T(BERTH_QUINT8) | BT_T(BERTH_QINT16) | BT_T(BERTH_QUINT16) | BT_T(BERTH_QINT32))
#define BT_ANY 0u

typedef struct bt_op {
    const char *name;
    bt_infer_fn *infer;
    bt_prepare_fn *prepare;   /* may be NULL */
    bt_run_fn *cpu;           /* NULL: never run (Placeholder, Const) */
    unsigned flags;
    uint32_t types;           /* of the attribute `type_attr`; 0: all */
    const char *type_attr;    /* NULL: "T" */
    /* Names of the output arguments, as in TensorFlow's op definition, "a,b,c"; "y*attr" for as many outputs as
     * the int attribute says, or as the list attribute has elements. NULL: one output, whatever its name; "": none. */
    const char *outputs;
    /* On a device with kernels of its own. NULL: such a device does not have the op, and soft placement moves it. */
    bt_run_fn *gpu;
    bt_prepare_fn *gpu_prepare;  /* in the place of `prepare`; NULL: none */
    uint32_t gpu_types;          /* as `types`, for gpu; 0: half, bfloat16, float, int32 */
    uint64_t host_inputs;        /* bit i: gpu reads in[i] on the host (shapes, axes); or BT_HOST_... */
    uint64_t host_outputs;       /* bit i: gpu writes out[i] on the host; or BT_HOST_OUTER */
    /* Why this node cannot run there beside its dtype (an attribute, a shape): a constant text; NULL: it can. May be NULL. */
    const char *(*gpu_refuses)(const bt_node *node, const bt_fact *in, int n_in);
} bt_op;

#define BT_HOST_LAST (1ull << 63)
#define BT_HOST_HALF (1ull << 62) /* the first half of the inputs (the indices of DynamicStitch) */
#define BT_HOST_OUTER (1ull << 61) /* of three groups the first and the last (indices, values and shapes of sparse tensors) */

static inline bool bt_in_outer_third(int i, int n) { return i < n / 3 || i >= n - n / 3; }

/* Whether a gpu function reads input i of n_in on the host. */
static inline bool bt_input_on_host(const bt_op *op, int i, int n_in)
{
    return (i < 61 && op->host_inputs >> i & 1) || (i == n_in - 1 && op->host_inputs & BT_HOST_LAST) ||
           (i < n_in / 2 && op->host_inputs & BT_HOST_HALF) ||
           (op->host_inputs & BT_HOST_OUTER && bt_in_outer_third(i, n_in));
}
/* Whether it writes output i of n_out there. */
static inline bool bt_output_on_host(const bt_op *op, int i, int n_out)
{
    return op->host_outputs & BT_HOST_OUTER ? bt_in_outer_third(i, n_out) : op->host_outputs >> (i < 63 ? i : 63) & 1;
}

const bt_op *bt_op_find(const char *name);      /* NULL: unknown */
/* All records, in the order of ops.def, and the family, a file x.c, of each; NULL past the end. */
const bt_op *bt_op_at(size_t index, const char **family);
bool bt_op_add(const bt_op *op);                /* a record of the user's, which must stay (custom.c); false: the name is taken, or no room */
int bt_node_outputs(const bt_node *node);       /* node->def must be set */
/* Slot of output argument `arg`, element `index`; -1 when there is none. node->def must be set. */
int bt_node_output_slot(const bt_node *node, bt_str arg, int64_t index);
/* The reverse: which element of which output argument a slot is. False when there is none. */
bool bt_node_output_arg(const bt_node *node, int slot, bt_str *arg, int *index);
/* By TensorFlow's op definition and the node's attributes (signature.c): how many inputs it has, -1: not known; what their types
 * and those of its outputs are, BERTH_NO_DTYPE: not known. */
int64_t bt_node_inputs(const bt_node *node);
berth_dtype bt_node_input_type(const bt_node *node, int i);
berth_dtype bt_node_output_type(const bt_node *node, int slot);
const char *bt_op_only_output(const char *op); /* the name of the output of an op that has one (output_name.c) */
/* Sets node->def where the op is known and leaves NULL where it is not. */
void bt_ops_resolve(bt_graph *graph);

/* Computes one node from constants, outside any plan (eval.c): for folding and for tests. in may be unaligned;
 * out[i] are fresh tensors. Fails with UNSUPPORTED for ops that need a session (flags, bodies). */
berth_status bt_eval(const bt_node *node, const bt_tensor *const *in, int n_in, bt_tensor *out, int n_out, bt_pool *pool,
                     berth_error *error);

/* ---- Help for kernels --------------------------------------------------------------------------------- */

/* An axis in [-rank, rank) made non-negative; false when out of range. */
static inline bool bt_axis(int64_t axis, int rank, int *out)
{
    if (axis < -rank || axis >= rank) return false;
    *out = (int)(axis < 0 ? axis + rank : axis);
    return true;
}
/* The window arithmetic of convolution and pooling: output size and padding before, as TensorFlow has them.
 * `padding`: "SAME", "VALID", or "EXPLICIT" with before/after given. in -1 gives out -1. False: does not fit
 * (the output would be negative). */
typedef struct bt_window {
    int64_t in, filter, stride, dilation; /* given */
    int64_t before, after;                /* given when explicit, else results */
    int64_t out;                          /* result */
} bt_window;
bool bt_window_resolve(bt_window *w, const char *padding);

#endif
