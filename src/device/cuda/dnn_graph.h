/* A convolution as a graph of cuDNN's, and the engine that is to do it: built, looked for, done. Caches and streams: dnn.c. */
#ifndef BT_CUDA_DNN_GRAPH_H
#define BT_CUDA_DNN_GRAPH_H

#include "device/cuda/cuda.h"
#include "device/cuda/dnn.h"

typedef struct bt_dnn_library {
    BT_DNN_FUNCTIONS(BT_CU_DECLARE)
    bool is_there;
} bt_dnn_library;

enum { BT_DNN_DESCS = 32 };

/* Everything that the plan may name lives as long as it. */
typedef struct bt_dnn_plan {
    dnn_desc all[BT_DNN_DESCS];
    int n;
    dnn_desc plan;
    int64_t workspace; /* bytes */
} bt_dnn_plan;

/* The first engine, by what the library expects of them, that keeps to the precision, gives the same in each run and needs no
 * more than `most` bytes. device: a description in the place of the handle's device; NULL: the handle's. False: there is none;
 * then nothing is to be freed. */
bool bt_dnn_plan_new(const bt_dnn_library *dnn, dnn_handle handle, dnn_desc device, const bt_conv *what,
                     int64_t most, bt_dnn_plan *plan);
void bt_dnn_plan_free(const bt_dnn_library *dnn, bt_dnn_plan *plan);
/* In the handle's stream. */
bool bt_dnn_run(const bt_dnn_library *dnn, dnn_handle handle, const bt_dnn_plan *plan,
                const bt_conv_data *data);

#endif
