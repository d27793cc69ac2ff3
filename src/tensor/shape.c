/* Shapes: what can be told of dimensions that may be unknown (-1). No bytes here; see tensor.c. */
#include "tensor/tensor.h"

#include <stdio.h>

bt_shape bt_shape_from(int rank, const int64_t *dims)
{
    bt_shape s = {.rank = rank};
    for (int i = 0; i < rank; i++) s.dim[i] = dims[i];
    return s;
}

bool bt_shape_known(const bt_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0) return false;
    return s->rank >= 0;
}

bool bt_shape_equal(const bt_shape *a, const bt_shape *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

bool bt_shape_compatible(const bt_shape *a, const bt_shape *b)
{
    if (a->rank < 0 || b->rank < 0) return true;
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i]) return false;
    return true;
}

bool bt_shape_merge(bt_shape *a, const bt_shape *b)
{
    if (!bt_shape_compatible(a, b)) return false;
    if (a->rank < 0) *a = *b;
    for (int i = 0; i < a->rank && b->rank >= 0; i++)
        if (a->dim[i] < 0) a->dim[i] = b->dim[i];
    return true;
}

int64_t bt_shape_span(const bt_shape *s, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++) n *= s->dim[i];
    return n;
}

bool bt_shape_bytes(const bt_shape *s, size_t element, size_t *bytes)
{
    /* Zeros last: [2^40, 2^40, 0] has no elements, but no loop may multiply its way to them. */
    size_t n = element;
    if (!bt_shape_known(s)) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] > 0 && !bt_mul(n, (size_t)s->dim[i], &n)) return false;
    if (n > PTRDIFF_MAX) return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] == 0) n = 0;
    *bytes = n;
    return true;
}

bool bt_shape_weaken(bt_shape *known, const bt_shape *other)
{
    if (known->rank < 0) return false;
    if (known->rank != other->rank) return *known = BT_SHAPE_UNKNOWN, true;
    bool weaker = false;
    for (int d = 0; d < known->rank; d++) {
        if (known->dim[d] < 0 || known->dim[d] == other->dim[d]) continue;
        known->dim[d] = -1;
        weaker = true;
    }
    return weaker;
}

int64_t bt_shape_count(const bt_shape *s)
{
    size_t n;
    return bt_shape_bytes(s, 1, &n) ? (int64_t)n : -1;
}

const char *bt_shape_text(const bt_shape *s, char *buffer)
{
    size_t n = 0;
    if (s->rank < 0) return strcpy(buffer, "?");
    buffer[n++] = '[';
    for (int i = 0; i < s->rank; i++) {
        if (i) buffer[n++] = ',';
        if (s->dim[i] < 0) buffer[n++] = '?';
        else n += (size_t)snprintf(buffer + n, BT_SHAPE_TEXT - n, "%lld", (long long)s->dim[i]);
    }
    buffer[n++] = ']';
    buffer[n] = '\0';
    return buffer;
}

bool bt_shape_broadcast(const bt_shape *a, const bt_shape *b, bt_shape *out)
{
    bt_shape result = {.rank = a->rank > b->rank ? a->rank : b->rank};
    if (a->rank < 0 || b->rank < 0) return *out = BT_SHAPE_UNKNOWN, true;
    for (int i = 1; i <= result.rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1, y = i <= b->rank ? b->dim[b->rank - i] : 1, z;
        if (x == y || y == 1) z = x;
        else if (x == 1) z = y;
        else if (x < 0 || y < 0) z = x < 0 ? y : x; /* the unknown one is 1 or the same, else the run fails */
        else return false;
        result.dim[result.rank - i] = z;
    }
    *out = result;
    return true;
}
