/*
 * NumPy's .npy files. Types that it lacks travel in ones of their size: bfloat16 and quint16 as uint16, quint8 as
 * uint8, qint32 as int32; strings as fixed-width bytes, of which it drops trailing NULs.
 * The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* What a dtype is in a descr; the first row of a kind and size is what is read when nothing else is wanted. */
static const struct row {
    berth_dtype dtype;
    char kind;
    uint8_t size;
    uint8_t unit; /* bytes that a change of byte order reverses */
} rows[] = {
    {BERTH_FLOAT, 'f', 4, 4},     {BERTH_DOUBLE, 'f', 8, 8},      {BERTH_HALF, 'f', 2, 2},
    {BERTH_INT8, 'i', 1, 1},      {BERTH_INT16, 'i', 2, 2},       {BERTH_INT32, 'i', 4, 4},
    {BERTH_INT64, 'i', 8, 8},     {BERTH_UINT8, 'u', 1, 1},       {BERTH_UINT16, 'u', 2, 2},
    {BERTH_UINT32, 'u', 4, 4},    {BERTH_UINT64, 'u', 8, 8},      {BERTH_BOOL, 'b', 1, 1},
    {BERTH_COMPLEX64, 'c', 8, 4}, {BERTH_COMPLEX128, 'c', 16, 8}, {BERTH_BFLOAT16, 'u', 2, 2},
    {BERTH_QUINT8, 'u', 1, 1},    {BERTH_QUINT16, 'u', 2, 2},     {BERTH_QINT8, 'i', 1, 1},
    {BERTH_QINT16, 'i', 2, 2},    {BERTH_QINT32, 'i', 4, 4},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

static const struct row *row_of_dtype(berth_dtype dtype)
{
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].dtype == dtype) return &rows[i];
    return NULL;
}

static const struct row *row_of_descr(char kind, size_t size, berth_dtype want)
{
    const struct row *wanted = row_of_dtype(want);
    if (wanted && wanted->kind == kind && wanted->size == size) return wanted;
    for (int i = 0; i < N_ROWS; i++)
        if (rows[i].kind == kind && rows[i].size == size) return &rows[i];
    return NULL;
}

/* ---- Reading ---- */

struct header {
    char order, kind; /* '<' '>' '|', and 'f' 'i' 'u' 'b' 'c', or 'S' 'U' for strings */
    size_t width;     /* bytes of an element */
    bool fortran;
    int rank;
    int64_t dims[BERTH_MAX_RANK];
    size_t count, bytes;
};

/* The text behind 'key': in the header's Python dictionary. */
static const char *value_of(const char *where, const char *text, const char *key)
{
    const char *p = strstr(text, key);
    if (p) p = strchr(p, ':');
    if (!p) cli_fail(CLI_MODEL, "%s: its .npy header has no %s", where, key);
    return p + 1 + strspn(p + 1, " ");
}

static void parse_type(struct header *h, const char *where, const char *p)
{
    char *end;
    if (*p != '\'' || !p[1] || !strchr("<>|=", p[1])) /* a structured type opens with a bracket */
        cli_fail(CLI_MODEL, "%s: holds structured or unknown elements, not a plain array", where);
    h->order = p[1], h->kind = p[2];
    h->width = strtoul(p + 3, &end, 10);
    if (*end != '\'' || !strchr("fiubcSU", h->kind) || !h->width || h->width > (1u << 30))
        cli_fail(CLI_MODEL, "%s: elements of type %.*s cannot be an input", where,
                 (int)strcspn(p + 1, "',") + 2, p);
    if (h->kind == 'U') h->width *= 4;
}

static void parse_shape(struct header *h, const char *where, const char *p)
{
    h->count = 1;
    if (*p++ != '(') cli_fail(CLI_MODEL, "%s: its .npy header has no shape", where);
    for (;;) {
        p += strspn(p, " ,L");
        if (*p == ')') break;
        char *end;
        long long dim = strtoll(p, &end, 10);
        if (end == p || dim < 0) cli_fail(CLI_MODEL, "%s: its .npy header has a bad shape", where);
        if (h->rank == BERTH_MAX_RANK)
            cli_fail(CLI_MODEL, "%s: has more than %d dimensions", where, BERTH_MAX_RANK);
        h->dims[h->rank++] = dim;
        if (__builtin_mul_overflow(h->count, (size_t)dim, &h->count))
            cli_fail(CLI_MODEL, "%s: its shape is too large", where);
        p = end;
    }
    if (__builtin_mul_overflow(h->count, h->width, &h->bytes) || h->count > INT64_MAX)
        cli_fail(CLI_MODEL, "%s: its shape is too large", where);
}

/* Gives the offset of the data. */
static size_t parse_header(struct header *h, const char *where, cli_bytes file)
{
    const uint8_t *p = file.p;
    if (file.n < 12) cli_fail(CLI_MODEL, "%s: the file is cut short", where);
    size_t at = p[6] >= 2 ? 12 : 10;
    size_t n = p[6] >= 2 ? p[8] | p[9] << 8 | p[10] << 16 | (size_t)p[11] << 24 : (size_t)(p[8] | p[9] << 8);
    if (p[6] < 1 || p[6] > 3) cli_fail(CLI_MODEL, "%s: .npy version %d is unknown", where, p[6]);
    if (n > file.n - at || n > (1 << 20)) cli_fail(CLI_MODEL, "%s: the file is cut short", where);
    char *text = cli_alloc(n + 1, 1);
    memcpy(text, p + at, n);
    parse_type(h, where, value_of(where, text, "'descr'"));
    h->fortran = *value_of(where, text, "'fortran_order'") == 'T';
    parse_shape(h, where, value_of(where, text, "'shape'"));
    free(text);
    if (h->bytes > file.n - at - n)
        cli_fail(CLI_MODEL, "%s: the file is cut short: %zu bytes of data where its shape needs %zu", where,
                 file.n - at - n, h->bytes);
    return at + n;
}

/* Column-major elements, the first dimension fastest, to row-major ones. */
static void from_fortran(uint8_t *to, const uint8_t *from, const struct header *h)
{
    size_t stride[BERTH_MAX_RANK], step = h->width;
    int64_t at[BERTH_MAX_RANK] = {0};
    for (int i = 0; i < h->rank; i++) stride[i] = step, step *= (size_t)h->dims[i];
    for (size_t n = 0; n < h->count; n++, to += h->width) {
        size_t offset = 0;
        for (int i = 0; i < h->rank; i++) offset += (size_t)at[i] * stride[i];
        memcpy(to, from + offset, h->width);
        for (int i = h->rank - 1; i >= 0 && ++at[i] == h->dims[i]; i--) at[i] = 0;
    }
}

static void swap_order(uint8_t *p, size_t bytes, size_t unit)
{
    for (uint8_t *end = p + bytes; p < end; p += unit)
        for (size_t i = 0; i < unit / 2; i++) {
            uint8_t byte = p[i];
            p[i] = p[unit - 1 - i], p[unit - 1 - i] = byte;
        }
}

/* A NUL-padded element of UCS-4 as UTF-8; gives the bytes written, at most 4 a character. */
static size_t to_utf8(char *to, const uint8_t *from, size_t width)
{
    char *start = to;
    for (; width; from += 4, width -= 4) {
        uint32_t c;
        memcpy(&c, from, 4);
        to = cli_encode_utf8(to, c & 0x1FFFFF);
    }
    return (size_t)(to - start);
}

static berth_tensor *read_strings(const char *where, const uint8_t *data, const struct header *h)
{
    berth_error error = {0};
    berth_tensor *tensor = berth_tensor_new(BERTH_STRING, h->rank, h->dims, &error);
    char *text = h->kind == 'U' ? cli_alloc(h->width + 1, 1) : NULL;
    for (size_t i = 0; tensor && i < h->count; i++, data += h->width) {
        const char *bytes = text ? text : (const char *)data;
        size_t n = text ? to_utf8(text, data, h->width) : h->width;
        while (n && !bytes[n - 1]) n--;
        if (berth_tensor_set_string(tensor, (int64_t)i, bytes, n, &error)) break;
    }
    if (error.status) cli_fail(CLI_MODEL, "%s: %s", where, error.message);
    free(text);
    return tensor;
}

berth_tensor *cli_npy_read(const char *where, cli_bytes file, berth_dtype want)
{
    struct header h = {0};
    berth_error error = {0};
    size_t offset = parse_header(&h, where, file);
    uint8_t *base = file.p, *data = base + offset;
    if (h.fortran && h.rank > 1) {
        base = cli_alloc(h.bytes + 1, 1);
        from_fortran(base, data, &h);
        free(file.p);
        data = base;
    }
    if (h.kind == 'S' || h.kind == 'U') {
        if (h.kind == 'U' && h.order == '>') swap_order(data, h.bytes, 4);
        berth_tensor *strings = read_strings(where, data, &h);
        free(base);
        return strings;
    }
    const struct row *row = row_of_descr(h.kind, h.width, want);
    if (!row) cli_fail(CLI_MODEL, "%s: elements of type %c%zu cannot be an input", where, h.kind, h.width);
    if (h.order == '>') swap_order(data, h.bytes, row->unit);
    if (row->dtype == BERTH_BOOL)
        for (size_t i = 0; i < h.count; i++) data[i] = data[i] != 0;
    if ((uintptr_t)data % 16) memmove(base, data, h.bytes), data = base;
    berth_tensor *tensor = berth_tensor_wrap(row->dtype, h.rank, h.dims, data, free, base, &error);
    if (!tensor) cli_fail(CLI_MODEL, "%s: %s", where, error.message);
    return tensor;
}

/* ---- Writing ---- */

bool cli_npy_can(berth_dtype dtype) { return dtype == BERTH_STRING || row_of_dtype(dtype); }

/* Bytes of the longest string; numpy knows no type S0. */
static size_t longest(const berth_tensor *tensor, int64_t count)
{
    size_t most = 1;
    for (int64_t i = 0; i < count; i++) {
        size_t n = 0;
        berth_tensor_get_string(tensor, i, &n);
        most = n > most ? n : most;
    }
    return most;
}

void cli_npy_write(FILE *to, berth_tensor *tensor)
{
    char header[256], shape[200] = "";
    const struct row *row = row_of_dtype(berth_tensor_dtype(tensor));
    int64_t count = berth_tensor_count(tensor);
    size_t width = row ? row->size : longest(tensor, count), n = 0;
    for (int i = 0; i < berth_tensor_rank(tensor); i++)
        n += (size_t)snprintf(shape + n, sizeof shape - n, "%lld, ", (long long)berth_tensor_dim(tensor, i));
    if (berth_tensor_rank(tensor) > 1) shape[n - 2] = '\0'; /* (3,) keeps its comma */
    n = (size_t)snprintf(header, sizeof header,
                         "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (%s), }",
                         row && row->unit > 1 ? '<' : '|', row ? row->kind : 'S', width, shape);
    size_t padded = (10 + n + 1 + 63) / 64 * 64 - 10; /* the data starts at a multiple of 64 */
    fwrite("\x93NUMPY\1\0", 1, 8, to);
    putc((int)(padded & 255), to), putc((int)(padded >> 8), to);
    fprintf(to, "%-*s\n", (int)padded - 1, header);
    if (row) {
        if (count) fwrite(berth_tensor_data(tensor), 1, berth_tensor_bytes(tensor), to);
        return;
    }
    for (int64_t i = 0; i < count; i++) {
        size_t bytes = 0;
        const char *text = berth_tensor_get_string(tensor, i, &bytes);
        fwrite(text, 1, bytes, to);
        for (; bytes < width; bytes++) putc(0, to);
    }
}
