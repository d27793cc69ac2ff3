/* Sessions: the plans of a model by the names that are fed and fetched, and the state that runs share. */
#ifndef BT_SESSION_H
#define BT_SESSION_H

#include "ops/resource.h"
#include "plan/place.h"
#include "session/model.h"

/* A plan and the names that it is for. */
typedef struct bt_session_plan {
    _Atomic int refs;
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
    bt_placer *placer;
    bool log_placement;
    bool hard;
    bt_resources *resources;
    bt_profile *_Atomic profile; /* NULL: nobody wants to know */
    bt_profile *profiled;        /* made once, and kept: runs in flight may still write to it */
    pthread_mutex_t lock;   /* of what follows */
    bt_session_plan *plans; /* most recent first */
    bt_map written;         /* variables that some plan writes */
    bool initialised;       /* init targets have run */
    berth_placement *listed;
    size_t n_listed;
    bt_arena listing;       /* of the last berth_session_placement */
};

#endif
