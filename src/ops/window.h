/* The geometry that convolutions and poolings share: attributes, and sizes once shapes are known. Everything is held
 * as three spatial axes (depth, height, width); what an op lacks of them has size, stride and filter 1. */
#ifndef BT_WINDOW_H
#define BT_WINDOW_H

#include "ops/op.h"

enum { BT_AXES = 3 };

typedef struct bt_windowing {
    int spatial;         /* axes that the op has: 1 .. 3, the last ones of three */
    bool channels_first; /* NCHW, NCDHW */
    const char *padding;
    int64_t stride[BT_AXES], dilation[BT_AXES], before[BT_AXES],
        after[BT_AXES];    /* before, after: explicit padding */
    int64_t size[BT_AXES]; /* of a pooling's window */
    int64_t depth, depth_step; /* of a pooling over channels: how many at a time; else 1 */
    bool planning;         /* as in bt_infer: then a window that does not fit the image is an error, even without output */
    bool centred;          /* SAME: windows are centred over the image even if that is larger, as Eigen has three axes */
} bt_windowing;

/* Sizes, -1 where not known. */
typedef struct bt_sizes {
    int64_t batch, in_c, out_c;
    int64_t in[BT_AXES], filter[BT_AXES], out[BT_AXES], before[BT_AXES];
} bt_sizes;

/* Reads strides, dilations, padding, explicit_paddings, data_format and, for a pooling, ksize. */
berth_status bt_windowing_parse(const bt_node *node, int spatial, bool pooling, bt_windowing *w,
                                berth_error *error);
/* The attribute `name`, a list of `rank` positive numbers of which the first and last, of batch and channels, are 1:
 * the others in the last axes, 1 in those that are missing. False when it is no such list. */
bool bt_window_list(const bt_node *node, const char *name, int rank, int64_t axes[BT_AXES]);
/* ksize or strides, which MaxPoolV2 has as inputs. */
berth_status bt_windowing_read(const bt_tensor *t, const bt_windowing *w, int64_t *axes, int64_t *depth,
                               berth_error *error);
/* batch, in_c and in of a tensor; unknown where its shape is. */
berth_status bt_sizes_input(const bt_windowing *w, const bt_shape *shape, bt_sizes *s, berth_error *error);
/* out and before, from in and filter. */
berth_status bt_sizes_output(const bt_windowing *w, bt_sizes *s, berth_error *error);
/* before, as TensorFlow's kernels have it that gather patches themselves: windows are centred in what they leave over, rounded
 * towards zero, even where nothing is padded. */
void bt_sizes_centre(const bt_windowing *w, bt_sizes *s);
/* [batch, out, out_c] in the op's own order of axes. */
bt_shape bt_sizes_shape(const bt_windowing *w, int64_t batch, const int64_t axes[BT_AXES], int64_t channels);
static inline int64_t bt_axes_count(const int64_t axes[BT_AXES]) { return axes[0] * axes[1] * axes[2]; }

/* Between channels first, as a tensor has them, and channels last, as kernels want them: a copy of [batch][a][b] as
 * [batch][b][a]. */
berth_status bt_swap_axes(bt_call *c, berth_dtype dtype, void *dst, const void *src, int64_t batch, int64_t a,
                          int64_t b);
/* The elements of input i with channels last: its own, or a copy in working memory. NULL with the error set. */
const void *bt_channels_last(bt_call *c, int i, const bt_windowing *w, const bt_sizes *s);

#endif
