/* SerializeTensor and ParseTensor: a tensor as the bytes of a TensorProto message and back. The formats' own reader of
 * this message, which keeps views of a file, is ../format/value.c. */
#include "ops/move.h"

#include "base/file.h"

/* Fields of TensorProto; of TensorShapeProto; of its Dim. */
enum { DTYPE = 1, SHAPE = 2, CONTENT = 4, STRINGS = 8, DIM = 2, SIZE = 1, UNKNOWN_RANK = 3 };
enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

/* ---- Writing ------------------------------------------------------------------------------------------ */

/* Counts while p is NULL. */
typedef struct writer {
    uint8_t *p;
    size_t n;
} writer;

static void put_varint(writer *w, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)(v & 0x7f) | (v > 0x7f ? 0x80 : 0);
        if (w->p) w->p[w->n] = byte;
        w->n++;
    } while (v >>= 7);
}

static void put_bytes(writer *w, int field, const void *p, size_t n)
{
    put_varint(w, (uint64_t)field << 3 | BYTES);
    put_varint(w, n);
    if (w->p && n) memcpy(w->p + w->n, p, n);
    w->n += n;
}

static void write_shape(writer *w, const bt_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        uint8_t dim[16];
        writer inner = {dim, 0};
        if (shape->dim[i])
            put_varint(&inner, SIZE << 3 | VARINT), put_varint(&inner, (uint64_t)shape->dim[i]);
        put_bytes(w, DIM, dim, inner.n);
    }
}

static void write_tensor(writer *w, const bt_tensor *t)
{
    uint8_t shape[BT_MAX_RANK * 16];
    writer inner = {shape, 0};
    write_shape(&inner, &t->shape);
    put_varint(w, DTYPE << 3 | VARINT), put_varint(w, t->dtype);
    put_bytes(w, SHAPE, shape, inner.n);
    if (t->dtype == BERTH_STRING)
        for (int64_t i = 0, n = bt_tensor_count(t); i < n; i++)
            put_bytes(w, STRINGS, ((const bt_string *)t->data)[i].p, ((const bt_string *)t->data)[i].n);
    else if (bt_tensor_bytes(t) > 0) put_bytes(w, CONTENT, t->data, bt_tensor_bytes(t));
}

static berth_status infer_serialize(bt_infer *x)
{
    x->out[0] = (bt_fact){BERTH_STRING, BT_SCALAR, NULL};
    return bt_infer_arity(x, 1);
}

static berth_status run_serialize(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    writer w = {NULL, 0};
    if (bt_dtype_is_object(in->dtype) && in->dtype != BERTH_STRING)
        return bt_call_unsupported(c, "a tensor of %s as bytes", bt_dtype_name(in->dtype));
    write_tensor(&w, in);
    if (!(w.p = bt_scratch(c, w.n))) return BERTH_NO_MEMORY;
    w.n = 0;
    write_tensor(&w, in);
    bt_string *out = bt_out(c, 0, BERTH_STRING, &BT_SCALAR);
    if (!out) return BERTH_NO_MEMORY;
    return bt_string_set(out, (const char *)w.p, w.n) ? BERTH_OK : bt_fail_memory(c->error);
}

/* ---- Reading ------------------------------------------------------------------------------------------ */

typedef struct field {
    int number, type;
    uint64_t value;  /* VARINT, FIXED32, FIXED64 */
    bt_reader bytes; /* BYTES */
} field;

/* False at the end, and, with r->failed, where the message is damaged. */
static bool next_field(bt_reader *r, field *f)
{
    if (bt_reader_left(r) == 0 || r->failed) return false;
    uint64_t tag = bt_read_varint(r);
    *f = (field){.number = (int)(tag >> 3 & 0x1fffffff), .type = (int)(tag & 7)};
    if (f->type == VARINT) {
        f->value = bt_read_varint(r);
    } else if (f->type == FIXED32 || f->type == FIXED64) {
        f->value = bt_read_uint(r, f->type == FIXED32 ? 4 : 8);
    } else if (f->type == BYTES) {
        uint64_t n = bt_read_varint(r);
        const uint8_t *p = n <= bt_reader_left(r) ? bt_read_bytes(r, (size_t)n) : NULL;
        if (p) f->bytes = bt_reader_of(p, (size_t)n);
        else r->failed = true;
    } else {
        r->failed = true;
    }
    return !r->failed;
}

static bool read_shape(bt_reader r, bt_shape *shape)
{
    field f, g;
    *shape = BT_SCALAR;
    while (next_field(&r, &f)) {
        if (f.number == UNKNOWN_RANK && f.value) return false;
        if (f.number != DIM || f.type != BYTES) continue;
        int64_t size = 0;
        while (next_field(&f.bytes, &g))
            if (g.number == SIZE && g.type == VARINT) size = (int64_t)g.value;
        if (f.bytes.failed || size < 0 || shape->rank == BT_MAX_RANK) return false;
        shape->dim[shape->rank++] = size;
    }
    return !r.failed;
}

/* The field that lists the elements of a dtype, and how one of them is written; 0: none. */
static int value_field(berth_dtype dtype, int *type)
{
    *type = VARINT;
    switch (dtype) {
    case BERTH_FLOAT: *type = FIXED32; return 5;
    case BERTH_DOUBLE: *type = FIXED64; return 6;
    case BERTH_COMPLEX64: *type = FIXED32; return 9;
    case BERTH_COMPLEX128: *type = FIXED64; return 12;
    case BERTH_INT64: return 10;
    case BERTH_BOOL: return 11;
    case BERTH_HALF:
    case BERTH_BFLOAT16: return 13;
    case BERTH_UINT32: return 16;
    case BERTH_UINT64: return 17;
    case BERTH_STRING: *type = BYTES; return STRINGS;
    default: return 7;
    }
}

/* The elements of a message, in units: halves of complex numbers count as one each. */
typedef struct values {
    char *out;
    size_t unit;
    int64_t n, room;
} values;

static void put_value(values *v, uint64_t value)
{
    if (v->n < v->room) memcpy(v->out + (size_t)v->n++ * v->unit, &value, v->unit);
}

static void put_packed(values *v, bt_reader r, int type)
{
    while (bt_reader_left(&r) > 0 && !r.failed && v->n < v->room)
        put_value(v, type == VARINT ? bt_read_varint(&r) : bt_read_uint(&r, type == FIXED32 ? 4 : 8));
}

/* Fills the output from content, or from listed values, of which the last repeats. */
static berth_status read_elements(bt_call *c, bt_reader r, berth_dtype dtype, void *out, int64_t count)
{
    int type, number = value_field(dtype, &type);
    bool complex = bt_dtype_is_complex(dtype);
    values v = {out, bt_dtype_size(dtype) / (complex ? 2 : 1), 0, count * (complex ? 2 : 1)};
    field f;
    while (next_field(&r, &f)) {
        if (f.number == CONTENT && f.type == BYTES && bt_reader_left(&f.bytes) > 0 && dtype != BERTH_STRING) {
            size_t want = (size_t)count * bt_dtype_size(dtype);
            if (bt_reader_left(&f.bytes) != want)
                return bt_call_fail(c, "%zu bytes for a tensor of %zu", bt_reader_left(&f.bytes), want);
            memcpy(out, f.bytes.p, want);
            return BERTH_OK;
        }
        if (f.number != number) continue;
        if (dtype == BERTH_STRING) {
            if (f.type == BYTES && v.n < v.room &&
                !bt_string_set((bt_string *)out + v.n++, (const char *)f.bytes.p, bt_reader_left(&f.bytes)))
                return bt_fail_memory(c->error);
        } else if (f.type == BYTES) {
            put_packed(&v, f.bytes, type);
        } else {
            put_value(&v, f.value);
        }
    }
    int64_t group = complex ? 2 : 1, listed = v.n / group;
    if (listed == 0 && dtype != BERTH_STRING) memset(out, 0, (size_t)count * bt_dtype_size(dtype));
    const void *last = bt_at_const(dtype, out, listed - 1);
    return listed ? bt_move_fill(dtype, bt_at(dtype, out, listed), last, count - listed, NULL, c->error)
                  : BERTH_OK;
}

static berth_status infer_parse(bt_infer *x)
{
    x->out[0].dtype = bt_attr_type(x->node, "out_type", BERTH_NO_DTYPE);
    if (x->n_in > 0 && x->in[0].shape.rank > 0) return bt_infer_fail(x, "takes one string");
    return bt_infer_arity(x, 1);
}

static berth_status run_parse(bt_call *c)
{
    const bt_tensor *in = c->in[0];
    if (in->dtype != BERTH_STRING || in->shape.rank != 0) return bt_call_fail(c, "takes one string");
    const bt_string *s = in->data;
    bt_reader message = bt_reader_of(s->p, s->n), r = message;
    bt_shape shape = BT_SCALAR;
    berth_dtype wanted = bt_attr_type(c->node, "out_type", BERTH_NO_DTYPE);
    uint64_t dtype = 0;
    size_t bytes;
    field f;
    while (next_field(&r, &f)) {
        if (f.number == DTYPE && f.type == VARINT) dtype = f.value;
        if (f.number == SHAPE && f.type == BYTES && !read_shape(f.bytes, &shape))
            return bt_call_fail(c, "a damaged shape");
    }
    if (r.failed) return bt_call_fail(c, "the bytes are no tensor");
    if (dtype != (uint64_t)wanted)
        return bt_call_fail(c, "a tensor of type %llu, and not %s", (unsigned long long)dtype,
                            bt_dtype_name(wanted));
    if (bt_dtype_is_object(wanted) && wanted != BERTH_STRING)
        return bt_call_unsupported(c, "a tensor of %s from bytes", bt_dtype_name(wanted));
    if (!bt_shape_bytes(&shape, bt_dtype_size(wanted), &bytes))
        return bt_call_fail(c, "the shape is too large");
    void *out = bt_out(c, 0, wanted, &shape);
    return out ? read_elements(c, message, wanted, out, bt_shape_count(&shape)) : BERTH_NO_MEMORY;
}

const bt_op bt_ops_serialize[] = {
    {.name = "SerializeTensor", .infer = infer_serialize, .cpu = run_serialize},
    {.name = "ParseTensor", .infer = infer_parse, .cpu = run_parse, .type_attr = "out_type"},
    {0},
};
