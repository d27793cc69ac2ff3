/* The services of plan and executor as the ops see them: thin calls through the host tables. */
#include "ops/op.h"

const void *bt_prepare_pack(bt_prepare *p, const bt_tensor *constant, const char *layout, size_t bytes,
                            bt_pack_fn *pack, void *user)
{
    return p->host->pack(p->host, constant, layout, bytes, pack, user, p->error);
}

struct bt_body *bt_prepare_body(bt_prepare *p, const char *function, const bt_fact *facts, bt_fact *results)
{
    return p->host->body(p->host, function, facts, results, p->error);
}

const bt_function *bt_prepare_function(bt_prepare *p, const char *function)
{
    return p->host->function(p->host, function, p->error);
}

void *bt_out(bt_call *c, int i, berth_dtype dtype, const bt_shape *shape)
{
    return c->host->out(c, i, dtype, shape);
}

berth_status bt_out_alias(bt_call *c, int i, int j, berth_dtype dtype, const bt_shape *shape)
{
    return c->host->alias(c, i, j, dtype, shape);
}

berth_status bt_out_move(bt_call *c, int i, bt_tensor *t) { return c->host->move(c, i, t, false); }

berth_status bt_out_swap(bt_call *c, int i, bt_tensor *t) { return c->host->move(c, i, t, true); }

bt_tensor *bt_kept(bt_call *c, int n) { return c->host->kept(c, n); }

void *bt_scratch(bt_call *c, size_t bytes) { return c->host->scratch(c, bytes); }
void *bt_host_scratch(bt_call *c, size_t bytes)
{
    return c->host->host_scratch ? c->host->host_scratch(c, bytes) : c->host->scratch(c, bytes);
}

berth_status bt_run_body(bt_call *c, struct bt_body *body, bt_tensor *const *in, bt_tensor *const *out,
                         uint64_t take)
{
    return c->host->body(c, body, in, out, take);
}

berth_status bt_run_check(bt_call *c, int64_t iteration) { return c->host->check(c, iteration); }

struct bt_resources *bt_run_resources(bt_call *c) { return c->host->resources(c); }
