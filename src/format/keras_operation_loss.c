/* Keras 3: operations that compare: losses and what is said of labels in time. To read next: keras_operation.c. */
#include "format/keras_operation.h"

#include <math.h>

static const double epsilon = 1e-7; /* Keras's own */

/* What the target is in the dtype of the output. */
static bool both(btk_call *c, btk_tensor *target, btk_tensor *output)
{
    *output = btk_operand(c, 1, "output", BERTH_FLOAT);
    *target = btk_cast(c->k, btk_operand(c, 0, "target", output->dtype), output->dtype);
    if (!c->k->failed && !bt_dtype_is_float(output->dtype)) btk_unsupported(c->k, "such losses of integers");
    return !c->k->failed;
}

static bool from_logits(const btk_call *c)
{
    return bt_json_bool(btk_operand_json(c, 2, "from_logits"), false);
}

static btk_tensor negated(btk *k, btk_tensor x) { return btk_unary(k, "Neg", x); }

/* -target log(output) - (1 - target) log(1 - output); of logits x: max(x, 0) - x target + log(1 + exp(-|x|)). */
static void binary_loss(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor target, x;
    if (!both(c, &target, &x)) return;
    if (from_logits(c)) {
        btk_tensor rest = btk_unary(k, "Log1p", btk_unary(k, "Exp", negated(k, btk_unary(k, "Abs", x))));
        btk_tensor y = btk_binary(k, "Sub", btk_unary(k, "Relu", x), btk_binary(k, "Mul", x, target));
        return btk_return(c, btk_binary(k, "AddV2", y, rest));
    }
    btk_tensor one = btk_number(k, x.dtype, 1);
    x = btk_clip(k, x, epsilon, 1 - epsilon);
    btk_tensor is = btk_binary(k, "Mul", target, btk_unary(k, "Log", x));
    btk_tensor is_not = btk_binary(k, "Mul", btk_binary(k, "Sub", one, target),
                                   btk_unary(k, "Log", btk_binary(k, "Sub", one, x)));
    btk_return(c, negated(k, btk_binary(k, "AddV2", is, is_not)));
}

/* log(softmax(x)) along an axis. */
static btk_tensor log_softmax(btk *k, btk_tensor x, int axis)
{
    btk_tensor y = btk_swap(k, x, axis, -1);
    return btk_swap(k, btk_unary(k, "LogSoftmax", y), axis, -1);
}

static void categorical_loss(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor target, x;
    if (!both(c, &target, &x)) return;
    int axis = btk_operand_axis(c, 3, "axis", -1, x.shape.rank);
    if (k->failed) return;
    if (from_logits(c)) {
        x = log_softmax(k, x, axis);
    } else {
        x = btk_binary(k, "RealDiv", x, btk_reduce(k, "Sum", x, 1u << axis, true));
        x = btk_unary(k, "Log", btk_clip(k, x, epsilon, 1 - epsilon));
    }
    btk_return(c, negated(k, btk_reduce(k, "Sum", btk_binary(k, "Mul", target, x), 1u << axis, false)));
}

/* The target is the number of a class. */
static void sparse_loss(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 1, "output", BERTH_FLOAT),
               target = btk_operand(c, 0, "target", BERTH_INT64);
    if (!btk_rank(k, x, 1, BT_MAX_RANK)) return;
    if (target.shape.rank == x.shape.rank && btk_dim(target, -1) == 1) target = btk_squeeze(k, target, -1);
    target = btk_cast(k, target, BERTH_INT64);
    if (!from_logits(c)) x = btk_unary(k, "Log", btk_clip(k, x, epsilon, 1 - epsilon));
    bt_shape shape = target.shape;
    int64_t classes = btk_dim(x, -1);
    bool flat = x.shape.rank != 2; /* the op takes [batch, classes] */
    btk_tensor in[2] = {x, target};
    if (flat) {
        in[0] = btk_reshape(k, x, 2, (int64_t[]){-1, classes}, (int[]){-1, x.shape.rank - 1});
        in[1] = btk_flat(k, target);
    }
    btk_tensor y = btk_node(k, "SparseSoftmaxCrossEntropyWithLogits", 2, in, x.dtype, in[1].shape);
    btk_attr_type(k, y, "Tlabels", BERTH_INT64);
    if (flat && shape.rank) y = btk_unfold_leading(k, y, target, shape.rank);
    else if (flat) y = btk_squeeze(k, y, 0);
    btk_return(c, y);
}

/* In decibels: 20 log10(max) - 10 log10(mean of squares). */
static void peak_ratio(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor a, b;
    btk_operands(c, &a, &b);
    btk_tensor square = btk_unary(k, "Square", btk_binary(k, "Sub", a, b));
    btk_tensor error = btk_reduce(k, "Mean", square, (1u << square.shape.rank) - 1, false);
    btk_tensor y = btk_scaled(k, btk_unary(k, "Log", error), -10 / M_LN10);
    btk_return(c, btk_shifted(k, y, 20 * log10(bt_json_double(btk_operand_json(c, 2, "max_val"), 1))));
}

/* ---- Labels in time ----------------------------------------------------------------------------------- */

/* The class that stands for none, of n; -1 is not legal here. */
static int64_t blank_of(btk_call *c, int64_t n)
{
    int64_t blank = btk_operand_int(c, -1, "mask_index", 0);
    if (blank < 0) blank += n;
    if (!c->k->failed && (blank < 0 || blank >= n)) btk_damaged(c->k, "a mask index beyond the classes");
    return blank;
}

/* That class behind all others, as TensorFlow's ops have it. */
static btk_tensor blank_last(btk *k, btk_tensor x, int64_t blank)
{
    if (blank == btk_dim(x, -1) - 1) return x;
    btk_tensor part[3] = {btk_slice(k, x, -1, 0, blank), btk_slice(k, x, -1, blank + 1, INT64_MAX),
                          btk_slice(k, x, -1, blank, blank + 1)};
    return blank ? btk_concat(k, 3, part, -1) : btk_concat(k, 2, part + 1, -1);
}

/* labels[batch, n], of which length[batch] each: the places of those, [all, 2]. */
static btk_tensor places_within(btk *k, btk_tensor labels, btk_tensor length)
{
    btk_tensor in[3] = {btk_int(k, 0), btk_size(k, labels, 1), btk_int(k, 1)};
    btk_tensor range = btk_bare(k, "Range", 3, in, BERTH_INT32, BT_SHAPE(btk_dim(labels, 1)));
    btk_attr_type(k, range, "Tidx", BERTH_INT32);
    btk_tensor is = btk_compare(k, "Less", range, btk_expand(k, btk_cast(k, length, BERTH_INT32), 1));
    return btk_node(k, "Where", 1, &is, BERTH_INT64, BT_SHAPE(-1, 2));
}

static void ctc_loss(btk_call *c, const char *detail)
{
    (void)detail;
    btk *k = c->k;
    btk_tensor labels = btk_cast(k, btk_operand(c, 0, "target", BERTH_INT32), BERTH_INT32),
               x = btk_operand(c, 1, "output", BERTH_FLOAT),
               length = btk_operand(c, 2, "target_length", BERTH_INT32),
               steps = btk_cast(k, btk_operand(c, 3, "output_length", BERTH_INT32), BERTH_INT32);
    berth_dtype dtype = x.dtype == BERTH_DOUBLE ? BERTH_DOUBLE : BERTH_FLOAT;
    if (!btk_rank(k, x, 3, 3) || !btk_rank(k, labels, 2, 2)) return;
    int64_t n = btk_known(k, x, -1, "the number of classes"), blank = blank_of(c, n);
    if (k->failed) return;
    btk_tensor places = places_within(k, labels, length);
    btk_tensor values = btk_bare(k, "GatherNd", 2, (btk_tensor[]){labels, places}, BERTH_INT32, BT_SHAPE(-1));
    btk_attr_type(k, values, "Tparams", BERTH_INT32);
    btk_attr_type(k, values, "Tindices", BERTH_INT64);
    if (blank < n - 1) { /* those behind the blank have moved up */
        btk_tensor behind = btk_compare(k, "Greater", values, btk_int(k, blank));
        values = btk_binary(k, "Sub", values, btk_cast(k, behind, BERTH_INT32));
    }
    x = btk_transpose(k, blank_last(k, btk_cast(k, x, BERTH_FLOAT), blank), (int[]){1, 0, 2});
    btk_tensor in[4] = {x, places, values, steps};
    btk_tensor y = btk_node(k, "CTCLoss", 4, in, BERTH_FLOAT, BT_SHAPE(btk_dim(x, 1)));
    btk_attr_bool(k, y, "preprocess_collapse_repeated", false);
    btk_attr_bool(k, y, "ctc_merge_repeated", true);
    btk_attr_bool(k, y, "ignore_longer_outputs_than_inputs", false);
    btk_return(c, btk_cast(k, y, dtype));
}

/* Sparse labels as [batch, steps], -1 where there are none. */
static btk_tensor dense_labels(btk *k, btk_tensor places, btk_tensor values, btk_tensor batch,
                               btk_tensor steps)
{
    btk_tensor shape = btk_cast(k, btk_pack(k, 2, (btk_tensor[]){batch, steps}), BERTH_INT64);
    btk_tensor in[4] = {places, shape, values, btk_number(k, BERTH_INT64, -1)};
    btk_tensor y = btk_bare(k, "SparseToDense", 4, in, BERTH_INT64, BT_SHAPE(-1, -1));
    btk_attr_type(k, y, "T", BERTH_INT64);
    btk_attr_type(k, y, "Tindices", BERTH_INT64);
    btk_attr_bool(k, y, "validate_indices", true);
    return btk_cast(k, y, BERTH_INT32);
}

/* Labels [paths, batch, steps], and how likely each path is, [batch, paths]. */
static void ctc_decode(btk_call *c, const char *detail)
{
    (void)detail;
    enum { MAX_PATHS = 64 };
    btk *k = c->k;
    btk_tensor x = btk_operand(c, 0, "inputs", BERTH_FLOAT),
               steps = btk_cast(k, btk_operand(c, 1, "sequence_lengths", BERTH_INT32), BERTH_INT32),
               out[MAX_PATHS];
    bool beam = bt_json_is_text(btk_operand_json(c, 2, "strategy"), "beam_search");
    int64_t paths = beam ? btk_operand_int(c, -1, "top_paths", 1) : 1;
    if (!btk_rank(k, x, 3, 3)) return;
    if (x.dtype != BERTH_DOUBLE) x = btk_cast(k, x, BERTH_FLOAT);
    int64_t n = btk_known(k, x, -1, "the number of classes"), blank = blank_of(c, n);
    if (paths < 1 || paths > MAX_PATHS) return btk_unsupported(k, "so many paths");
    if (k->failed) return;
    btk_tensor time_major = btk_transpose(k, beam ? blank_last(k, x, blank) : x, (int[]){1, 0, 2});
    btk_tensor in[2] = {time_major, steps};
    btk_tensor y =
        btk_node(k, beam ? "CTCBeamSearchDecoder" : "CTCGreedyDecoder", 2, in, BERTH_INT64, BT_SHAPE(-1, 2));
    btk_attr_bool(k, y, "merge_repeated",
                  !beam && bt_json_bool(btk_operand_json(c, -1, "merge_repeated"), true));
    if (beam) {
        btk_attr_int(k, y, "beam_width", btk_operand_int(c, -1, "beam_width", 100));
        btk_attr_int(k, y, "top_paths", paths);
    } else {
        btk_attr_int(k, y, "blank_index", blank);
    }
    for (int i = 0; i < paths; i++) {
        btk_tensor places = btk_output(y, i, BERTH_INT64, BT_SHAPE(-1, 2)),
                   values = btk_output(y, (int)paths + i, BERTH_INT64, BT_SHAPE(-1));
        out[i] = btk_expand(k, dense_labels(k, places, values, btk_size(k, x, 0), btk_size(k, x, 1)), 0);
    }
    btk_tensor labels = btk_concat(k, (int)paths, out, 0);
    if (beam) { /* numbers as they were before the blank went last */
        btk_tensor behind = btk_compare(k, "GreaterEqual", labels, btk_int(k, blank));
        labels = btk_binary(k, "AddV2", labels, btk_cast(k, behind, BERTH_INT32));
    }
    labels.shape = BT_SHAPE(paths, btk_dim(x, 0), btk_dim(x, 1));
    btk_tensor score = btk_output(y, 3 * (int)paths, x.dtype, BT_SHAPE(btk_dim(x, 0), paths));
    btk_returns(c, (btk_tensor[]){labels, score}, 2);
}

const btk_operation btk_loss_operations[] = {
    {"binary_crossentropy", binary_loss, NULL},
    {"categorical_crossentropy", categorical_loss, NULL},
    {"sparse_categorical_crossentropy", sparse_loss, NULL},
    {"p_s_n_r", peak_ratio, NULL},
    {"c_t_c_loss", ctc_loss, NULL},
    {"c_t_c_decode", ctc_decode, NULL},
    {NULL, NULL, NULL},
};
