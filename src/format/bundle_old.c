/* Checkpoints of the old format (V1, saved_tensor_slice.proto): tables that hold the values themselves, a file a shard. The key
 * "" has the names, shapes and slices of all tensors of its file; each other entry one slice with its values. What is done
 * with slices: bundle.c, which this fills. */
#include "format/bundle.h"

#include <stdio.h>

#include "format/archive.h"
#include "format/graphdef.h"
#include "format/sstable.h"

typedef struct old {
    bt_loader loader;
    const char *name; /* of the file being read */
    bt_bundle *bundle;
} old;

enum { MOST_SHARDS = 1000 };

/* PREFIX, or the shard of that many. NULL: out of memory. */
static const char *shard_path(bt_source *source, const char *prefix, int shard, int n)
{
    return n ? bt_arena_print(&source->arena, "%s-%05d-of-%05d", prefix, shard, n) : prefix;
}

int bt_bundle_old_shards(bt_source *source, const char *prefix)
{
    char name[32];
    if (bt_files_has(source, prefix)) return 0;
    for (int n = 1; n <= MOST_SHARDS; n++) {
        bt_text path = {0};
        snprintf(name, sizeof name, "-00000-of-%05d", n);
        bt_text_print(&path, "%s%s", prefix, name);
        bool failed = path.failed, found = !failed && bt_files_has(source, path.p);
        bt_text_free(&path);
        if (failed) return -2;
        if (found) return n;
    }
    return -1;
}

/* SavedSliceMeta: name = 1, shape = 2, type = 3, slice = 4 */
static berth_status read_meta(old *o, bt_str message)
{
    berth_dtype dtype = BERTH_NO_DTYPE;
    bt_shape shape = BT_SCALAR;
    bt_str name = {"", 0};
    int rank = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) name = bt_wire_bytes(&w);
        if (w.field == 2) w.failed |= !bt_shape_read(bt_wire_bytes(&w), &shape, &rank);
        if (w.field == 3) dtype = bt_dtype_read(bt_wire_uint(&w));
    }
    if (w.failed || rank < 0)
        return bt_fail(o->loader.error, BERTH_BAD_MODEL, "%s: a damaged entry", o->name);
    if (rank > BT_MAX_RANK)
        return bt_fail(o->loader.error, BERTH_UNSUPPORTED, "%s: a tensor of rank %d", o->name, rank);
    bt_text slices = {0};
    w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == 4) bt_bundle_put_slice(&slices, bt_wire_bytes(&w));
    if (slices.failed) bt_fail_memory(o->loader.error);
    else bt_bundle_add(o->bundle, name, dtype, &shape, (bt_str){slices.p, slices.n});
    bt_text_free(&slices);
    return o->loader.error->status;
}

/* SavedSlice: name = 1, slice = 2, data = 3 */
static berth_status read_data(old *o, bt_str message)
{
    bool failed = false;
    bt_tensor value;
    bt_str name = bt_wire_field(message, 1, &failed), slice = bt_wire_field(message, 2, &failed),
           data = bt_wire_field(message, 3, &failed);
    if (failed || bt_wire_count(data, 4)) /* values stand in fields of their types, never as bytes */
        return bt_fail(o->loader.error, BERTH_BAD_MODEL, "%s: a damaged entry", o->name);
    if (bt_bundle_slice_of(o->bundle, name, slice, &value)) return o->loader.error->status;
    if (bt_tensor_values_read(&o->loader, data, &value) ||
        bt_bundle_set_slice(o->bundle, name, slice, &value))
        bt_error_prefix(o->loader.error, "%s: tensor '%.*s'", o->name, (int)(name.n < 200 ? name.n : 200),
                        name.p);
    return o->loader.error->status;
}

/* SavedTensorSlices: meta = 1 { tensor = 1 }, data = 2 */
static berth_status visit(void *user, bt_str key, bt_str value, berth_error *error)
{
    old *o = user;
    bool failed = false;
    if (key.n) return read_data(o, bt_wire_field(value, 2, &failed));
    bt_wire w = bt_wire_of(bt_wire_field(value, 1, &failed));
    while (bt_wire_next(&w) && !error->status)
        if (w.field == 1) read_meta(o, bt_wire_bytes(&w));
    if (w.failed || failed) bt_fail(error, BERTH_BAD_MODEL, "%s: a damaged list of tensors", o->name);
    return error->status;
}

static berth_status read_shard(old *o, const char *path)
{
    bt_source *source = o->loader.source;
    berth_error *error = o->loader.error;
    bt_file *file = bt_files_open(source, path, error);
    if (!file) return error->status;
    bt_str bytes = {(const char *)file->data, file->size};
    if (bt_sstable_read(bytes, visit, o, error) && !bt_starts(error->message, o->name))
        bt_error_prefix(error, "%s", o->name);
    bt_file_free(file);
    return error->status;
}

berth_status bt_bundle_read_old(bt_bundle *bundle, const char *prefix, const char *name, bt_source *source,
                                int n, berth_error *error)
{
    old o = {.loader = {.source = source, .error = error}, .bundle = bundle};
    for (int i = 0; i < (n ? n : 1) && !error->status; i++) {
        const char *path = shard_path(source, prefix, i, n);
        o.name = shard_path(source, name, i, n);
        if (!path || !o.name) return bt_fail_memory(error);
        read_shard(&o, path);
    }
    return error->status;
}
