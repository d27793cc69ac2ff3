/* Reads a ConfigProto, in the wire encoding or, by way of pbtxt.c, as text. What is made of it: session/model.c. */
#include "format/config.h"

#include <stdio.h>

#include "base/wire.h"
#include "format/pbtxt.h"

enum { MOST_GPUS = 64 };

typedef struct reader {
    bt_arena *arena;
    bt_config_proto *config;
    const char **logical;
    bool failed; /* damaged */
    berth_error *error;
} reader;

static double double_of(bt_wire *w)
{
    double value;
    if (w->type != BT_WIRE_FIXED64) return w->failed = true, 0;
    memcpy(&value, &w->value, sizeof value);
    return value;
}

static berth_status read_count(reader *r, bt_str entry)
{
    bt_wire w = bt_wire_of(entry);
    bt_str key = {"", 0};
    int64_t value = 0;
    while (bt_wire_next(&w)) {
        if (w.field == 1) key = bt_wire_bytes(&w);
        if (w.field == 2) value = (int32_t)bt_wire_int(&w);
    }
    r->failed |= w.failed;
    if (value < 0 || value > MOST_GPUS)
        return bt_fail(r->error, BERTH_BAD_MODEL, "device_count: %lld of '%.*s' cannot be", (long long)value, (int)key.n, key.p);
    if (bt_str_is(key, "CPU")) r->config->cpu_count = (int)value; /* 0 leaves the host, as in TensorFlow */
    if (bt_str_is(key, "GPU")) r->config->gpu_count = (int)value;
    return BERTH_OK;
}

static berth_status read_virtual(reader *r, bt_str message)
{
    bt_wire w = bt_wire_of(message);
    bt_text list = {0};
    while (bt_wire_next(&w)) {
        if (w.field != 1) continue;
        bt_reader numbers = bt_wire_numbers(&w, BT_WIRE_FIXED32);
        size_t n = bt_wire_numbers_count(&numbers, BT_WIRE_FIXED32);
        for (size_t i = 0; i < n && list.n < 1000; i++) {
            uint32_t bits = (uint32_t)bt_wire_number(&numbers, BT_WIRE_FIXED32);
            float mb;
            memcpy(&mb, &bits, 4);
            if (!(mb >= 0 && mb < 1e9f)) bt_fail(r->error, BERTH_BAD_MODEL, "memory_limit_mb: %g cannot be", (double)mb);
            else bt_text_print(&list, "%s%lld", list.n ? "," : "", (long long)((double)mb * (1 << 20)));
        }
    }
    r->failed |= w.failed;
    if (!r->logical && !(r->logical = bt_arena_array(r->arena, const char *, MOST_GPUS))) bt_fail_memory(r->error);
    else if (r->config->n_logical == MOST_GPUS) bt_fail(r->error, BERTH_BAD_MODEL, "virtual_devices: for more than %d GPUs", MOST_GPUS);
    else if (!(r->logical[r->config->n_logical++] = bt_arena_copy(r->arena, list.p ? list.p : "", list.n))) bt_fail_memory(r->error);
    r->config->logical = r->logical;
    if (list.failed) bt_fail_memory(r->error);
    bt_text_free(&list);
    return r->error->status;
}

/* What can be said once: said twice it is a slip, whichever of the two would hold. */
static berth_status check_once(reader *r, uint32_t field, uint32_t *seen)
{
    static const char *const names[] = {[1] = "per_process_gpu_memory_fraction", [4] = "allow_growth", [5] = "visible_device_list"};
    const char *name = field < sizeof names / sizeof *names ? names[field] : NULL;
    if (name && *seen >> field & 1) return bt_fail(r->error, BERTH_BAD_MODEL, "%s is set twice", name);
    if (name) *seen |= 1u << field;
    return BERTH_OK;
}

static berth_status read_gpu(reader *r, bt_str message)
{
    bt_wire w = bt_wire_of(message);
    uint32_t seen = 0;
    berth_status status = BERTH_OK;
    bt_config_proto *c = r->config;
    while (!status && bt_wire_next(&w)) {
        status = check_once(r, w.field, &seen);
        if (w.field == 1) c->fraction = double_of(&w);
        if (w.field == 4) c->growth = bt_wire_uint(&w) != 0;
        if (w.field == 5) {
            bt_str list = bt_wire_bytes(&w);
            if (list.n && !(c->visible = bt_arena_copy(r->arena, list.p, list.n))) status = bt_fail_memory(r->error);
        }
        if (w.field == 9) {
            bt_wire x = bt_wire_of(bt_wire_bytes(&w));
            while (!status && bt_wire_next(&x))
                if (x.field == 1) status = read_virtual(r, bt_wire_bytes(&x));
            r->failed |= x.failed;
        }
    }
    r->failed |= w.failed;
    if (!status && !(c->fraction >= 0 && c->fraction <= 1))
        status = bt_fail(r->error, BERTH_BAD_MODEL, "per_process_gpu_memory_fraction: %g is not from 0 to 1", c->fraction);
    if (!status && c->fraction > 0 && c->n_logical)
        status = bt_fail(r->error, BERTH_BAD_MODEL,
                         "per_process_gpu_memory_fraction: virtual_devices have limits of their own");
    return status;
}

static berth_status read_message(reader *r, bt_str message)
{
    bt_wire w = bt_wire_of(message);
    berth_status status = BERTH_OK;
    bt_config_proto *c = r->config;
    while (!status && bt_wire_next(&w)) switch (w.field) {
        case 1: status = read_count(r, bt_wire_bytes(&w)); break;
        case 2: c->threads = (int32_t)bt_wire_int(&w); break;
        case 6: status = read_gpu(r, bt_wire_bytes(&w)); break;
        case 7: c->soft = bt_wire_uint(&w) != 0; break;
        case 8: c->log = bt_wire_uint(&w) != 0; break;
        }
    if (!status && (w.failed || r->failed)) status = bt_fail(r->error, BERTH_BAD_MODEL, "is no ConfigProto, or a damaged one");
    if (!status && (c->threads < 0 || c->threads > 1024))
        status = bt_fail(r->error, BERTH_BAD_MODEL, "intra_op_parallelism_threads: %d cannot be", c->threads);
    return status;
}

berth_status bt_config_proto_read(const char *path, bt_arena *arena, bt_config_proto *config, berth_error *error)
{
    bt_text wire = {0};
    bt_file *file = bt_file_open(path, error);
    if (!file) return error->status;
    *config = (bt_config_proto){.gpu_count = -1, .soft = -1, .log = -1, .growth = -1};
    reader r = {.arena = arena, .config = config, .error = error};
    bt_str bytes = {(const char *)file->data, file->size};
    berth_status status = BERTH_OK;
    if (bt_pbtxt_sniff(bytes, BT_PBTXT_CONFIG)) {
        status = bt_pbtxt_encode(bytes, BT_PBTXT_CONFIG, &wire, error);
        if (!status && wire.failed) status = bt_fail_memory(error);
        bytes = (bt_str){wire.p, wire.n};
    }
    if (!status) status = read_message(&r, bytes);
    if (status) bt_error_prefix(error, "%s", path);
    bt_text_free(&wire);
    bt_file_free(file);
    return status;
}
