/* Sessions: the plans of a model by the names that are fed and fetched, and the state that runs share. */
#ifndef BT_SESSION_H
#define BT_SESSION_H

#include "ops/resource.h"
#include "plan/place.h"
#include "session/model.h"

/* A way to place nodes: the session's own, one of a run that asks for a device, the fall-back. Lives as long as the session. */
typedef struct bt_placing {
    berth_session *session;
    bt_placer *placer; /* of the first part, where there are several */
    struct bt_placing **parts; /* of a batch that is divided over devices: itself, or one a device */
    int n_parts;
    const char *device; /* as asked for; NULL: open */
    bool refused;       /* a node was, by hard placement: no device is at fault */
    struct bt_placing *next;
} bt_placing;

typedef struct bt_split bt_split;

/* A plan and what became in it of the graph as written. */
typedef struct bt_session_part {
    bt_plan *plan;
    bt_stream *window; /* NULL: all weights have room */
    bt_fates fates;
} bt_session_part;

/* A plan a part of the batch, their placing and the names that they are for. */
typedef struct bt_session_plan {
    _Atomic int refs;
    bt_placing *placing;
    char **names; /* feeds, then fetches, then targets */
    size_t n_feeds, n_fetches, n_targets;
    bt_session_part *parts;
    int n_parts;
    bt_split *split; /* NULL: the batch is not divided */
    struct bt_session_plan *next;
} bt_session_plan;

struct berth_session {
    berth_model *model;
    bt_arena arena;
    const bt_signature *signature;
    const char *fallback;   /* NULL: none */
    bool log_placement;
    bool hard;
    bool stream_weights;
    bt_precision precision;
    bt_resources *resources;
    bt_profile *_Atomic profile; /* NULL: nobody wants to know */
    bt_profile *profiled;        /* made once, and kept: runs in flight may still write to it */
    _Atomic int n_moving;   /* who wait for runs on former plans to end */
    pthread_cond_t moved;   /* such a run ended */
    pthread_mutex_t lock;   /* of what follows */
    const char *device;     /* that was asked for */
    const char **rules;
    size_t n_rules;
    bt_placing *placing;    /* of runs that name no device */
    bt_placing *placings;   /* of runs that do */
    bt_placing *last_resort; /* the fall-back, once it was needed */
    bt_session_plan *plans; /* most recent first */
    bt_map written;         /* variables that some plan writes */
    bool initialised;       /* init targets have run */
    berth_placement *listed;
    size_t n_listed;
    bt_arena listing;       /* of the last berth_session_placement */
    bt_arena stepping;      /* of the last berth_session_steps */
};

/* Whether a node is left that does work. */
static inline bool bt_fate_works(const bt_fate *fate) { return fate->kind == BT_FATE_KEPT || fate->kind == BT_FATE_FUSED; }

/* Feeds, fetches and targets by name. */
typedef struct bt_names {
    const berth_feed *feeds, *fetches;
    const char *const *targets;
    size_t n_feeds, n_fetches, n_targets;
} bt_names;

/* A plan that is only to be measured: nothing is packed for it, nothing is taken on a device (rehearsal.c). */
typedef struct bt_stand_in bt_stand_in;
typedef struct bt_rehearsal {
    bt_arena arena;
    bt_stand_in *stand_ins; /* behind places */
    bt_device *places[BT_MAX_PLACES];
    bt_store *stores[BT_MAX_PLACES];
    int n_places;
    bt_plan *plan;
    bt_tensor *feeds, **pointers; /* without data */
    bool *has_batch;              /* of a feed: its first dimension is open */
    size_t n_feeds;
    int64_t batch;                /* the largest first dimension of those that are open; 0: none is */
    bool is_shaped;               /* every feed has a shape */
    bool streams;                 /* weights may pass through */
} bt_rehearsal;

/* What a plan is made for, beside running. */
typedef struct bt_planning {
    const bt_rehearsal *rehearsal; /* NULL: it will run */
    bt_fates *fates;               /* of the graph as written; NULL: nobody asks */
    const char *stage;             /* its text is wanted, and the plan not made further; NULL: none */
    bt_text *dump;
    bt_obstacles *obstacles;       /* gathers what keeps nodes from running, for a rehearsal; NULL: the first is an error */
    bt_stream *window;             /* where weights pass through; NULL: they all have room */
} bt_planning;

/* ---- request.c ---- */

/* The signature's own names where none are given. */
berth_status bt_session_names(const berth_session *s, bt_arena *arena, bt_names *names, berth_error *error);
bt_plan *bt_session_make_plan(berth_session *s, bt_placing *placing, const bt_names *names, const bt_planning *how,
                              berth_error *error);

/* ---- session.c ---- */

/* is_measured: what does not fit is refused, or falls back. */
berth_session *bt_session_open(berth_model *model, const berth_session_options *options, bool is_measured, berth_error *error);
/* The plan for these names, found or made; a reference. One that is made for a rehearsal is not kept. The lock is held. */
bt_session_plan *bt_session_plan_for(berth_session *s, bt_placing *placing, const bt_names *names,
                                     const bt_rehearsal *rehearsal, berth_error *error);
void bt_session_plan_drop(bt_session_plan *plan);
void bt_session_drop_plans(berth_session *s);
/* Drops them, and waits for the runs on them. The lock is held. */
void bt_session_retire_plans(berth_session *s);

/* ---- look.c ---- */

/* The devices that do the work of a node, "/GPU:0,/GPU:1" in the parts of a batch, "" where there is none; NULL: out of memory. */
const char *bt_session_device_of(const berth_session *s, const bt_session_plan *plan, size_t node, bt_arena *arena);

/* ---- split.c ---- */

/* Of a plan of several parts, and with it; logs: a line a part whenever a batch is divided anew. All of these may be called from several threads. */
bt_split *bt_split_new(const bt_session_plan *plan, bool logs, berth_error *error);
void bt_split_free(bt_split *split); /* NULL is legal */
/* As bt_plan_run on the whole batch. BERTH_UNSUPPORTED: it cannot be divided, with the node that stands in the way. */
berth_status bt_split_run(bt_split *split, const bt_services *services, bt_tensor *const *in, bt_tensor *const *out,
                          berth_error *error);
berth_status bt_split_warm(bt_split *split, bt_tensor *const *in, berth_error *error); /* as bt_plan_warm */
/* How the batch would be divided now, and what each part was seen to do, in rows a second (0: nothing yet). */
berth_status bt_split_rows(bt_split *split, bt_tensor *const *in, int64_t *rows, double *speed, berth_error *error);

/* ---- placing.c ---- */

/* What the options ask for; an absent device is covered by the fall-back, and, when measured, one that is too small. */
berth_status bt_session_place_first(berth_session *s, const berth_session_options *options, bool is_measured,
                                    berth_error *error);
/* Of a run; device: NULL for the session's own. The lock is held. */
bt_placing *bt_session_placing(berth_session *s, const char *device, berth_error *error);
/* After a failure: where the work can go on, with the error cleared and the log told; NULL: nowhere. The lock is held. */
bt_placing *bt_session_fall_back(berth_session *s, bt_placing *from, berth_error *error);

/* ---- estimate.c ---- */

/* Whether the signature's inputs, an unknown dimension taken as 1, fit on the devices of a placing: BERTH_DEVICE with the
 * reason when they do not. What cannot be planned is no matter of this. */
berth_status bt_session_estimate(berth_session *s, bt_placing *placing, berth_error *error);
/* Adds to an error of a run that went out of memory for these inputs how large a batch would fit. */
void bt_session_advise(berth_session *s, const bt_session_plan *plan, const berth_feed *feeds, size_t n_feeds,
                       berth_error *error);

/* ---- rehearsal.c ---- */

/* The places alone, for a plan that someone else makes; close it after that plan's end, and after a failure too. */
berth_status bt_rehearsal_open(bt_rehearsal *r, const berth_session *s, berth_error *error);
/* Tensors of the names' feeds need have nothing but a shape; an open dimension is taken as 1. Close it after a failure too. */
berth_status bt_rehearse(bt_rehearsal *r, berth_session *s, bt_placing *placing, const bt_names *names,
                         bt_obstacles *obstacles, berth_error *error);
void bt_rehearsal_close(bt_rehearsal *r);
/* By place, for a batch, 0: as given, what must be had. False when it cannot be told. */
bool bt_rehearsal_use(bt_rehearsal *r, int64_t batch, bt_use *uses);
/* What the libraries of devices would take beside that, at most, where there is room: they do without. */
bool bt_rehearsal_wish(bt_rehearsal *r, int64_t batch, const bt_use *uses, int64_t more[BT_MAX_PLACES]);
int64_t bt_rehearsal_weights(const bt_rehearsal *r, int place); /* the least that must lie there, where weights may pass through */
/* For a session whose weights may pass through: *window for a plan of these names, or NULL where all have room. */
berth_status bt_session_window(berth_session *s, bt_placing *placing, const bt_names *names, bt_stream **window,
                               berth_error *error);
/* room: bytes, by place. */
bool bt_rehearsal_fits(bt_rehearsal *r, int64_t batch, const int64_t *room);
/* The largest batch that fits, of those up to 2^24; -1: inputs have none. */
int64_t bt_rehearsal_largest(bt_rehearsal *r, const int64_t *room);
/* What can be had on a place, weights of the model that lie there already included; INT64_MAX: nobody knows, and, but for
 * `host`, on a CPU without a limit. */
int64_t bt_session_room(const berth_session *s, int place, bool host);

#endif
