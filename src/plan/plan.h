/* Plans: what a run does, step by step. A plan belongs to feeds, fetches and a placement, not to shapes; a layout of a
 * plan belongs to exact input shapes: where each slot lies, and what need not be computed at all. plan.c makes plans,
 * layout.c layouts, run.c runs them. A body (of If, While, a call) is a plan of a function. */
#ifndef BT_PLAN_H
#define BT_PLAN_H

#include <pthread.h>

#include "pass/pass.h"
#include "plan/profile.h"
#include "plan/store.h"
#include "plan/stream.h"

enum { BT_MAX_PLACES = 16 };

typedef enum bt_slot_kind { BT_SLOT_STEP, BT_SLOT_FEED, BT_SLOT_CONST } bt_slot_kind;

/* A value: an output of a step, a feed, a constant. */
typedef struct bt_slot {
    bt_slot_kind kind;
    int16_t place;      /* where it lies */
    bool is_read;       /* CONST: some step or fetch reads it at run time, so it lies in the store */
    int32_t step;       /* STEP: which; FEED: the number of the feed */
    int32_t root;       /* the slot whose bytes this one always shares (alias ops), itself otherwise */
    int32_t last;       /* root: the last step that reads the bytes; n_steps for fetches */
    int32_t n_fetched;  /* root: how many fetches want it or its aliases */
    bt_fact fact;
    const bt_weights *weights; /* CONST: it is made of another; NULL: it is fact.value */
    bt_tensor constant; /* CONST and is_read */
    const bt_tensor *streamed; /* the constant on the host, brought to the window for each step that reads it; NULL: it stays */
} bt_slot;

typedef struct bt_step {
    bt_run_fn *run;          /* of op, for the place */
    int16_t place;
    const bt_op *op;
    const bt_node *node;
    const void *state;
    const int32_t *in, *out; /* slots */
    int32_t n_in, n_out;
    int32_t first_pointer;   /* in bt_run.pointers: inputs, then outputs */
    uint64_t last;           /* bit i: nobody reads in[i] later */
    uint64_t last_feed;      /* bit i: the same, if the caller gives the feed away */
    const int32_t *controls; /* steps whose being dead makes this one dead; guarded plans only */
    int32_t n_controls;
    int64_t packed_bytes;    /* of constants that were packed for it */
    bool is_streamed;        /* reads slots that are */
} bt_step;

typedef struct bt_plan_env {
    const bt_source *source;
    bt_map *functions;
    bt_pool *pool;
    bt_device *const *places;     /* devices that nodes may be on; 0 is the host */
    bt_store *const *stores;      /* of their weights */
    int n_places;
    int (*place)(void *user, const bt_node *node); /* the place that is asked for; NULL: body_place */
    void *place_user;
    bt_precision precision;
    bool hard;                    /* refuse what would have to be moved */
    bool *refused;                /* set when that was done; may be NULL */
    int body_place;               /* of a body: where its caller is */
    bt_obstacles *obstacles;      /* NULL: the first is an error; see pass.h */
    bool is_streaming;            /* weights may have no room */
    bt_stream *window;            /* for weights that have no room; NULL: all must have it. Outlives the plan */
    bt_map *written;              /* variables that plans of the session write; see bt_pass_context */
    const char *function;         /* whose body this is; NULL: the graph itself */
    const struct bt_plan_env *outer;
} bt_plan_env;

/* An entry that a plan holds in the store of a place. */
typedef struct bt_held {
    bt_packed *packed;
    int place;
} bt_held;

typedef struct bt_plan {
    bt_arena arena;
    bt_plan_env env;
    bt_slot *slots;
    int32_t n_slots;
    bt_step *steps;
    int32_t n_steps;
    bt_step_count *counts;    /* by step, while profiled */
    int32_t *feeds, *fetches; /* slots */
    int32_t n_feeds, n_fetches;
    const char **feed_names;
    int32_t n_pointers;
    bool guarded;             /* has Switch or Merge: steps may be dead */
    bt_held *held;          /* what it holds in the stores */
    size_t n_held, held_room;
    int32_t caller;           /* of a body: the step that it belongs to, in the plan that owns it */
    struct bt_plan **bodies;  /* of its steps; owned */
    size_t n_bodies, bodies_room;
    pthread_mutex_t begin;    /* held while a run sets up a state: it has none of it, or counts as running */
    pthread_mutex_t lock;     /* of what follows */
    struct bt_layout **layouts; /* most recent first */
    int n_layouts;
    uint64_t n_numbered;      /* layouts, ever */
    struct bt_run *idle;      /* states of past runs, for the next ones */
    int n_running;            /* runs in flight, and states that are just given back */
    uint64_t n_ended;
    pthread_cond_t ended;     /* one of them did */
    _Atomic int64_t arena_bytes[BT_MAX_PLACES]; /* of all run states */
    _Atomic int64_t scratch_bytes[BT_MAX_PLACES];
    int64_t weight_bytes[BT_MAX_PLACES];        /* of its entries in the stores */
    int64_t streamable[BT_MAX_PLACES];  /* bytes of constants that could pass through, bodies' included */
    size_t largest_need[BT_MAX_PLACES]; /* of a window: the most that one step reads of them */
    int n_copies;             /* tensors that cross devices in one run */
} bt_plan;

/* What to plan. feeds, fetches and targets are of `graph`; the arrays are copied. */
typedef struct bt_plan_request {
    const bt_graph *graph;
    bool as_written;           /* the model's own graph: fates are kept */
    const bt_edge *feeds;
    const bt_fact *feed_facts;
    const char *const *feed_names;
    int n_feeds;
    const bt_edge *fetches;
    int n_fetches;
    const int32_t *targets;
    int n_targets;
    bt_fates *fates;           /* result; holds the graph's nodes beforehand; may be NULL */
    const char *dump_stage;    /* a pass's name, "source" or "plan": its text goes to *dump, and nothing is planned after it */
    bt_text *dump;
} bt_plan_request;

bt_plan *bt_plan_new(const bt_plan_env *env, const bt_plan_request *request, berth_error *error);
void bt_plan_free(bt_plan *plan);
void bt_plan_dump(const bt_plan *plan, bt_text *out);

/* ---- Constants (constant.c) ---- */

/* An entry of the store of a place, which the plan holds from now on; as bt_store_get. */
bt_packed *bt_plan_hold(bt_plan *plan, int place, const bt_tensor *constant, const char *layout, size_t bytes, bt_pack_fn *pack,
                        void *user, berth_error *error);
/* Puts every constant where runs find it, when all steps are prepared. */
berth_status bt_plan_settle(bt_plan *plan, berth_error *error);

/* ---- Places (assign.c) ---- */

/* Gives every node the place that was asked for, or one that can run it; facts must be fresh. Then inserts copies where a
 * tensor is wanted on another place than its own. */
berth_status bt_plan_assign(bt_pass_context *x, const bt_plan_env *env);
berth_status bt_plan_add_copies(bt_pass_context *x, const bt_plan_env *env, int *n_copies);
/* The nodes in an order in which the host's work and the devices' take as few turns as can be: what comes from the host is
 * there before the devices begin, and what goes to it goes when they are done. Stateful nodes stay in their order. */
berth_status bt_plan_order(bt_pass_context *x, int32_t **order, size_t *n);
/* Where output `slot` of a node of this dtype lies. */
int bt_output_place(const bt_pass_context *x, const bt_node *node, int slot, berth_dtype dtype);

/* ---- Layouts ---- */

enum { BT_DYNAMIC = -1, BT_ELSEWHERE = -2 };

typedef struct bt_layout {
    bt_arena arena;
    bt_shape *feed_shapes;
    bt_tensor *initial;      /* by slot: dtype and shape where known; data of constants and of values that are known */
    int64_t *offset;         /* by slot: in the run's arena; BT_DYNAMIC; BT_ELSEWHERE: constant, fed or fetched */
    int32_t *steps;          /* those that must run */
    int32_t n_steps;
    size_t arena_bytes[BT_MAX_PLACES];
    int32_t *feed_slots, *feed_first;   /* slots that share the bytes of feed i: feed_slots[feed_first[i] .. feed_first[i+1]) */
    int32_t *fetch_slots, *fetch_first; /* slots that lie in the tensor fetched as i; none: it is copied out at the end */
    uint64_t number;         /* no other of the plan's has it */
    int refs;                /* run states that are set up for it; under the plan's lock */
} bt_layout;

/* What is known of every slot for feeds of these shapes, n_slots results, whose values lie in `values`; and of every step
 * whether all that it gives is known without a run. */
berth_status bt_plan_infer(bt_plan *plan, const bt_shape *feeds, bt_arena *work, bt_arena *values, bt_fact *facts, bool *known,
                           berth_error *error);
/* The same of one step, from the facts of its inputs to those of its outputs; in, out: room for as many as these are. */
berth_status bt_plan_infer_step(bt_plan *plan, int32_t step, bt_arena *values, bt_fact *in, bt_fact *out, bt_fact *facts,
                                bool *known, berth_error *error);
/* The layout for these feeds' shapes, found or made; a reference. */
bt_layout *bt_plan_layout(bt_plan *plan, bt_tensor *const *feeds, berth_error *error);
void bt_layout_release(bt_plan *plan, bt_layout *layout);
void bt_layout_free(bt_layout *layout);

/* ---- Runs ---- */

/* What a run needs from outside: the same for all bodies that it enters. */
/* What kernels of a run and of its bodies could not take (fault.c): a record a place, on its device. */
typedef struct bt_faults {
    void *records[BT_MAX_PLACES]; /* bt_fault; NULL: no step has asked for it yet */
    bool asked[BT_MAX_PLACES];    /* since they were read last */
} bt_faults;

/* NULL with the error set. */
void *bt_faults_record(bt_faults *f, bt_device *device, int place, berth_error *error);
/* Waits for the devices whose records were asked for and reads them. A fault came before what `status` may tell already, and
 * takes its place; the status now. */
berth_status bt_faults_read(bt_faults *f, bt_device *const *places, int n_places, berth_status status, berth_error *error);
void bt_faults_free(bt_faults *f, bt_device *const *places, int n_places);

typedef struct bt_services {
    struct bt_resources *resources;
    const volatile int *cancel;
    int64_t max_iterations;
    bt_recorder *recorder; /* NULL: nobody wants to know */
    bt_faults *faults;   /* NULL: the run's own */
    bool (*make_room)(void *user); /* memory is short: gives some back that nobody needs; false: there is none. May be NULL */
    void *user;
} bt_services;

/* Whether all feeds are there, of the dtypes and shapes that the plan is for: BERTH_BAD_INPUT with the name of one that is not. */
berth_status bt_plan_check_feeds(const bt_plan *plan, bt_tensor *const *in, berth_error *error);
/* Runs a plan. Contract of in, out and take: bt_run_body in ops/op.h. */
berth_status bt_plan_run(bt_plan *plan, const bt_services *services, bt_tensor *const *in, bt_tensor *const *out,
                         uint64_t take, berth_error *error);
/* A run state and a layout for these shapes, made ahead. */
berth_status bt_plan_warm(bt_plan *plan, bt_tensor *const *in, berth_error *error);
/* Gives back what idle run states hold, those of its bodies too; false when there were none. */
bool bt_plan_trim(bt_plan *plan);

/* ---- Rehearsals (rehearse.c) ---- */

/* What a run takes on a device, beside weights. */
typedef struct bt_use {
    int64_t activations, workspace;
} bt_use;

/* Fills uses, of BT_MAX_PLACES, for inputs of these shapes, of which nothing but dtype and shape is looked at. For a plan that
 * stands on devices whose launches do nothing; what depends on data, and the workspace of the host's kernels, is left out. */
berth_status bt_plan_measure(bt_plan *plan, bt_tensor *const *feeds, bt_use *uses);

#endif
