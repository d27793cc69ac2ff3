/* Geometry of resized images [N, H, W, C], which several families share. */
#ifndef BT_RESIZE_H
#define BT_RESIZE_H

#include "ops/op.h"

/* Output 0: this dtype, and the shape that images (input 0) have at the size that input 1 says. */
berth_status bt_infer_image_size(bt_infer *x, berth_dtype dtype);

/* Input pixels an output pixel. corners: the outermost pixels of both lie on each other. */
float bt_resize_scale(bool corners, int64_t in, int64_t out);

/* The two pixels of an axis that a place lies between, and how far it is from the first to the second. */
typedef struct bt_between {
    int64_t low, high;
    float part;
} bt_between;
bt_between bt_between_of(float at, int64_t in);

#endif
