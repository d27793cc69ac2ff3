/* DecodeJSONExample: a tf.train.Example written as JSON, as protobuf's bytes. Names are taken in both of protobuf's
 * spellings; fields come out in the order of the text, numbers one by one (not packed). */
#include "base/json.h"
#include "base/wire.h"
#include "ops/text.h"

static berth_status infer_json(bt_infer *x)
{
    x->out[0].dtype = BERTH_STRING;
    if (x->n_in > 0) x->out[0].shape = x->in[0].shape;
    return x->n_in > 0 ? BERTH_OK : bt_infer_fail(x, "needs an input");
}

static berth_status wrong(bt_call *c, const bt_json *j)
{
    return bt_call_fail(c, "Error while parsing JSON: the field '%.80s' is not one of an Example",
                        j->key.p ? j->key.p : "");
}

/* What was written since `begin` becomes a message in that field, with a length as short as can be. */
static void wrap(bt_text *out, uint32_t field, size_t begin)
{
    char head[12];
    size_t n = out->n - begin, size = 0;
    head[size++] = (char)(field << 3 | BT_WIRE_BYTES);
    for (size_t left = n; size == 1 || left; left >>= 7)
        head[size++] = (char)((left & 0x7f) | (left > 0x7f ? 0x80 : 0));
    bt_text_add(out, head, size);
    if (out->failed) return;
    memmove(out->p + begin + size, out->p + begin, n);
    memcpy(out->p + begin, head, size);
}

/* Base64 in either alphabet, with or without padding. */
static bool put_base64(bt_text *out, bt_str text)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    uint32_t bits = 0;
    bt_text bytes = {0};
    while (text.n && text.p[text.n - 1] == '=') text.n--;
    bool is_good = text.n % 4 != 1;
    for (size_t i = 0; i < text.n && is_good; i++) {
        const char *digit = text.p[i] ? strchr(digits, text.p[i]) : NULL;
        is_good = digit != NULL;
        if (!digit) break;
        uint32_t value = (uint32_t)(digit - digits);
        bits = bits << 6 | (value >= 64 ? value - 2 : value);
        if (i % 4) bt_text_add(&bytes, &(char){(char)(bits >> (6 - 2 * (i % 4)))}, 1);
    }
    if (is_good) bt_wire_put_bytes(out, 1, (bt_str){bytes.p ? bytes.p : "", bytes.n});
    out->failed |= bytes.failed;
    bt_text_free(&bytes);
    return is_good;
}

/* One value of a BytesList (1), FloatList (2) or Int64List (3); numbers may be written as text. */
static bool put_value(bt_text *out, int list, const bt_json *j)
{
    bool is_text = bt_json_is(j, BT_JSON_STRING);
    if (list == 1) return is_text && put_base64(out, j->s);
    if (list == 2) {
        float value = (float)bt_json_double(j, 0);
        if (is_text ? !bt_text_number(BERTH_FLOAT, j->s, &value) : !bt_json_is_number(j)) return false;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        bt_wire_put_fixed32(out, 1, bits);
        return true;
    }
    int64_t value = bt_json_int(j, 0);
    if (is_text ? !bt_text_number(BERTH_INT64, j->s, &value)
                : !bt_json_is_number(j) || bt_json_double(j, 0) != (double)value)
        return false;
    bt_wire_put_uint(out, 1, (uint64_t)value);
    return true;
}

static berth_status put_list(bt_call *c, bt_text *out, int list, const bt_json *j)
{
    size_t begin = out->n;
    for (const bt_json *field = bt_json_first(j); field; field = field->next) {
        if (!bt_str_is(field->key, "value") || !bt_json_is(field, BT_JSON_ARRAY)) return wrong(c, field);
        for (const bt_json *value = bt_json_first(field); value; value = value->next)
            if (!put_value(out, list, value))
                return bt_call_fail(c, "Error while parsing JSON: a value is of another type");
    }
    wrap(out, (uint32_t)list, begin);
    return BERTH_OK;
}

static berth_status put_feature(bt_call *c, bt_text *out, const bt_json *j)
{
    static const char *const names[2][3] = {{"bytesList", "floatList", "int64List"},
                                            {"bytes_list", "float_list", "int64_list"}};
    for (const bt_json *field = bt_json_first(j); field; field = field->next) {
        int list = 0;
        for (int i = 0; i < 3; i++)
            if (bt_str_is(field->key, names[0][i]) || bt_str_is(field->key, names[1][i])) list = i + 1;
        if (!list || !bt_json_is(field, BT_JSON_OBJECT)) return wrong(c, field);
        berth_status status = put_list(c, out, list, field);
        if (status) return status;
    }
    return BERTH_OK;
}

/* Each entry of the map is a message of its own: key 1, value 2. */
static berth_status put_map(bt_call *c, bt_text *out, const bt_json *j)
{
    berth_status status = BERTH_OK;
    for (const bt_json *entry = bt_json_first(j); entry && !status; entry = entry->next) {
        if (!bt_json_is(entry, BT_JSON_OBJECT)) return wrong(c, entry);
        size_t begin = out->n;
        bt_wire_put_bytes(out, 1, entry->key);
        size_t value = out->n;
        status = put_feature(c, out, entry);
        wrap(out, 2, value);
        wrap(out, 1, begin);
    }
    return status;
}

static berth_status put_example(bt_call *c, bt_text *out, const bt_json *j)
{
    berth_status status = BERTH_OK;
    if (!bt_json_is(j, BT_JSON_OBJECT))
        return bt_call_fail(c, "Error while parsing JSON: an Example is an object");
    for (const bt_json *field = bt_json_first(j); field && !status; field = field->next) {
        if (!bt_str_is(field->key, "features") || !bt_json_is(field, BT_JSON_OBJECT)) return wrong(c, field);
        size_t begin = out->n;
        for (const bt_json *map = bt_json_first(field); map && !status; map = map->next)
            status = bt_str_is(map->key, "feature") && bt_json_is(map, BT_JSON_OBJECT) ? put_map(c, out, map)
                                                                                       : wrong(c, map);
        wrap(out, 1, begin);
    }
    return status;
}

static berth_status run_json(bt_call *c)
{
    berth_status status = bt_strings_input(c, 0);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &c->in[0]->shape);
    if (!out) return c->error->status;
    bt_text text = {0};
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]) && !status; i++) {
        bt_arena arena;
        bt_arena_init(&arena);
        const bt_string *s = (const bt_string *)c->in[0]->data + i;
        const bt_json *j = bt_json_parse(&arena, (bt_str){s->n ? s->p : "", s->n}, c->error);
        status = j ? put_example(c, &text, j) : c->error->status;
        if (!status && !bt_string_from_text(&out[i], &text)) status = bt_fail_memory(c->error);
        bt_arena_free(&arena);
    }
    bt_text_free(&text);
    return status;
}

const bt_op bt_ops_json_example[] = {
    {"DecodeJSONExample", infer_json, .cpu = run_json},
    {NULL},
};
