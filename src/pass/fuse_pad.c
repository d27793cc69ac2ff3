/* Zero padding of an image before a convolution without padding of its own becomes the convolution's explicit padding. */
#include "pass/pattern.h"

static bool spatial_paddings(const bt_matcher *m, const bt_node *pad, int64_t paddings[8])
{
    const bt_tensor *t = bt_pass_fact(m->x, pad->inputs[1])->value;
    if (!t || t->shape.rank != 2 || t->shape.dim[0] != 4 || t->shape.dim[1] != 2) return false;
    for (int i = 0; i < 8; i++) {
        paddings[i] = bt_tensor_int(t, i);
        if (paddings[i] < 0 || ((i < 2 || i >= 6) && paddings[i])) return false;
    }
    return true;
}

/* Pad, or PadV2 with a zero. */
static const bt_node *zero_pad(const bt_matcher *m, bt_edge e)
{
    float value;
    const bt_node *pad = bt_match(m, e, "Pad", 2);
    if (pad) return pad;
    pad = bt_match(m, e, "PadV2", 3);
    return pad && bt_scalar_value(m, pad->inputs[2], &value) && value == 0 ? pad : NULL;
}

berth_status bt_pass_pad(bt_pass_context *x)
{
    bt_matcher m;
    berth_status status = bt_matcher_init(&m, x);
    for (size_t i = 0; !status && i < x->graph.n_nodes; i++) {
        bt_node *node = &x->graph.nodes[i];
        int64_t paddings[8];
        if (!bt_is_op(node, "Conv2D") && !bt_is_op(node, "DepthwiseConv2dNative")) continue;
        if (node->n_inputs != 2 || strcmp(bt_attr_string(node, "padding", ""), "VALID")) continue;
        if (strcmp(bt_attr_string(node, "data_format", "NHWC"), "NHWC")) continue;
        const bt_node *pad = zero_pad(&m, node->inputs[0]);
        if (!pad || pad->place != node->place || !spatial_paddings(&m, pad, paddings)) continue;
        bt_pass_fate(x, node->inputs[0].node, BT_FATE_FUSED, node->name);
        node->inputs[0] = pad->inputs[0];
        if (!bt_set_string(&x->graph, (int32_t)i, "padding", "EXPLICIT") ||
            !bt_set_ints(&x->graph, (int32_t)i, "explicit_paddings", paddings, 8))
            return bt_fail_memory(x->error);
    }
    return status ? status : bt_pass_sweep(x);
}
