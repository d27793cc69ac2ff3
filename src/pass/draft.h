/* Functions that passes make: conditions and bodies of loops of plain ops. */
#ifndef BT_DRAFT_H
#define BT_DRAFT_H

#include "pass/build.h"

/* A function that is being made, by the builder `b`. */
typedef struct bt_draft {
    bt_pass_context x;
    bt_builder b;
    bt_function *f;
} bt_draft;

/* Named NODE_WHAT, with n arguments; failed where the caller's builder is. It must be ended. */
void bt_draft_begin(bt_draft *d, const bt_builder *caller, const char *node, const char *what, const berth_dtype *types, int n);
static inline bt_edge bt_draft_arg(const bt_draft *d, int i)
{
    return (bt_edge){d->b.failed ? -1 : d->f->args[i], 0};
}
/* The function goes into the library; its name, NULL: out of memory. */
const char *bt_draft_end(bt_draft *d, const bt_edge *results, const berth_dtype *types, int n);
/* A loop over n variables, StatelessWhile; `more` and `step` are the names of functions, NULL: the builder fails. */
bt_edge bt_build_loop(bt_builder *b, const char *more, const char *step, const bt_edge *vars, const berth_dtype *types, int n);

#endif
