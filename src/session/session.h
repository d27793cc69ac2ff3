/* Sessions: the plans of a model by the names that are fed and fetched, and the state that runs share. */
#ifndef BT_SESSION_H
#define BT_SESSION_H

#include "ops/resource.h"
#include "plan/place.h"
#include "session/model.h"

/* A way to place nodes: the session's own, one of a run that asks for a device, the fall-back. Lives as long as the session. */
typedef struct bt_placing {
    berth_session *session;
    bt_placer *placer;
    const char *device; /* as asked for; NULL: open */
    bool refused;       /* a node was, by hard placement: no device is at fault */
    struct bt_placing *next;
} bt_placing;

/* A plan, its placing and the names that it is for. */
typedef struct bt_session_plan {
    _Atomic int refs;
    const bt_placing *placing;
    char **names; /* feeds, then fetches, then targets */
    size_t n_feeds, n_fetches, n_targets;
    bt_plan *plan;
    bt_fates fates; /* of the graph as written */
    struct bt_session_plan *next;
} bt_session_plan;

struct berth_session {
    berth_model *model;
    bt_arena arena;
    const bt_signature *signature;
    const char *fallback;   /* NULL: none */
    bool log_placement;
    bool hard;
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

/* Where a plan is made that is only to be measured: nothing is packed, nothing is taken on a device. */
typedef struct bt_rehearsal {
    bt_device *places[BT_MAX_PLACES];
    bt_store *stores[BT_MAX_PLACES];
} bt_rehearsal;

/* What a plan is made for, beside running. */
typedef struct bt_planning {
    const bt_rehearsal *rehearsal; /* NULL: it will run */
    bt_fates *fates;               /* of the graph as written; NULL: nobody asks */
    const char *stage;             /* its text is wanted, and the plan not made further; NULL: none */
    bt_text *dump;
} bt_planning;

/* ---- request.c ---- */

/* The signature's own names where none are given. */
berth_status bt_session_names(const berth_session *s, bt_arena *arena, bt_names *names, berth_error *error);
bt_plan *bt_session_make_plan(berth_session *s, bt_placing *placing, const bt_names *names, const bt_planning *how,
                              berth_error *error);

/* ---- session.c ---- */

/* The plan for these names, found or made; a reference. The lock is held. */
bt_session_plan *bt_session_plan_for(berth_session *s, bt_placing *placing, const bt_names *names, berth_error *error);
void bt_session_plan_drop(bt_session_plan *plan);
void bt_session_drop_plans(berth_session *s);
/* Drops them, and waits for the runs on them. The lock is held. */
void bt_session_retire_plans(berth_session *s);

/* ---- placing.c ---- */

/* What the options ask for; an absent device is covered by the fall-back. */
berth_status bt_session_place_first(berth_session *s, const berth_session_options *options, berth_error *error);
/* Of a run; device: NULL for the session's own. The lock is held. */
bt_placing *bt_session_placing(berth_session *s, const char *device, berth_error *error);
/* After a failure: where the work can go on, with the error cleared and the log told; NULL: nowhere. The lock is held. */
bt_placing *bt_session_fall_back(berth_session *s, bt_placing *from, berth_error *error);

/* ---- estimate.c ---- */

/* Whether the signature's inputs, an unknown dimension taken as 1, fit on the devices of a placing: BERTH_DEVICE with the
 * reason when they do not. What cannot be planned is no matter of this. */
berth_status bt_session_estimate(berth_session *s, bt_placing *placing, berth_error *error);
/* Adds to an error of a plan that ran out of memory for these inputs how large a batch would fit. */
void bt_session_advise(const berth_session *s, bt_plan *plan, const berth_feed *feeds, size_t n_feeds, berth_error *error);

#endif
