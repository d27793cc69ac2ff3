/* CudnnRNN on a device, for cudnn_rnn.c, which checks what it is given. */
#ifndef BT_CUDNN_GPU_H
#define BT_CUDNN_GPU_H

#include "ops/cudnn.h"

/* What does not depend on the type of numbers. */
typedef struct bt_cudnn_run {
    int64_t steps, batch;
    bool time_major;
    const int32_t *lengths; /* NULL: all are whole */
} bt_cudnn_run;

/* Inputs and outputs 0 to 2 and the parameters lie on c->device; the outputs are there. */
berth_status bt_cudnn_on_gpu(bt_call *c, const bt_cudnn *r, const bt_cudnn_run *run);

#endif
