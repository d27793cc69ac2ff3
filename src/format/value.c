/* AttrValue and what can stand in one: strings, numbers, types, shapes, tensors, functions, and lists of them.
 * Tensors of some size are views of the message; typed-value lists, strings and small tensors go to the arena.
 * Nodes and graphs: graphdef.c. */
#include "format/graphdef.h"
#include "ops/op.h"

#include <inttypes.h>

#define EXPANDED_LIMIT ((size_t)1 << 30) /* bytes that a file may blow up to, beside those it holds */
#define VIEW_BYTES 4096                  /* smaller tensors are copied, which aligns them */

static berth_status damaged(bt_loader *l, const char *what)
{
    return bt_fail(l->error, BERTH_BAD_MODEL, "damaged %s", what);
}

static berth_status expand(bt_loader *l, size_t bytes, const char *what)
{
    if (bytes > EXPANDED_LIMIT - l->expanded)
        return bt_fail(l->error, BERTH_BAD_MODEL, "%s expands to %zu bytes that the file does not hold", what,
                       bytes);
    l->expanded += bytes;
    return BERTH_OK;
}

berth_dtype bt_dtype_read(uint64_t number)
{
    if (number > 100 && number < 200) number -= 100;
    return number < 100 && bt_dtype_valid((int)number) ? (berth_dtype)number : BERTH_NO_DTYPE;
}

const char *bt_name_read(bt_loader *l, bt_str name, const char *what)
{
    if (name.n == 0 || memchr(name.p, 0, name.n)) {
        bt_fail(l->error, BERTH_BAD_MODEL, "%s is %s", what, name.n == 0 ? "empty" : "not text");
        return NULL;
    }
    char *text = bt_arena_copy(&l->source->arena, name.p, name.n);
    if (!text) bt_fail_memory(l->error);
    return text;
}

/* TensorShapeProto: dim = 2 { size = 1 }, unknown_rank = 3 */
bool bt_shape_read(bt_str message, bt_shape *out, int *rank)
{
    bool unknown = false;
    *out = (bt_shape){.rank = 0};
    *rank = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 3) unknown = bt_wire_uint(&w) != 0;
        if (w.field != 2) continue;
        bt_wire dim = bt_wire_of(bt_wire_bytes(&w));
        int64_t size = 0;
        while (bt_wire_next(&dim))
            if (dim.field == 1) size = bt_wire_int(&dim);
        if (dim.failed) return false;
        if (*rank < BT_MAX_RANK) out->dim[*rank] = size;
        if (*rank < INT16_MAX) ++*rank;
    }
    out->rank = unknown || *rank > BT_MAX_RANK ? -1 : *rank;
    if (unknown) *rank = -1;
    return !w.failed;
}

/* ---- Tensors ------------------------------------------------------------------------------------------ */

/* TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, strings = 8, and a field for each kind of number. */
static const bt_number_field number_fields[] = {
    {BT_T(BERTH_FLOAT), 5, BT_WIRE_FIXED32},
    {BT_T(BERTH_DOUBLE), 6, BT_WIRE_FIXED64},
    {BT_T(BERTH_INT32) | BT_T(BERTH_INT16) | BT_T(BERTH_INT8) | BT_T(BERTH_UINT16) | BT_T(BERTH_UINT8) |
         BT_T(BERTH_QINT8) | BT_T(BERTH_QUINT8) | BT_T(BERTH_QINT16) | BT_T(BERTH_QUINT16) |
         BT_T(BERTH_QINT32),
     7, BT_WIRE_VARINT},
    {BT_T(BERTH_COMPLEX64), 9, BT_WIRE_FIXED32},
    {BT_T(BERTH_INT64), 10, BT_WIRE_VARINT},
    {BT_T(BERTH_BOOL), 11, BT_WIRE_VARINT},
    {BT_T(BERTH_COMPLEX128), 12, BT_WIRE_FIXED64},
    {BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16), 13, BT_WIRE_VARINT},
    {BT_T(BERTH_UINT32), 16, BT_WIRE_VARINT},
    {BT_T(BERTH_UINT64), 17, BT_WIRE_VARINT},
};

const bt_number_field *bt_number_field_of(berth_dtype dtype)
{
    for (size_t i = 0; i < sizeof number_fields / sizeof number_fields[0]; i++)
        if (number_fields[i].types & BT_T(dtype)) return &number_fields[i];
    return NULL;
}

/* The values of the message into t, which has its dtype and shape: the last one repeats, none means zeros. A
 * complex number is two of its parts. */
static berth_status read_numbers(bt_loader *l, bt_str message, bt_tensor *t, size_t bytes)
{
    const bt_number_field *kind = bt_number_field_of(t->dtype);
    if (!kind) return bt_fail(l->error, BERTH_UNSUPPORTED, "a constant of type %s", bt_dtype_name(t->dtype));
    size_t element = bt_dtype_size(t->dtype), part = bt_dtype_is_complex(t->dtype) ? element / 2 : element;
    if (bytes > message.n * 8 && expand(l, bytes, "a constant")) return l->error->status;
    uint8_t *data = bt_arena_alloc(&l->source->arena, bytes);
    if (!data) return bt_fail_memory(l->error);
    t->data = data;
    size_t n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != kind->field) continue;
        bt_reader values = bt_wire_numbers(&w, kind->wire);
        while (bt_reader_left(&values) > 0) {
            uint64_t bits = bt_wire_number(&values, kind->wire);
            if (values.failed) return damaged(l, "constant");
            if (t->dtype == BERTH_BOOL) bits = bits != 0;
            if (n * part == bytes)
                return bt_fail(l->error, BERTH_BAD_MODEL, "a constant with more values than its shape has");
            memcpy(data + n++ * part, &bits, part);
        }
    }
    if (w.failed || n * part % element != 0) return damaged(l, "constant");
    size_t have = n * part;
    for (; have > 0 && have < bytes; have += element) memcpy(data + have, data + have - element, element);
    return BERTH_OK;
}

static berth_status set_string(bt_loader *l, bt_string *s, const uint8_t *p, size_t n)
{
    s->n = n;
    s->p = n ? bt_arena_copy(&l->source->arena, (const char *)p, n) : NULL;
    return n && !s->p ? bt_fail_memory(l->error) : BERTH_OK;
}

/* Strings in tensor_content: all lengths as varints, then all bytes. */
static berth_status read_packed_strings(bt_loader *l, bt_str content, bt_string *s, size_t count)
{
    bt_reader lengths = bt_reader_of(content.p, content.n), bytes = lengths;
    for (size_t i = 0; i < count; i++) bt_read_varint(&bytes);
    for (size_t i = 0; i < count && !bytes.failed; i++) {
        size_t n = bt_read_varint(&lengths);
        const uint8_t *p = bt_read_bytes(&bytes, n);
        if (p && set_string(l, &s[i], p, n)) return l->error->status;
    }
    return bytes.failed ? damaged(l, "constant of strings") : BERTH_OK;
}

static berth_status read_strings(bt_loader *l, bt_str message, bt_str content, bt_tensor *t)
{
    size_t count = (size_t)bt_shape_count(&t->shape), bytes, n = 0;
    if (!bt_mul(count, sizeof(bt_string), &bytes)) bytes = SIZE_MAX;
    if (expand(l, bytes, "a constant")) return l->error->status;
    bt_string *s = t->data = bt_arena_alloc(&l->source->arena, bytes);
    if (!s) return bt_fail_memory(l->error);
    if (content.n) return read_packed_strings(l, content, s, count);
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field != 8) continue;
        bt_str value = bt_wire_bytes(&w);
        if (n == count)
            return bt_fail(l->error, BERTH_BAD_MODEL, "a constant with more values than its shape has");
        if (set_string(l, &s[n++], (const uint8_t *)value.p, value.n)) return l->error->status;
    }
    for (; n > 0 && n < count; n++) s[n] = s[n - 1];
    return w.failed ? damaged(l, "constant of strings") : BERTH_OK;
}

static berth_status read_content(bt_loader *l, bt_str content, bt_tensor *t, size_t bytes)
{
    char text[BT_SHAPE_TEXT];
    if (content.n != bytes)
        return bt_fail(l->error, BERTH_BAD_MODEL, "a constant of %zu bytes, but %s %s needs %zu", content.n,
                       bt_dtype_name(t->dtype), bt_shape_text(&t->shape, text), bytes);
    t->data = (void *)content.p;
    if (bytes >= VIEW_BYTES) return BERTH_OK;
    t->data = bt_arena_alloc(&l->source->arena, bytes);
    if (!t->data) return bt_fail_memory(l->error);
    memcpy(t->data, content.p, bytes);
    return BERTH_OK;
}

berth_status bt_tensor_values_read(bt_loader *l, bt_str message, bt_tensor *t)
{
    size_t bytes;
    bt_str content = {"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == 4) content = bt_wire_bytes(&w);
    if (w.failed) return damaged(l, "tensor");
    if (!bt_shape_bytes(&t->shape, bt_dtype_size(t->dtype), &bytes))
        return bt_fail(l->error, BERTH_BAD_MODEL, "a constant larger than any memory");
    if (t->dtype == BERTH_STRING) return read_strings(l, message, content, t);
    if (content.n) return read_content(l, content, t, bytes);
    return read_numbers(l, message, t, bytes);
}

static berth_status read_tensor(bt_loader *l, bt_str message, bt_tensor *t)
{
    uint64_t type = 0;
    bt_str shape = {"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (w.field == 1) type = bt_wire_uint(&w);
        if (w.field == 2) shape = bt_wire_bytes(&w);
    }
    int rank;
    if (w.failed || !bt_shape_read(shape, &t->shape, &rank)) return damaged(l, "constant");
    t->dtype = bt_dtype_read(type);
    if (!t->dtype) return bt_fail(l->error, BERTH_UNSUPPORTED, "a constant of type number %" PRIu64, type);
    if (rank > BT_MAX_RANK) return bt_fail(l->error, BERTH_UNSUPPORTED, "a constant of rank %d", rank);
    for (int i = 0; i < t->shape.rank; i++)
        if (t->shape.dim[i] < 0)
            return bt_fail(l->error, BERTH_BAD_MODEL, "a constant with a dimension of %" PRId64,
                           t->shape.dim[i]);
    if (rank < 0) return bt_fail(l->error, BERTH_BAD_MODEL, "a constant without a shape");
    return bt_tensor_values_read(l, message, t);
}

/* ---- Attributes --------------------------------------------------------------------------------------- */

/* Fields 2 to 8 mean the same in AttrValue and in its ListValue. */
static bt_attr_kind kind_of(uint32_t field, uint32_t func_field)
{
    static const bt_attr_kind kinds[] = {BT_ATTR_NONE, BT_ATTR_NONE,  BT_ATTR_STRING,
                                         BT_ATTR_INT,  BT_ATTR_FLOAT, BT_ATTR_BOOL,
                                         BT_ATTR_TYPE, BT_ATTR_SHAPE, BT_ATTR_TENSOR};
    if (field == func_field) return BT_ATTR_FUNC;
    return field < sizeof kinds / sizeof kinds[0] ? kinds[field] : BT_ATTR_NONE;
}

static bool is_number(bt_attr_kind kind)
{
    return kind == BT_ATTR_INT || kind == BT_ATTR_FLOAT || kind == BT_ATTR_BOOL || kind == BT_ATTR_TYPE;
}

static bt_wire_type number_type(bt_attr_kind kind)
{
    return kind == BT_ATTR_FLOAT ? BT_WIRE_FIXED32 : BT_WIRE_VARINT;
}

static void set_number(bt_attr_kind kind, uint64_t bits, bt_attr_value *out)
{
    uint32_t word = (uint32_t)bits;
    if (kind == BT_ATTR_INT) out->i = (int64_t)bits;
    else if (kind == BT_ATTR_FLOAT) memcpy(&out->f, &word, sizeof word);
    else if (kind == BT_ATTR_BOOL) out->b = bits != 0;
    else out->type = bt_dtype_read(bits);
}

/* NameAttrList: name = 1 */
static berth_status read_function_name(bt_loader *l, bt_str message, bt_str *out)
{
    bt_str name = {"", 0};
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w))
        if (w.field == 1) name = bt_wire_bytes(&w);
    if (w.failed) return damaged(l, "function attribute");
    *out = (bt_str){bt_arena_copy(&l->source->arena, name.p, name.n), name.n};
    return out->p ? BERTH_OK : bt_fail_memory(l->error);
}

static berth_status read_shape(bt_loader *l, bt_str message, const bt_shape **out)
{
    int rank;
    bt_shape *shape = bt_arena_new(&l->source->arena, bt_shape);
    if (!(*out = shape)) return bt_fail_memory(l->error);
    if (!bt_shape_read(message, shape, &rank)) return damaged(l, "shape");
    for (int i = 0; i < shape->rank; i++)
        if (shape->dim[i] < -1)
            return bt_fail(l->error, BERTH_BAD_MODEL, "a shape with a dimension of %" PRId64, shape->dim[i]);
    return BERTH_OK;
}

static berth_status read_object(bt_loader *l, bt_attr_kind kind, bt_str bytes, bt_attr_value *out)
{
    switch (kind) {
    case BT_ATTR_STRING:
        out->s = (bt_str){bt_arena_copy(&l->source->arena, bytes.p, bytes.n), bytes.n};
        return out->s.p ? BERTH_OK : bt_fail_memory(l->error);
    case BT_ATTR_SHAPE:
        return read_shape(l, bytes, &out->shape);
    case BT_ATTR_TENSOR:
        out->tensor = bt_arena_new(&l->source->arena, bt_tensor);
        return out->tensor ? read_tensor(l, bytes, out->tensor) : bt_fail_memory(l->error);
    default: return read_function_name(l, bytes, &out->s);
    }
}

#define LIST_FUNC_FIELD 9
#define FUNC_FIELD 10

static berth_status count_list(bt_loader *l, bt_str message, bt_attr *attr)
{
    size_t n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        bt_attr_kind kind = kind_of(w.field, LIST_FUNC_FIELD);
        if (!kind) continue;
        if (attr->kind && attr->kind != kind) return damaged(l, "list of unlike elements");
        attr->kind = kind;
        if (!is_number(kind)) {
            n++;
            continue;
        }
        bt_reader numbers = bt_wire_numbers(&w, number_type(kind));
        n += bt_wire_numbers_count(&numbers, number_type(kind));
    }
    if (w.failed || n > INT32_MAX) return damaged(l, "list");
    attr->n = (int)n;
    return expand(l, n * sizeof(bt_attr_value), "a list");
}

static berth_status read_list(bt_loader *l, bt_str message, bt_attr *attr)
{
    attr->is_list = true;
    if (count_list(l, message, attr)) return l->error->status;
    attr->list = bt_arena_array(&l->source->arena, bt_attr_value, (size_t)attr->n);
    if (attr->n && !attr->list) return bt_fail_memory(l->error);
    int n = 0;
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        if (kind_of(w.field, LIST_FUNC_FIELD) != attr->kind || !attr->kind) continue;
        if (!is_number(attr->kind)) {
            if (read_object(l, attr->kind, bt_wire_bytes(&w), &attr->list[n++])) return l->error->status;
            continue;
        }
        bt_reader numbers = bt_wire_numbers(&w, number_type(attr->kind));
        while (bt_reader_left(&numbers) > 0 && n < attr->n)
            set_number(attr->kind, bt_wire_number(&numbers, number_type(attr->kind)), &attr->list[n++]);
        if (numbers.failed || bt_reader_left(&numbers)) return damaged(l, "list");
    }
    return w.failed ? damaged(l, "list") : BERTH_OK;
}

berth_status bt_attr_read(bt_loader *l, bt_str message, bt_attr *attr)
{
    bt_wire w = bt_wire_of(message);
    while (bt_wire_next(&w)) {
        bt_attr_kind kind = kind_of(w.field, FUNC_FIELD);
        *attr = (bt_attr){.name = attr->name, .kind = kind};
        if (w.field == 1) {
            if (read_list(l, bt_wire_bytes(&w), attr)) return l->error->status;
        } else if (is_number(kind)) {
            bt_reader number = bt_wire_numbers(&w, number_type(kind));
            set_number(kind, bt_wire_number(&number, number_type(kind)), &attr->value);
            if (number.failed) return damaged(l, "value");
        } else if (kind) {
            if (read_object(l, kind, bt_wire_bytes(&w), &attr->value)) return l->error->status;
        }
    }
    return w.failed ? damaged(l, "value") : BERTH_OK;
}
