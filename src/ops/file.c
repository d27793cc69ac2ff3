/* ReadFile: a file's bytes as a string; in SavedModels the path is an asset's. Files of lines fill tables in table_file.c. */
#include "base/file.h"

#include "ops/move.h"
#include "ops/object.h"
#include "ops/text.h"

static berth_status infer_read(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    if (x->in[0].shape.rank > 0) return bt_infer_fail(x, "takes the path of one file, a scalar");
    bt_infer_scalar(x, 0, BERTH_STRING);
    return BERTH_OK;
}

static berth_status run_read(bt_call *c)
{
    berth_status status = bt_strings_input(c, 0);
    if (status) return status;
    if (c->in[0]->shape.rank != 0) return bt_call_fail(c, "takes the path of one file, a scalar");
    const char *path = bt_call_path(c, 0);
    bt_string *out = path ? bt_out(c, 0, BERTH_STRING, &BT_SCALAR) : NULL;
    if (!out) return BERTH_NO_MEMORY;
    bt_string_room(out, 0);
    return bt_file_read(path, &out->p, &out->n, c->error);
}

/* What a file holds is not the graph's: it is read anew each time. */
const bt_op bt_ops_file[] = {
    {"ReadFile", infer_read, .cpu = run_read, .flags = BT_OP_NO_FOLD},
    {NULL},
};
