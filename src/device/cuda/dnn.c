/* Convolutions by cuDNN, which is opened at the first of them and never needed: whatever it does not do, or fails to do, is done
 * as without it (ops/conv_gpu.c). How each is done is asked of the library once and kept; what the question is: dnn_graph.c. Its
 * handle is for one thread at a time, and names the stream. */
#include <dlfcn.h>
#include <stdatomic.h>

#include "device/cuda/dnn_graph.h"

static bt_dnn_library dnn;

struct bt_conv_plan {
    bt_cu_known known; /* first */
    bt_conv what;
    bt_dnn_plan is;
};

struct bt_cu_dnn {
    pthread_mutex_t handling;
    dnn_handle handle;
    cu_stream stream; /* the handle's; NULL: none was set yet */
    bt_cu_plans plans;
};

/* Its engines look for cuBLASLt by name, and so find the one that is open. */
static void look(void)
{
    bt_cu_blas_is_there();
    void *library = bt_cu_open_library("BERTH_CUDNN", "libcudnn", 9);
    if (!library) return;
#define X(result, name, arguments) \
    if (!(dnn.name = (result(*) arguments)dlsym(library, #name))) return;
    BT_DNN_FUNCTIONS(X)
#undef X
    dnn.is_there = true;
}

bool bt_cu_dnn_is_there(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, look);
    return dnn.is_there;
}

_Static_assert(sizeof(bt_conv) == 22 * 8 + 5 * 4 + 4, "a gap");

/* ---- Plans -------------------------------------------------------------------------------------------- */

static void drop_plan(bt_cu_known *known) { bt_dnn_plan_free(&dnn, &((bt_conv_plan *)known)->is); }

/* What the library does not do is kept too, as refused. */
static bt_cu_known *plan_new(void *user, const void *what)
{
    struct bt_cu_dnn *own = user;
    bt_conv_plan *p = bt_calloc(1, sizeof *p);
    if (!p) return NULL;
    p->what = *(const bt_conv *)what, p->known.what = &p->what;
    pthread_mutex_lock(&own->handling);
    p->known.is_refused = !bt_dnn_plan_new(&dnn, own->handle, NULL, &p->what,
                                           p->what.no_workspace ? 0 : bt_conv_workspace(what), &p->is);
    pthread_mutex_unlock(&own->handling);
    return &p->known;
}

static struct bt_cu_dnn *dnn_of(bt_cu_device *d)
{
    static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
    struct bt_cu_dnn *own = atomic_load_explicit(&d->dnn, memory_order_acquire);
    if (own || bt_cu_is_recording(d)) return own;
    bool is_there = bt_cu_dnn_is_there();
    pthread_mutex_lock(&opening);
    if (!(own = d->dnn) && (own = bt_calloc(1, sizeof *own))) {
        pthread_mutex_init(&own->handling, NULL);
        bt_cu_plans_init(&own->plans);
        if (is_there && dnn.cudnnCreate(&own->handle)) own->handle = NULL;
        atomic_store_explicit(&d->dnn, own, memory_order_release);
    }
    pthread_mutex_unlock(&opening);
    return own;
}

/* ---- The device's functions --------------------------------------------------------------------------- */

const bt_conv_plan *bt_cu_conv_plan(bt_device *device, const bt_conv *what, size_t *workspace)
{
    bool is_known_type =
        what->type == BERTH_FLOAT || what->type == BERTH_HALF || what->type == BERTH_BFLOAT16;
    bt_cu_device *d = is_known_type ? bt_cu_open(device, NULL) : NULL;
    if (!d || bt_cu_enter(d)) return NULL;
    struct bt_cu_dnn *own = dnn_of(d);
    const bt_conv_plan *p = NULL;
    if (own && own->handle)
        p = (const bt_conv_plan *)bt_cu_plans_find(&own->plans, what, sizeof *what,
                                                   bt_cu_is_recording(d) ? NULL : plan_new, own);
    bt_cu_leave(d);
    if (p) *workspace = (size_t)p->is.workspace;
    return p;
}

/* What the handle does is done in the stream from now on. */
static bool use_stream(struct bt_cu_dnn *own, cu_stream stream)
{
    if (own->stream == stream) return true;
    bool is_set = !dnn.cudnnSetStream(own->handle, stream);
    own->stream = is_set ? stream : NULL;
    return is_set;
}

void bt_cu_dnn_leave(bt_cu_device *d, cu_stream stream)
{
    struct bt_cu_dnn *own = d->dnn;
    if (!own) return;
    pthread_mutex_lock(&own->handling);
    if (own->stream == stream) use_stream(own, d->stream);
    pthread_mutex_unlock(&own->handling);
}

bool bt_cu_conv(bt_device *device, const bt_conv_plan *plan, const bt_conv_data *data)
{
    bt_conv_plan *p = (bt_conv_plan *)(uintptr_t)plan;
    bt_cu_device *d = device->physical->state;
    struct bt_cu_dnn *own = d->dnn;
    if (bt_cu_enter(d)) return false;
    bt_cu_span *span = bt_cu_span_begin(d, d->stream);
    pthread_mutex_lock(&own->handling);
    bool is_done = use_stream(own, bt_cu_stream(d)) && bt_dnn_run(&dnn, own->handle, &p->is, data);
    pthread_mutex_unlock(&own->handling);
    bt_cu_span_end(d, span, !is_done);
    bt_cu_leave(d);
    if (!is_done) p->known.is_refused = true;
    return is_done;
}

void bt_cu_dnn_free(bt_cu_device *d, bool is_idle)
{
    struct bt_cu_dnn *own = d->dnn;
    if (!own) return;
    bt_cu_plans_free(&own->plans, drop_plan);
    if (own->handle && is_idle) dnn.cudnnDestroy(own->handle);
    pthread_mutex_destroy(&own->handling);
    bt_free(own);
}
