/* AttrValue and what stands in one, written: the reverse of value.c. Numbers go out as typed values where there are few
 * or all are the same, so that text is legible and fills are small; else as they lie in memory. */
#include "format/graphdef.h"
#include "format/write.h"

enum { FEW = 16, COPY_BYTES = 1 << 16 };

/* TensorShapeProto: dim = 2 { size = 1 }, unknown_rank = 3 */
void bt_shape_write(bt_text *out, uint32_t field, const bt_shape *shape)
{
    size_t begin = bt_wire_begin(out, field);
    if (shape->rank < 0) bt_wire_put_uint(out, 3, 1);
    for (int i = 0; i < shape->rank; i++) {
        size_t dim = bt_wire_begin(out, 2);
        bt_wire_put_uint(out, 1, (uint64_t)shape->dim[i]);
        bt_wire_end(out, dim);
    }
    bt_wire_end(out, begin);
}

/* ---- Tensors ------------------------------------------------------------------------------------------ */

static bool is_signed(berth_dtype dtype)
{
    return dtype == BERTH_INT8 || dtype == BERTH_INT16 || dtype == BERTH_INT32 || dtype == BERTH_QINT8 ||
           dtype == BERTH_QINT16 || dtype == BERTH_QINT32;
}

static bool all_same(const char *p, size_t bytes, size_t element)
{
    return bytes > element && memcmp(p, p + element, bytes - element) == 0;
}

/* The first n bytes of the elements as a packed field of numbers. */
static void put_numbers(bt_text *out, const bt_tensor *t, const bt_number_field *kind, size_t bytes)
{
    size_t element = bt_dtype_size(t->dtype), part = bt_dtype_is_complex(t->dtype) ? element / 2 : element;
    size_t begin = bt_wire_begin(out, kind->field);
    for (size_t at = 0; at < bytes; at += part) {
        uint64_t bits = 0;
        memcpy(&bits, (const char *)t->data + at, part);
        int unused = 64 - 8 * (int)part;
        if (is_signed(t->dtype)) bits = (uint64_t)((int64_t)(bits << unused) >> unused);
        if (kind->wire == BT_WIRE_VARINT) bt_wire_put_varint(out, bits);
        else bt_wire_put_number(out, bits, part);
    }
    bt_wire_end(out, begin);
}

/* TensorProto: dtype = 1, tensor_shape = 2, tensor_content = 4, string_val = 8 */
static berth_status put_tensor(const bt_source *source, uint32_t field, const bt_tensor *t, bt_text *out,
                               bt_str *behind, berth_error *error)
{
    const bt_number_field *kind = bt_number_field_of(t->dtype);
    size_t begin = bt_wire_begin(out, field), bytes = bt_tensor_bytes(t), element = bt_dtype_size(t->dtype);
    bt_wire_put_uint(out, 1, (uint64_t)t->dtype);
    bt_shape_write(out, 2, &t->shape);
    if (t->dtype != BERTH_STRING && bt_source_verify(source, t, error)) return error->status;
    if (t->dtype == BERTH_STRING) {
        const bt_string *s = t->data;
        for (int64_t i = 0; i < bt_tensor_count(t); i++)
            bt_wire_put_bytes(out, 8, (bt_str){s[i].p ? s[i].p : "", s[i].n});
    } else if (bt_dtype_is_object(t->dtype) || !kind) {
        return bt_fail(error, BERTH_UNSUPPORTED, "a constant of type %s", bt_dtype_name(t->dtype));
    } else if (bytes && (bytes <= FEW * element || all_same(t->data, bytes, element))) {
        put_numbers(out, t, kind,
                    bytes <= FEW * element && !all_same(t->data, bytes, element) ? bytes : element);
    } else if (bytes > COPY_BYTES && behind && !behind->n) {
        bt_wire_put_length(out, 4, bytes);
        *behind = (bt_str){t->data, bytes};
    } else if (bytes) {
        bt_wire_put_bytes(out, 4, (bt_str){t->data, bytes});
    }
    bt_wire_end_before(out, begin, behind ? behind->n : 0);
    return BERTH_OK;
}

/* ---- Attributes --------------------------------------------------------------------------------------- */

static void put_function(bt_text *out, uint32_t field, bt_str name)
{
    size_t begin = bt_wire_begin(out, field);
    bt_wire_put_bytes(out, 1, name);
    bt_wire_end(out, begin);
}

static void put_float(bt_text *out, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bt_wire_put_fixed32(out, field, bits);
}

/* One value. The fields of AttrValue and of its ListValue are the same but for functions. */
static berth_status put_value(const bt_source *source, bt_attr_kind kind, const bt_attr_value *v,
                              uint32_t func_field, bt_text *out, bt_str *behind, berth_error *error)
{
    switch (kind) {
    case BT_ATTR_STRING: bt_wire_put_bytes(out, 2, v->s); break;
    case BT_ATTR_INT: bt_wire_put_uint(out, 3, (uint64_t)v->i); break;
    case BT_ATTR_FLOAT: put_float(out, 4, v->f); break;
    case BT_ATTR_BOOL: bt_wire_put_uint(out, 5, v->b); break;
    case BT_ATTR_TYPE: bt_wire_put_uint(out, 6, (uint64_t)v->type); break;
    case BT_ATTR_SHAPE: bt_shape_write(out, 7, v->shape); break;
    case BT_ATTR_TENSOR: return put_tensor(source, 8, v->tensor, out, behind, error);
    case BT_ATTR_FUNC: put_function(out, func_field, v->s); break;
    case BT_ATTR_NONE: break;
    }
    return BERTH_OK;
}

berth_status bt_attr_write(const bt_source *source, const bt_attr *attr, bt_text *out, bt_str *behind,
                           berth_error *error)
{
    if (!attr->is_list) return put_value(source, attr->kind, &attr->value, 10, out, behind, error);
    berth_status status = BERTH_OK;
    size_t begin = bt_wire_begin(out, 1);
    for (int i = 0; i < attr->n && !status; i++)
        status = put_value(source, attr->kind, &attr->list[i], 9, out, NULL, error);
    bt_wire_end(out, begin);
    return status;
}
