/* Keras: nodes that move elements about - reshape, transpose, slice, concatenate - and those that fold axes
 * away. */
#include "format/keras.h"

static bool legal_axis(btk *k, btk_tensor x, int *axis)
{
    if (*axis < 0) *axis += x.shape.rank;
    if (!k->failed && (*axis < 0 || *axis >= x.shape.rank))
        btk_damaged(k, "an axis beyond the rank of the input");
    return !k->failed;
}

/* ---- Shapes as tensors -------------------------------------------------------------------------------- */

btk_tensor btk_pick(btk *k, btk_tensor x, int axis, int64_t index)
{
    if (!legal_axis(k, x, &axis)) return x;
    int64_t begin[BT_MAX_RANK] = {0}, end[BT_MAX_RANK] = {0}, step[BT_MAX_RANK];
    bt_shape shape = {.rank = x.shape.rank - 1};
    for (int i = 0, to = 0; i < x.shape.rank; i++) {
        step[i] = 1;
        if (i != axis) shape.dim[to++] = x.shape.dim[i];
    }
    begin[axis] = index;
    end[axis] = index + 1;
    int n = axis + 1;
    btk_tensor in[4] = {x, btk_ints(k, n, begin), btk_ints(k, n, end), btk_ints(k, n, step)};
    btk_tensor out = btk_node(k, "StridedSlice", 4, in, x.dtype, shape);
    btk_attr_type(k, out, "Index", BERTH_INT32);
    btk_attr_int(k, out, "begin_mask", (1 << axis) - 1);
    btk_attr_int(k, out, "end_mask", (1 << axis) - 1);
    btk_attr_int(k, out, "ellipsis_mask", 0);
    btk_attr_int(k, out, "new_axis_mask", 0);
    btk_attr_int(k, out, "shrink_axis_mask", 1 << axis);
    return out;
}

btk_tensor btk_size(btk *k, btk_tensor x, int axis)
{
    if (!legal_axis(k, x, &axis)) return x;
    if (x.shape.dim[axis] >= 0) return btk_int(k, x.shape.dim[axis]);
    btk_tensor shape = btk_node(k, "Shape", 1, &x, BERTH_INT32, BT_SHAPE(x.shape.rank));
    btk_attr_type(k, shape, "out_type", BERTH_INT32);
    return btk_pick(k, shape, 0, axis);
}

btk_tensor btk_pack(btk *k, int n, const btk_tensor *scalars)
{
    bt_shape shape = {.rank = scalars[0].shape.rank + 1, .dim = {n}};
    for (int i = 1; i < shape.rank && i < BT_MAX_RANK; i++) shape.dim[i] = scalars[0].shape.dim[i - 1];
    btk_tensor out = btk_node(k, "Pack", n, scalars, scalars[0].dtype, shape);
    btk_attr_int(k, out, "N", n);
    btk_attr_int(k, out, "axis", 0);
    return out;
}

btk_tensor btk_reshape(btk *k, btk_tensor x, int rank, const int64_t *dims, const int *axes)
{
    btk_tensor scalars[BT_MAX_RANK], shape_input;
    int64_t values[BT_MAX_RANK], known = bt_shape_count(&x.shape), product = 1;
    bt_shape shape = {.rank = rank};
    int open = 0, rest = -1;
    if (k->failed) return x;
    for (int i = 0; i < rank; i++) {
        bool is_axis = dims[i] < 0 && axes && axes[i] >= 0;
        values[i] = shape.dim[i] = is_axis ? btk_dim(x, axes[i]) : dims[i];
        if (dims[i] < 0 && !is_axis) rest = i;
        if (values[i] < 0) open++;
        else product *= values[i] > 0 && product > INT64_MAX / values[i] ? 0 : values[i];
    }
    if (rest >= 0 && open == 1 && known >= 0 && product > 0) {
        if (known % product) btk_damaged(k, "%lld elements do not fill the target shape", (long long)known);
        shape.dim[rest] = known / product;
    } else if (!open && known >= 0 && known != product) {
        btk_damaged(k, "%lld elements do not fill a shape of %lld", (long long)known, (long long)product);
    }
    if (open <= 1) {
        shape_input = btk_ints(k, rank, values);
    } else {
        for (int i = 0; i < rank; i++)
            scalars[i] = values[i] >= 0 || i == rest ? btk_int(k, values[i]) : btk_size(k, x, axes[i]);
        shape_input = btk_pack(k, rank, scalars);
    }
    btk_tensor out = btk_node(k, "Reshape", 2, (btk_tensor[]){x, shape_input}, x.dtype, shape);
    btk_attr_type(k, out, "Tshape", BERTH_INT32);
    return out;
}

btk_tensor btk_flat(btk *k, btk_tensor x) { return btk_reshape(k, x, 1, (int64_t[]){-1}, (int[]){-1}); }

btk_tensor btk_fold_leading(btk *k, btk_tensor x, int n)
{
    int64_t dims[BT_MAX_RANK];
    int axes[BT_MAX_RANK], rank = x.shape.rank - n + 1;
    if (!btk_rank(k, x, n, BT_MAX_RANK)) return x;
    for (int i = 0; i < rank; i++) dims[i] = -1, axes[i] = i ? i + n - 1 : -1;
    return btk_reshape(k, x, rank, dims, axes);
}

btk_tensor btk_unfold_leading(btk *k, btk_tensor x, btk_tensor like, int n)
{
    btk_tensor sizes[BT_MAX_RANK];
    bt_shape shape = {.rank = x.shape.rank + n - 1};
    int open = 0;
    if (!btk_rank(k, x, 1, BT_MAX_RANK - n + 1)) return x;
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = i < n ? btk_dim(like, i) : btk_dim(x, i - n + 1);
        open += shape.dim[i] < 0;
    }
    if (open <= 1) return btk_reshape(k, x, shape.rank, shape.dim, NULL);
    for (int i = 0; i < shape.rank; i++) sizes[i] = i < n ? btk_size(k, like, i) : btk_size(k, x, i - n + 1);
    btk_tensor out =
        btk_node(k, "Reshape", 2, (btk_tensor[]){x, btk_pack(k, shape.rank, sizes)}, x.dtype, shape);
    btk_attr_type(k, out, "Tshape", BERTH_INT32);
    return out;
}

btk_tensor btk_expand(btk *k, btk_tensor x, int axis)
{
    if (axis < 0) axis += x.shape.rank + 1;
    bt_shape shape = {.rank = x.shape.rank + 1};
    if (!btk_rank(k, x, axis, BT_MAX_RANK - 1)) return x;
    for (int i = 0; i < shape.rank; i++) shape.dim[i] = i == axis ? 1 : x.shape.dim[i - (i > axis)];
    btk_tensor out = btk_node(k, "ExpandDims", 2, (btk_tensor[]){x, btk_int(k, axis)}, x.dtype, shape);
    btk_attr_type(k, out, "Tdim", BERTH_INT32);
    return out;
}

btk_tensor btk_squeeze(btk *k, btk_tensor x, int axis)
{
    if (!legal_axis(k, x, &axis)) return x;
    int64_t axes[1] = {axis};
    bt_shape shape = {.rank = x.shape.rank - 1};
    for (int i = 0, to = 0; i < x.shape.rank; i++)
        if (i != axis) shape.dim[to++] = x.shape.dim[i];
    btk_tensor out = btk_node(k, "Squeeze", 1, &x, x.dtype, shape);
    btk_attr_ints(k, out, "squeeze_dims", 1, axes);
    return out;
}

/* ---- Movement ----------------------------------------------------------------------------------------- */

btk_tensor btk_transpose(btk *k, btk_tensor x, const int *perm)
{
    int64_t axes[BT_MAX_RANK];
    bt_shape shape = {.rank = x.shape.rank};
    bool same = true;
    if (k->failed) return x;
    for (int i = 0; i < x.shape.rank; i++) {
        axes[i] = perm[i];
        shape.dim[i] = btk_dim(x, perm[i]);
        same &= perm[i] == i;
    }
    if (same) return x;
    btk_tensor out =
        btk_node(k, "Transpose", 2, (btk_tensor[]){x, btk_ints(k, x.shape.rank, axes)}, x.dtype, shape);
    btk_attr_type(k, out, "Tperm", BERTH_INT32);
    return out;
}

btk_tensor btk_swap(btk *k, btk_tensor x, int a, int b)
{
    int perm[BT_MAX_RANK];
    if (!legal_axis(k, x, &a) || !legal_axis(k, x, &b)) return x;
    for (int i = 0; i < x.shape.rank; i++) perm[i] = i == a ? b : i == b ? a : i;
    return btk_transpose(k, x, perm);
}

btk_tensor btk_channels_last(btk *k, btk_tensor x)
{
    int perm[BT_MAX_RANK] = {0}, n = x.shape.rank;
    for (int i = 1; i < n - 1; i++) perm[i] = i + 1;
    if (n > 1) perm[n - 1] = 1;
    return btk_transpose(k, x, perm);
}

btk_tensor btk_channels_back(btk *k, btk_tensor x)
{
    int perm[BT_MAX_RANK] = {0}, n = x.shape.rank;
    for (int i = 2; i < n; i++) perm[i] = i - 1;
    if (n > 1) perm[1] = n - 1;
    return btk_transpose(k, x, perm);
}

btk_tensor btk_concat(btk *k, int n, const btk_tensor *x, int axis)
{
    enum { MAX = 255 };
    btk_tensor in[MAX + 1];
    if (n == 1 || k->failed) return x[0];
    if (n > MAX) return btk_unsupported(k, "%d tensors joined at once", n), x[0];
    if (!legal_axis(k, x[0], &axis)) return x[0];
    bt_shape shape = x[0].shape;
    in[0] = x[0];
    for (int i = 1; i < n; i++) {
        in[i] = x[i];
        int64_t a = shape.dim[axis], b = btk_dim(x[i], axis);
        bt_shape other = x[i].shape;
        if (other.rank == shape.rank) other.dim[axis] = shape.dim[axis] = -1;
        if (x[i].dtype != x[0].dtype || !bt_shape_merge(&shape, &other))
            return btk_damaged(k, "tensors that cannot be joined"), x[0];
        shape.dim[axis] = a < 0 || b < 0 ? -1 : a + b;
    }
    in[n] = btk_int(k, axis);
    btk_tensor out = btk_node(k, "ConcatV2", n + 1, in, x[0].dtype, shape);
    btk_attr_int(k, out, "N", n);
    btk_attr_type(k, out, "Tidx", BERTH_INT32);
    return out;
}

btk_tensor btk_slice(btk *k, btk_tensor x, int axis, int64_t begin, int64_t end)
{
    int64_t from[BT_MAX_RANK] = {0}, to[BT_MAX_RANK] = {0}, step[BT_MAX_RANK];
    if (!legal_axis(k, x, &axis)) return x;
    bool whole = end == INT64_MAX;
    if (whole && begin == 0) return x;
    int64_t size = x.shape.dim[axis], n = axis + 1;
    for (int i = 0; i < n; i++) step[i] = 1;
    from[axis] = begin;
    to[axis] = whole ? 0 : end;
    bt_shape shape = x.shape;
    if (size >= 0) {
        int64_t b = begin < 0 ? begin + size : begin, e = whole ? size : end < 0 ? end + size : end;
        b = b < 0 ? 0 : b > size ? size : b;
        e = e > size ? size : e;
        shape.dim[axis] = e > b ? e - b : 0;
    } else {
        shape.dim[axis] = -1;
    }
    btk_tensor in[4] = {x, btk_ints(k, (int)n, from), btk_ints(k, (int)n, to), btk_ints(k, (int)n, step)};
    btk_tensor out = btk_node(k, "StridedSlice", 4, in, x.dtype, shape);
    btk_attr_type(k, out, "Index", BERTH_INT32);
    btk_attr_int(k, out, "begin_mask", (1 << axis) - 1);
    btk_attr_int(k, out, "end_mask", ((1 << axis) - 1) | (whole ? 1 << axis : 0));
    btk_attr_int(k, out, "ellipsis_mask", 0);
    btk_attr_int(k, out, "new_axis_mask", 0);
    btk_attr_int(k, out, "shrink_axis_mask", 0);
    return out;
}

btk_tensor btk_reverse(btk *k, btk_tensor x, int axis)
{
    int64_t axes[1];
    if (!legal_axis(k, x, &axis)) return x;
    axes[0] = axis;
    btk_tensor out = btk_node(k, "ReverseV2", 2, (btk_tensor[]){x, btk_ints(k, 1, axes)}, x.dtype, x.shape);
    btk_attr_type(k, out, "Tidx", BERTH_INT32);
    return out;
}

btk_tensor btk_pad(btk *k, btk_tensor x, const int64_t (*pads)[2])
{
    int32_t flat[2 * BT_MAX_RANK];
    bt_shape shape = x.shape;
    bool none = true;
    for (int i = 0; i < shape.rank; i++) {
        if (pads[i][0] < 0 || pads[i][1] < 0 || pads[i][0] > INT32_MAX || pads[i][1] > INT32_MAX)
            return btk_damaged(k, "padding that cannot be"), x;
        flat[2 * i] = (int32_t)pads[i][0];
        flat[2 * i + 1] = (int32_t)pads[i][1];
        none &= !pads[i][0] && !pads[i][1];
        if (shape.dim[i] >= 0) shape.dim[i] += pads[i][0] + pads[i][1];
    }
    if (none) return x;
    btk_tensor amounts = btk_const(k, BERTH_INT32, BT_SHAPE(shape.rank, 2), flat);
    btk_tensor out = btk_node(k, "Pad", 2, (btk_tensor[]){x, amounts}, x.dtype, shape);
    btk_attr_type(k, out, "Tpaddings", BERTH_INT32);
    return out;
}

btk_tensor btk_tile(btk *k, btk_tensor x, const int64_t *times)
{
    bt_shape shape = x.shape;
    for (int i = 0; i < shape.rank; i++)
        if (shape.dim[i] >= 0 && __builtin_mul_overflow(shape.dim[i], times[i], &shape.dim[i]))
            return btk_damaged(k, "a tile too large"), x;
    btk_tensor out =
        btk_node(k, "Tile", 2, (btk_tensor[]){x, btk_ints(k, shape.rank, times)}, x.dtype, shape);
    btk_attr_type(k, out, "Tmultiples", BERTH_INT32);
    return out;
}

btk_tensor btk_gather(btk *k, btk_tensor x, btk_tensor indices, int axis)
{
    bt_shape shape = {.rank = x.shape.rank - 1 + indices.shape.rank};
    if (!legal_axis(k, x, &axis)) return x;
    if (shape.rank > BT_MAX_RANK) return btk_unsupported(k, "tensors of rank %d", shape.rank), x;
    int to = 0;
    for (int i = 0; i < axis; i++) shape.dim[to++] = x.shape.dim[i];
    for (int i = 0; i < indices.shape.rank; i++) shape.dim[to++] = indices.shape.dim[i];
    for (int i = axis + 1; i < x.shape.rank; i++) shape.dim[to++] = x.shape.dim[i];
    btk_tensor out = btk_bare(k, "GatherV2", 3, (btk_tensor[]){x, indices, btk_int(k, axis)}, x.dtype, shape);
    btk_attr_type(k, out, "Tparams", x.dtype);
    btk_attr_type(k, out, "Tindices", indices.dtype);
    btk_attr_type(k, out, "Taxis", BERTH_INT32);
    btk_attr_int(k, out, "batch_dims", 0);
    return out;
}

btk_tensor btk_zeros(btk *k, berth_dtype dtype, int rank, const btk_tensor *dims, bt_shape shape)
{
    btk_tensor in[2] = {btk_pack(k, rank, dims), btk_number(k, dtype, 0)};
    btk_tensor out = btk_node(k, "Fill", 2, in, dtype, shape);
    btk_attr_type(k, out, "T", dtype);
    btk_attr_type(k, out, "index_type", BERTH_INT32);
    return out;
}

btk_tensor btk_broadcast(btk *k, btk_tensor x, int rank, const btk_tensor *dims, bt_shape shape)
{
    btk_tensor out =
        btk_node(k, "BroadcastTo", 2, (btk_tensor[]){x, btk_pack(k, rank, dims)}, x.dtype, shape);
    btk_attr_type(k, out, "Tidx", BERTH_INT32);
    return out;
}

/* ---- Folds and products ------------------------------------------------------------------------------- */

btk_tensor btk_reduce(btk *k, const char *op, btk_tensor x, uint32_t axes, bool keep)
{
    int64_t list[BT_MAX_RANK] = {0};
    bt_shape shape = {.rank = 0};
    int n = 0;
    bool logical = !strcmp(op, "All") || !strcmp(op, "Any");
    for (int i = 0; i < x.shape.rank; i++) {
        bool folded = axes >> i & 1;
        if (folded) list[n++] = i;
        if (!folded || keep) shape.dim[shape.rank++] = folded ? 1 : x.shape.dim[i];
    }
    btk_tensor in[2] = {x, btk_ints(k, n, list)};
    btk_tensor out = (logical ? btk_bare : btk_node)(k, op, 2, in, x.dtype, shape);
    btk_attr_type(k, out, "Tidx", BERTH_INT32);
    btk_attr_bool(k, out, "keep_dims", keep);
    return out;
}

btk_tensor btk_matmul(btk *k, btk_tensor a, btk_tensor b, bool transpose_a, bool transpose_b)
{
    int ra = a.shape.rank, rb = b.shape.rank;
    if (!btk_rank(k, a, 2, BT_MAX_RANK) || !btk_rank(k, b, 2, BT_MAX_RANK)) return a;
    bool plain = ra == 2 && rb == 2;
    bt_shape batch_a = {.rank = ra - 2}, batch_b = {.rank = rb - 2}, shape;
    memcpy(batch_a.dim, a.shape.dim, sizeof batch_a.dim);
    memcpy(batch_b.dim, b.shape.dim, sizeof batch_b.dim);
    int64_t inner_a = btk_dim(a, transpose_a ? -2 : -1), inner_b = btk_dim(b, transpose_b ? -1 : -2);
    if ((inner_a >= 0 && inner_b >= 0 && inner_a != inner_b) ||
        !bt_shape_broadcast(&batch_a, &batch_b, &shape)) {
        char one[BT_SHAPE_TEXT], two[BT_SHAPE_TEXT];
        btk_damaged(k, "a product of shapes %s and %s", bt_shape_text(&a.shape, one),
                    bt_shape_text(&b.shape, two));
        return a;
    }
    shape.dim[shape.rank++] = btk_dim(a, transpose_a ? -1 : -2);
    shape.dim[shape.rank++] = btk_dim(b, transpose_b ? -2 : -1);
    btk_tensor out = btk_node(k, plain ? "MatMul" : "BatchMatMulV2", 2, (btk_tensor[]){a, b}, a.dtype, shape);
    btk_attr_bool(k, out, plain ? "transpose_a" : "adj_x", transpose_a);
    btk_attr_bool(k, out, plain ? "transpose_b" : "adj_y", transpose_b);
    return out;
}

/* The letters of the result have the sizes that they have in a or b. */
btk_tensor btk_einsum(btk *k, const char *equation, btk_tensor a, btk_tensor b)
{
    int64_t size[128];
    bt_shape shape = {.rank = 0};
    int axis = 0, operand = 0;
    for (int i = 0; i < 128; i++) size[i] = -1;
    if (k->failed) return a;
    const char *p = equation;
    for (; *p && *p != '-'; p++) {
        if (*p == ',') {
            operand++, axis = 0;
            continue;
        }
        int64_t dim = btk_dim(operand ? b : a, axis++);
        if (dim >= 0) size[*p & 127] = dim;
    }
    for (p += *p ? 2 : 0; *p && shape.rank < BT_MAX_RANK; p++) shape.dim[shape.rank++] = size[*p & 127];
    btk_tensor out = btk_node(k, "Einsum", 2, (btk_tensor[]){a, b}, a.dtype, shape);
    btk_attr_int(k, out, "N", 2);
    btk_attr_text(k, out, "equation", equation);
    return out;
}
