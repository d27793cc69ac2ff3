/* Weights in the form that a device wants. To read next: ../pass/fuse.c and precision.c, who ask for them; ../plan/plan.c. */
#include "ops/weights.h"

#include <stdio.h>

#include "simd/simd.h"

enum { PIECE = 1024 };

bool bt_weights_of(const bt_node *node, bt_weights *w)
{
    if (strcmp(node->op, "_Weights")) return false;
    const bt_tensor *scale = bt_attr_tensor(node, "scale");
    *w = (bt_weights){.from = bt_attr_tensor(node, "value"),
                      .scale = scale ? scale->data : NULL,
                      .n = scale ? bt_tensor_count(scale) : 0,
                      .inner = bt_attr_int(node, "inner", 1),
                      .to = bt_attr_type(node, "dtype", BERTH_FLOAT)};
    return w->from != NULL;
}

void bt_weights_layout(const bt_weights *w, char text[BT_WEIGHTS_TEXT])
{
    uint64_t hash = w->scale ? bt_hash(w->scale, (size_t)w->n * sizeof *w->scale) : 0;
    snprintf(text, BT_WEIGHTS_TEXT, "weights %s scale=%llx inner=%lld", bt_dtype_name(w->to),
             (unsigned long long)hash, (long long)w->inner);
}

/* Elements [at, at + n) of the scaled weights. */
static void read_piece(const bt_weights *w, int64_t at, int64_t n, float *y)
{
    memcpy(y, (const char *)w->from->data + (size_t)at * sizeof *y, (size_t)n * sizeof *y);
    if (!w->scale) return;
    int64_t channel = at / w->inner % w->n, left = w->inner - at % w->inner;
    for (int64_t i = 0; i < n; i++) {
        y[i] *= w->scale[channel];
        if (--left) continue;
        left = w->inner;
        if (++channel == w->n) channel = 0;
    }
}

berth_status bt_weights_pack(void *user, void *dst, berth_error *error)
{
    const bt_weights *w = user;
    const bt_vec_kernels *vec = &bt_simd_get()->vec;
    _Alignas(64) float piece[PIECE];
    (void)error;
    for (int64_t at = 0, n, count = bt_tensor_count(w->from); at < count; at += n) {
        n = count - at < PIECE ? count - at : PIECE;
        read_piece(w, at, n, piece);
        if (w->to == BERTH_FLOAT) memcpy((float *)dst + at, piece, (size_t)n * sizeof *piece);
        else if (w->to == BERTH_HALF) vec->float_to_half((uint16_t *)dst + at, piece, n);
        else vec->float_to_bf16((uint16_t *)dst + at, piece, n);
    }
    return BERTH_OK;
}

bool bt_weights_fit(const bt_weights *w)
{
    _Alignas(64) float piece[PIECE];
    for (int64_t at = 0, n, count = bt_tensor_count(w->from); at < count && w->to == BERTH_HALF; at += n) {
        n = count - at < PIECE ? count - at : PIECE;
        read_piece(w, at, n, piece);
        for (int64_t i = 0; i < n; i++)
            if (piece[i] > 65504 || piece[i] < -65504) return false;
    }
    return true;
}

static berth_status infer_weights(bt_infer *x)
{
    bt_weights w;
    if (!bt_weights_of(x->node, &w)) return bt_infer_fail(x, "has no attribute 'value'");
    x->out[0].dtype = w.to, x->out[0].shape = w.from->shape;
    return BERTH_OK;
}

const bt_op bt_ops_weights[] = {
    {.name = "_Weights", .infer = infer_weights},
    {0},
};
