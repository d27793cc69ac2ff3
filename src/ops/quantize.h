/* Quantised numbers: what quantize.c and quantized.c share. */
#ifndef BT_QUANTIZE_H
#define BT_QUANTIZE_H

#include "ops/move.h"

typedef struct bt_quantized {
    int bits;
    int64_t least, most;
} bt_quantized;

/* False when the dtype is no quantised one. */
bool bt_quantized_kind(berth_dtype dtype, bt_quantized *q);
int64_t bt_quantized_get(berth_dtype dtype, const void *p, int64_t i);
void bt_quantized_put(berth_dtype dtype, void *p, int64_t i, int64_t v);
/* In the mode MIN_FIRST, where 0 is always a step: TensorFlow's for arithmetic. */
int64_t bt_quantize_first(float v, float min, float max, const bt_quantized *q);
int64_t bt_quantize_wide(float v, float min, float max, const bt_quantized *q); /* the same, not held in the range */
float bt_dequantize_first(int64_t v, float min, float max, const bt_quantized *q);
/* The same in float, as TensorFlow has it for whole tensors. */
int64_t bt_quantize_float(float v, float min, float max, const bt_quantized *q);
float bt_dequantize_float(int64_t v, float min, float max, const bt_quantized *q);
/* Inputs i and i + 1, or outputs: one float32 each. */
berth_status bt_quantized_range(bt_call *c, int i, float *min, float *max);
berth_status bt_quantized_put_range(bt_call *c, int i, float min, float max);
/* Element of `in` under element i of what it is broadcast to. */
int64_t bt_broadcast_index(const bt_shape *in, const bt_shape *out, int64_t i);

#endif
