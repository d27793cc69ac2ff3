/* What stands behind the public handles: contexts, models, tensors. Sessions: session.h. */
#ifndef BT_MODEL_H
#define BT_MODEL_H

#include "base/thread.h"
#include "device/device.h"
#include "plan/plan.h"

struct berth_context {
    bt_registry *registry;
    bt_pool *pool;
    int threads;
    bool threads_given;
    int soft, log; /* of a ConfigProto, for sessions that do not say; -1: nor does it */
};

/* The default context when given NULL; NULL with the error set when there is no memory. */
berth_context *bt_context_of(berth_context *context, berth_error *error);

/* berth_config_read. */
berth_status bt_context_config(berth_context *context, const char *path, berth_error *error);

typedef struct bt_op_count {
    const char *op;
    size_t count;
} bt_op_count;

struct berth_model {
    _Atomic int refs;
    berth_context *context;
    bt_source source;
    bt_device *places[BT_MAX_PLACES]; /* the context's devices that are known by now; 0 is /CPU:0 */
    bt_store *stores[BT_MAX_PLACES];  /* of weights, by place */
    _Atomic int n_places;
    bt_signature whole; /* of a graph without signatures: its placeholders and sinks */
    int64_t weight_bytes;
    pthread_mutex_t lock;
    bt_op_count *op_counts; /* made when first asked for; ended by a NULL op */
    berth_model *from;      /* of a transformed one: what it borrows from; else NULL */
    struct bt_change *changes; /* in the source's arena */
    size_t n_changes;
};

/* Takes in devices that the context has come to know. */
berth_status bt_model_places(berth_model *model, berth_error *error);
/* Of the path, or where it is given the file, which is borrowed. Needs options. */
berth_model *bt_model_load(const char *path, bt_file *file, const berth_load_options *options, berth_error *error);
/* A model without a source; and what is told of it once it has one. */
berth_model *bt_model_new(berth_context *context, berth_error *error);
berth_status bt_model_finish(berth_model *model, berth_error *error);
berth_model *bt_model_ref(berth_model *model);
void bt_model_free(berth_model *model);
/* By name; NULL: serving_default, the only one, or `whole`. NULL result: the error says which there are. */
const bt_signature *bt_model_signature(const berth_model *model, const char *name, berth_error *error);
/* How many nodes of each op, functions included, most first; ended by a NULL op. NULL: out of memory. */
const bt_op_count *bt_model_op_counts(berth_model *model);
/* Fills `whole`, of a graph without signatures (whole.c). */
berth_status bt_model_whole(berth_model *model, berth_error *error);
/* Of `whole`, what is worth to be written out. Outputs that berth can make and that are no variable or write to one; all, if there is
 * none. What pipelines of inputs bring (IteratorGetNext, QueueDequeueMany), as far as the outputs need it: no labels. */
berth_status bt_whole_drop_unknown(const berth_model *model, bt_arena *arena, bt_signature *s, berth_error *error);
berth_status bt_whole_drop_unread(const berth_model *model, bt_arena *arena, bt_signature *s, berth_error *error);
void bt_port_spec(const bt_port *port, berth_spec *spec);

struct berth_tensor {
    bt_tensor t;
};

#endif
