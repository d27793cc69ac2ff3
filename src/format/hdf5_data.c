/* HDF5 values: datatypes, dataspaces, attributes, and datasets stored in one piece. Datasets in chunks:
 * hdf5_chunk.c. */
#include "format/hdf5_inner.h"
#include "format/hdf5_chunk.h"

enum { FIXED, FLOATING, TIME, STRING, BITFIELD, OPAQUE, COMPOUND, REFERENCE, ENUM, VARIABLE };

/* ---- Datatypes ---------------------------------------------------------------------------------------- */

static berth_dtype integer(size_t size, bool is_signed)
{
    static const berth_dtype types[2][4] = {{BERTH_UINT8, BERTH_UINT16, BERTH_UINT32, BERTH_UINT64},
                                            {BERTH_INT8, BERTH_INT16, BERTH_INT32, BERTH_INT64}};
    return size == 1   ? types[is_signed][0]
           : size == 2 ? types[is_signed][1]
           : size == 4 ? types[is_signed][2]
           : size == 8 ? types[is_signed][3]
                       : BERTH_NO_DTYPE;
}

/* Properties of a floating type: bit offset (2), precision (2), exponent place, exponent bits, mantissa
 * place, mantissa bits. */
static berth_dtype floating(size_t size, const uint8_t *p)
{
    int exponent = p[5], mantissa = p[7];
    if (size == 2 && exponent == 5 && mantissa == 10) return BERTH_HALF;
    if (size == 2 && exponent == 8 && mantissa == 7) return BERTH_BFLOAT16;
    if (size == 4 && exponent == 8 && mantissa == 23) return BERTH_FLOAT;
    if (size == 8 && exponent == 11 && mantissa == 52) return BERTH_DOUBLE;
    return BERTH_NO_DTYPE;
}

/* Class and version, bits (3), size (4), properties. An enumeration of two names (FALSE, TRUE) is h5py's
 * bool. */
berth_status bt_h5_datatype(bt_hdf5 *h, const uint8_t *p, size_t n, bt_h5_type *out)
{
    *out = (bt_h5_type){0};
    if (n < 8) return bt_h5_fail(h, "a damaged datatype");
    bt_reader r = bt_reader_of(p + 4, 4);
    out->size = bt_read_uint(&r, 4);
    if (!out->size) return bt_h5_fail(h, "a datatype of no size");
    switch (p[0] & 15) {
    case FIXED:
        out->big_endian = p[1] & 1;
        out->dtype = integer(out->size, p[1] & 8);
        return BERTH_OK;
    case FLOATING:
        if (n < 20) return bt_h5_fail(h, "a damaged datatype");
        out->big_endian = p[1] & 1;
        out->dtype = floating(out->size, p + 8);
        return BERTH_OK;
    case STRING:
        out->dtype = BERTH_STRING;
        out->ends_at_nul = !(p[1] & 15);
        out->is_spaced = (p[1] & 15) == 2;
        return BERTH_OK;
    case OPAQUE: /* how h5py stores the bfloat16 of ml_dtypes */
        if (out->size == 2) out->dtype = BERTH_BFLOAT16;
        return BERTH_OK;
    case ENUM:
        if (out->size == 1) out->dtype = (p[1] | p[2] << 8) == 2 ? BERTH_BOOL : BERTH_INT8;
        return BERTH_OK;
    case VARIABLE:
        if ((p[1] & 15) != 1) return BERTH_OK; /* sequences of anything */
        out->is_variable = true;
        out->dtype = BERTH_STRING;
        if (out->size != (size_t)h->offset_bytes + 8) return bt_h5_fail(h, "a damaged datatype");
        return BERTH_OK;
    default: return BERTH_OK;
    }
}

/* Version 1: rank, flags, reserved (5), sizes, [largest sizes]; version 2: rank, flags, kind (0 scalar, 1 simple,
 * 2 null), the same. Flag 1: there are largest sizes, all bits set for none. */
berth_status bt_h5_dataspace(bt_hdf5 *h, const uint8_t *p, size_t n, bt_shape *out, uint64_t *max)
{
    bt_reader r = bt_reader_of(p, n);
    uint64_t version = bt_read_uint(&r, 1), rank = bt_read_uint(&r, 1), flags = bt_read_uint(&r, 1), kind;
    kind = bt_read_uint(&r, 1);
    if (version == 1) bt_read_bytes(&r, 4);
    if (r.failed || version < 1 || version > 2) return bt_h5_fail(h, "a damaged dataspace");
    if (rank > BT_MAX_RANK)
        return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: data with %d dimensions", (int)rank);
    *out = (bt_shape){.rank = (int)rank};
    if (version == 2 && kind == 2) *out = BT_SHAPE(0);
    for (uint64_t i = 0; i < rank; i++) {
        uint64_t dim = bt_h5_length(h, &r);
        if (dim > INT64_MAX) return bt_h5_fail(h, "a dimension too large");
        out->dim[i] = (int64_t)dim;
    }
    for (uint64_t i = 0; i < rank && max; i++) {
        uint64_t dim = flags & 1 ? bt_h5_length(h, &r) : (uint64_t)out->dim[i];
        max[i] = dim == UINT64_MAX >> (64 - 8 * h->length_bytes) ? UINT64_MAX : dim;
        if (max[i] < (uint64_t)out->dim[i]) return bt_h5_fail(h, "a dimension larger than it may be");
    }
    return r.failed ? bt_h5_fail(h, "a damaged dataspace") : BERTH_OK;
}

/* ---- Elements ----------------------------------------------------------------------------------------- */

static berth_status decode_strings(bt_hdf5 *h, const bt_h5_type *type, int64_t count, const uint8_t *p,
                                   bt_tensor *out)
{
    bt_string *strings = bt_arena_array(h->arena, bt_string, (size_t)count + 1);
    if (!strings) return bt_fail_memory(h->error);
    out->data = strings;
    berth_status status = BERTH_OK;
    for (int64_t i = 0; i < count && !status; i++, p += type->size) {
        if (type->is_variable) {
            status = bt_h5_string(h, p, &strings[i]);
            continue;
        }
        size_t n = type->ends_at_nul ? strnlen((const char *)p, type->size) : type->size;
        while (n && (!p[n - 1] || (type->is_spaced && p[n - 1] == ' '))) n--;
        if (n && !(strings[i].p = bt_arena_copy(h->arena, (const char *)p, n)))
            return bt_fail_memory(h->error);
        strings[i].n = n;
    }
    return status;
}

berth_status bt_h5_decode(bt_hdf5 *h, const bt_h5_type *type, const bt_shape *shape, const uint8_t *p,
                          size_t n, bt_tensor *out)
{
    size_t bytes, size = type->size;
    *out = (bt_tensor){.dtype = type->dtype, .shape = *shape};
    if (!type->dtype) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: data of a type that no tensor has");
    if (!bt_shape_bytes(shape, size, &bytes) || bytes > n)
        return bt_h5_fail(h, "data shorter than its shape");
    if (type->dtype == BERTH_STRING) return decode_strings(h, type, (int64_t)(bytes / size), p, out);
    if (!type->big_endian || size == 1) {
        out->data = (void *)(uintptr_t)p;
        return BERTH_OK;
    }
    uint8_t *to = bt_arena_alloc(h->arena, bytes ? bytes : 1);
    if (!to) return bt_fail_memory(h->error);
    for (size_t i = 0; i < bytes; i += size)
        for (size_t j = 0; j < size; j++) to[i + j] = p[i + size - 1 - j];
    out->data = to;
    return BERTH_OK;
}

/* ---- Attributes --------------------------------------------------------------------------------------- */

typedef struct attribute {
    const char *name;
    bt_tensor *value;
    bool found;
} attribute;

/* Version, flags, sizes of name, datatype and dataspace (2 each), [character set], then these three and the
 * data; in version 1 each padded to 8. */
static berth_status attribute_body(bt_hdf5 *h, const uint8_t *data, size_t size, void *user)
{
    attribute *want = user;
    bt_reader r = bt_reader_of(data, size);
    uint64_t version = bt_read_uint(&r, 1), flags = bt_read_uint(&r, 1);
    size_t n[3];
    const uint8_t *part[3];
    for (int i = 0; i < 3; i++) n[i] = bt_read_uint(&r, 2);
    if (version == 3) bt_read_uint(&r, 1);
    for (int i = 0; i < 3; i++) {
        part[i] = bt_read_bytes(&r, n[i]);
        if (version == 1) bt_read_bytes(&r, (8 - n[i] % 8) % 8);
    }
    if (r.failed || version < 1 || version > 3) return bt_h5_fail(h, "a damaged attribute");
    size_t wanted = strlen(want->name);
    if (n[0] < wanted || memcmp(part[0], want->name, wanted) || (n[0] > wanted && part[0][wanted]))
        return BERTH_OK;
    want->found = true;
    if (version > 1 && flags & 3)
        return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: an attribute of a named datatype");
    bt_h5_type type;
    bt_shape shape;
    berth_status status = bt_h5_datatype(h, part[1], n[1], &type);
    if (!status) status = bt_h5_dataspace(h, part[2], n[2], &shape, NULL);
    return status ? status : bt_h5_decode(h, &type, &shape, r.p, bt_reader_left(&r), want->value);
}

static berth_status attribute_message(bt_hdf5 *h, const bt_h5_message *m, void *user, bool *stop)
{
    attribute *want = user;
    berth_status status = BERTH_OK;
    if (m->type == H5_ATTRIBUTE && !(m->flags & 2)) status = attribute_body(h, m->data, m->size, want);
    if (m->type == H5_ATTRIBUTE_INFO) status = bt_h5_dense(h, m, 2, 8, attribute_body, want);
    *stop = want->found;
    return status;
}

berth_status bt_hdf5_attribute(bt_hdf5 *h, uint64_t address, const char *name, bt_tensor *value)
{
    attribute want = {name, value, false};
    *value = (bt_tensor){0};
    return bt_h5_messages(h, address, attribute_message, &want);
}

/* ---- Datasets ----------------------------------------------------------------------------------------- */

typedef struct dataset {
    bt_h5_message type, space, layout, filters; /* data NULL: absent */
} dataset;

static berth_status dataset_message(bt_hdf5 *h, const bt_h5_message *m, void *user, bool *stop)
{
    dataset *d = user;
    bt_h5_message *to = m->type == H5_DATATYPE    ? &d->type
                        : m->type == H5_DATASPACE ? &d->space
                        : m->type == H5_LAYOUT    ? &d->layout
                        : m->type == H5_FILTERS   ? &d->filters
                                                  : NULL;
    (void)stop;
    if (!to) return BERTH_OK;
    if (m->flags & 2) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: a dataset of a shared datatype");
    *to = *m;
    return BERTH_OK;
}

/* Zeros, or empty strings: a dataset that was never written. */
static berth_status unwritten(bt_hdf5 *h, const bt_h5_type *type, const bt_shape *shape, bt_tensor *out)
{
    size_t bytes;
    if (!type->dtype || !bt_shape_bytes(shape, type->size, &bytes) || bytes > h->size + (1u << 20))
        return bt_h5_fail(h, "a dataset without data");
    uint8_t *zeros = bt_arena_alloc(h->arena, bytes ? bytes : 1);
    if (!zeros) return bt_fail_memory(h->error);
    return bt_h5_decode(h, type, shape, zeros, bytes, out);
}

/* Versions 1 and 2: rank, class, reserved (5), [address], sizes (4 each) ...; 3 and later: class, then its
 * own. */
static berth_status read_layout(bt_hdf5 *h, const dataset *d, const bt_h5_type *type, const bt_shape *shape,
                                const uint64_t *max, bt_tensor *out)
{
    enum { COMPACT, CONTIGUOUS, CHUNKED };
    bt_reader r = bt_reader_of(d->layout.data, d->layout.size);
    uint64_t version = bt_read_uint(&r, 1), rank = version < 3 ? bt_read_uint(&r, 1) : 0;
    uint64_t class = bt_read_uint(&r, 1), address = H5_NOWHERE;
    size_t bytes;
    if (version < 3) {
        bt_read_bytes(&r, 5);
        if (class != COMPACT) address = bt_h5_offset(h, &r);
        if (class != CHUNKED) bt_read_bytes(&r, 4 * rank);
    }
    if (r.failed || version < 1 || version > 5) return bt_h5_fail(h, "a damaged layout");
    if (class == CHUNKED)
        return bt_h5_chunked(h, type, shape,
                             &(bt_h5_chunks){r, (int)version, (int)rank, address, max, &d->filters}, out);
    if (d->filters.data && d->filters.size > 1 && d->filters.data[1])
        return bt_h5_fail(h, "filters on data in one piece");
    if (class == COMPACT) {
        size_t n = bt_read_uint(&r, version < 3 ? 4 : 2);
        const uint8_t *p = bt_read_bytes(&r, n);
        return p ? bt_h5_decode(h, type, shape, p, n, out) : bt_h5_fail(h, "a damaged layout");
    }
    if (class != CONTIGUOUS) return bt_fail(h->error, BERTH_UNSUPPORTED, "HDF5: a virtual dataset");
    if (version >= 3) address = bt_h5_offset(h, &r);
    if (r.failed || !bt_shape_bytes(shape, type->size, &bytes)) return bt_h5_fail(h, "a damaged layout");
    if (address == H5_NOWHERE) return unwritten(h, type, shape, out);
    const uint8_t *p = bt_h5_at(h, address, bytes);
    return p ? bt_h5_decode(h, type, shape, p, bytes, out) : BERTH_BAD_MODEL;
}

berth_status bt_hdf5_dataset(bt_hdf5 *h, uint64_t address, bt_tensor *value)
{
    dataset d = {0};
    bt_h5_type type;
    bt_shape shape;
    uint64_t max[BT_MAX_RANK];
    berth_status status = bt_h5_messages(h, address, dataset_message, &d);
    if (status) return status;
    if (!d.type.data || !d.space.data || !d.layout.data)
        return bt_h5_fail(h, "a dataset expected, but it is none");
    if ((status = bt_h5_datatype(h, d.type.data, d.type.size, &type))) return status;
    if ((status = bt_h5_dataspace(h, d.space.data, d.space.size, &shape, max))) return status;
    return read_layout(h, &d, &type, &shape, max, value);
}
