/* Bytes in strings: base64, raw numbers, compressed ones. */
#include "ops/move.h"
#include "ops/text.h"

#ifdef BERTH_ZLIB
#include <zlib.h>
#endif

static berth_status infer_same_strings(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = BERTH_STRING;
    x->out[0].shape = x->in[0].shape;
    return BERTH_OK;
}

typedef berth_status recode(bt_call *c, bt_str in, bt_string *out);

static berth_status each(bt_call *c, recode *code)
{
    berth_status status = bt_strings_input(c, 0);
    bt_string *out = status ? NULL : bt_out(c, 0, BERTH_STRING, &c->in[0]->shape);
    if (!out) return c->error->status;
    const bt_string *in = c->in[0]->data;
    for (int64_t i = 0; i < bt_tensor_count(c->in[0]) && !status; i++)
        status = code(c, bt_str_from(&in[i]), &out[i]);
    return status;
}

/* ---- Base64, of URLs ---------------------------------------------------------------------------------- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static berth_status encode(bt_call *c, bt_str in, bt_string *out)
{
    bool pad = bt_attr_bool(c->node, "pad", false);
    size_t n = in.n / 3 * 4 + (in.n % 3 ? (pad ? 4 : in.n % 3 + 1) : 0), i = 0;
    char *to = n ? bt_string_room(out, n) : NULL;
    if (n && !to) return bt_fail_memory(c->error);
    for (; i < in.n; i += 3) {
        uint32_t bits = 0;
        size_t left = in.n - i < 3 ? in.n - i : 3;
        for (size_t k = 0; k < left; k++) bits |= (uint32_t)(uint8_t)in.p[i + k] << (16 - 8 * k);
        for (size_t k = 0; k <= left; k++) *to++ = digits[bits >> (18 - 6 * k) & 63];
        for (size_t k = left; pad && k < 3; k++) *to++ = '=';
    }
    return BERTH_OK;
}

static berth_status decode(bt_call *c, bt_str in, bt_string *out)
{
    if (in.n && in.n % 4 == 0)
        for (int i = 0; i < 2 && in.p[in.n - 1] == '='; i++) in.n--;
    size_t n = in.n / 4 * 3 + (in.n % 4 ? in.n % 4 - 1 : 0);
    if (in.n % 4 == 1) return bt_call_fail(c, "Base64 string length must not be 1 modulo 4");
    char *to = n ? bt_string_room(out, n) : NULL;
    if (n && !to) return bt_fail_memory(c->error);
    uint32_t bits = 0;
    for (size_t i = 0; i < in.n; i++) {
        const char *digit = in.p[i] ? strchr(digits, in.p[i]) : NULL;
        if (!digit) return bt_call_fail(c, "Invalid character found in base64");
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (i % 4) *to++ = (char)(bits >> (6 - 2 * (i % 4)));
    }
    return BERTH_OK;
}

static berth_status run_encode(bt_call *c) { return each(c, encode); }
static berth_status run_decode(bt_call *c) { return each(c, decode); }

/* ---- Raw numbers -------------------------------------------------------------------------------------- */

static berth_status infer_raw(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 1);
    if (status) return status;
    x->out[0].dtype = bt_attr_type(x->node, "out_type", BERTH_NO_DTYPE);
    bt_shape *out = &x->out[0].shape;
    *out = x->in[0].shape;
    if (out->rank == BT_MAX_RANK)
        return bt_fail(x->error, BERTH_UNSUPPORTED, "more than %d dimensions", BT_MAX_RANK);
    if (out->rank >= 0) out->dim[out->rank++] = -1;
    return BERTH_OK;
}

/* Turns round the bytes of each number, for those that come big-endian; a complex one is two numbers. */
static void turn(char *p, size_t n, berth_dtype dtype)
{
    size_t size = bt_dtype_size(dtype) / (bt_dtype_is_complex(dtype) ? 2 : 1);
    for (; n >= size && size > 1; p += size, n -= size)
        for (size_t i = 0; i < size / 2; i++) {
            char swap = p[i];
            p[i] = p[size - 1 - i], p[size - 1 - i] = swap;
        }
}

static berth_status run_raw(bt_call *c)
{
    berth_dtype dtype = bt_attr_type(c->node, "out_type", BERTH_NO_DTYPE);
    size_t size = bt_dtype_size(dtype);
    berth_status status = bt_strings_input(c, 0);
    if (status) return status;
    const bt_tensor *t = c->in[0];
    const bt_string *in = t->data;
    int64_t n = bt_tensor_count(t);
    size_t bytes = n ? in[0].n : 0;
    for (int64_t i = 1; i < n; i++)
        if (in[i].n != bytes)
            return bt_call_fail(
                c,
                "DecodeRaw requires input strings to all be the same size, but element %lld has "
                "size %zu != %zu",
                (long long)i, in[i].n, bytes);
    if (bytes % size)
        return bt_call_fail(c,
                            "Input to DecodeRaw has length %zu that is not a multiple of %zu, the size of %s",
                            bytes, size, bt_dtype_name(dtype));
    if (t->shape.rank == BT_MAX_RANK) return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    bt_shape shape = t->shape;
    shape.dim[shape.rank++] = (int64_t)(bytes / size);
    char *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    bool little = bt_attr_bool(c->node, "little_endian", true);
    for (int64_t i = 0; i < n && bytes; i++) memcpy(out + (size_t)i * bytes, in[i].p, bytes);
    if (!little) turn(out, (size_t)n * bytes, dtype);
    return BERTH_OK;
}

/* Each string is cut, or filled with zeros, to fixed_length bytes. */
static berth_status run_padded(bt_call *c)
{
    berth_dtype dtype = bt_attr_type(c->node, "out_type", BERTH_NO_DTYPE);
    size_t size = bt_dtype_size(dtype);
    berth_status status = bt_strings_input(c, 0);
    if (status) return status;
    if (c->n_in < 2 || bt_tensor_count(c->in[1]) != 1) return bt_call_fail(c, "needs one fixed_length");
    int64_t length = bt_tensor_int(c->in[1], 0);
    if (length <= 0)
        return bt_call_fail(c, "fixed_length (%lld) must be greater than zero", (long long)length);
    if ((size_t)length % size)
        return bt_call_fail(c, "fixed_length (%lld) must be a multiple of the size of %s", (long long)length,
                            bt_dtype_name(dtype));
    const bt_tensor *t = c->in[0];
    if (t->shape.rank == BT_MAX_RANK) return bt_call_unsupported(c, "more than %d dimensions", BT_MAX_RANK);
    bt_shape shape = t->shape;
    shape.dim[shape.rank++] = length / (int64_t)size;
    char *out = bt_out(c, 0, dtype, &shape);
    if (!out) return BERTH_NO_MEMORY;
    bool little = bt_attr_bool(c->node, "little_endian", true);
    for (int64_t i = 0; i < bt_tensor_count(t); i++, out += length) {
        const bt_string *s = (const bt_string *)t->data + i;
        size_t n = s->n < (size_t)length ? s->n : (size_t)length;
        if (n) memcpy(out, s->p, n);
        memset(out + n, 0, (size_t)length - n);
        if (!little) turn(out, (size_t)length, dtype);
    }
    return BERTH_OK;
}

/* ---- Compressed --------------------------------------------------------------------------------------- */

#ifdef BERTH_ZLIB

enum { STEP = 1 << 16 };
#define MOST_INFLATED ((size_t)1 << 31) /* more is a bomb */

/* As TensorFlow reads: bytes that end too early give what there is, and gzip goes on with the next member. */
static berth_status inflate_all(bt_call *c, z_stream *z, bool gzip, bt_text *text)
{
    char room[STEP / 4];
    int done = Z_OK;
    while (done == Z_OK && text->n < MOST_INFLATED) {
        z->next_out = (uint8_t *)room, z->avail_out = sizeof room;
        done = inflate(z, Z_NO_FLUSH);
        if (done == Z_OK || done == Z_STREAM_END) bt_text_add(text, room, sizeof room - z->avail_out);
        if (done == Z_STREAM_END && gzip && z->avail_in) done = inflateReset(z);
    }
    bool cut = done == Z_BUF_ERROR && z->avail_in == 0;
    if (text->failed) return bt_fail_memory(c->error);
    return cut || done == Z_STREAM_END ? BERTH_OK : bt_call_fail(c, "the compressed bytes are damaged");
}

static berth_status inflate_one(bt_call *c, bt_str in, bt_string *out)
{
    bool gzip = !strcmp(bt_attr_string(c->node, "compression_type", ""), "GZIP");
    z_stream z = {.next_in = (uint8_t *)in.p, .avail_in = (unsigned)in.n};
    bt_text text = {0};
    if (in.n == 0) return BERTH_OK;
    if (in.n > UINT32_MAX) return bt_call_unsupported(c, "more than 4 GiB compressed");
    if (inflateInit2(&z, gzip ? MAX_WBITS + 16 : MAX_WBITS) != Z_OK) return bt_fail_memory(c->error);
    berth_status status = inflate_all(c, &z, gzip, &text);
    if (!status && !bt_string_from_text(out, &text)) status = bt_fail_memory(c->error);
    bt_text_free(&text);
    inflateEnd(&z);
    return status;
}

#else

static berth_status inflate_one(bt_call *c, bt_str in, bt_string *out)
{
    return (void)in, (void)out, bt_call_unsupported(c, "this build has no zlib");
}

#endif

static berth_status copy_one(bt_call *c, bt_str in, bt_string *out)
{
    return bt_string_set(out, in.p, in.n) ? BERTH_OK : bt_fail_memory(c->error);
}

static berth_status run_compressed(bt_call *c)
{
    const char *type = bt_attr_string(c->node, "compression_type", "");
    if (!*type) return each(c, copy_one);
    if (strcmp(type, "ZLIB") && strcmp(type, "GZIP"))
        return bt_call_fail(c, "Only ZLIB, GZIP or NONE are supported");
    return each(c, inflate_one);
}

#define RAW .type_attr = "out_type", .types = BT_NUMBERS | BT_T(BERTH_BOOL)

const bt_op bt_ops_string_code[] = {
    {"EncodeBase64", infer_same_strings, .cpu = run_encode},
    {"DecodeBase64", infer_same_strings, .cpu = run_decode},
    {"DecodeRaw", infer_raw, .cpu = run_raw, RAW},
    {"DecodePaddedRaw", infer_raw, .cpu = run_padded, RAW},
    {"DecodeCompressed", infer_same_strings, .cpu = run_compressed},
    {NULL},
};
