/* Where the weights of a cuDNN RNN lie in its one vector of parameters. Layers are counted with their directions: layer
 * 0 forward, layer 0 backward, layer 1 forward ... First come all weights, layer after layer: a matrix [units, width] a
 * gate for the input, one [units, hidden] a gate for the state, and with a projection one [hidden, units]. Then come all
 * biases: one [units] a gate for the input, one a gate for the state.
 *
 *     LSTM   gates i, f, g, o   c = f c + i g            h = o tanh(c)
 *     GRU    gates r, z, g      g = tanh(x W + b + r (h R + b'))   h = (1 - z) g + z h
 *     RNN    one                h = tanh or relu
 *
 * Running: cudnn_rnn.c. As plain ops: ../pass/cudnn_rnn.c. */
#ifndef BT_CUDNN_H
#define BT_CUDNN_H

#include "ops/op.h"

typedef enum bt_cudnn_mode { BT_CUDNN_RELU, BT_CUDNN_TANH, BT_CUDNN_LSTM, BT_CUDNN_GRU } bt_cudnn_mode;

typedef struct bt_cudnn {
    bt_cudnn_mode mode;
    int gates, directions;
    bool skip;     /* the input is added to the gates of layer 0 as it is: no matrices there */
    bool may_skip; /* so it is where input and units agree */
    bool projected;
    int64_t proj;                 /* attribute num_proj */
    int64_t layers;               /* directions counted */
    int64_t input, units, hidden; /* hidden: numbers of a state, units or what it is projected to */
    int64_t weights, total;       /* numbers in all weights, and in all */
} bt_cudnn;

/* From the attributes; sizes are left 0. */
berth_status bt_cudnn_parse(const bt_node *node, bt_cudnn *r, berth_error *error);
/* Sets the sizes; layers without directions. False when they cannot be, or overflow. */
bool bt_cudnn_size(bt_cudnn *r, int64_t layers, int64_t units, int64_t input);
/* Numbers of an element of what the layer is given. */
int64_t bt_cudnn_width(const bt_cudnn *r, int64_t layer);
/* Weights and biases of one layer. */
int bt_cudnn_n_weights(const bt_cudnn *r);
int bt_cudnn_n_biases(const bt_cudnn *r);
/* Where weight `index` of a layer begins, a matrix of *rows by *cols (0 by 0 where skipped). */
int64_t bt_cudnn_weight(const bt_cudnn *r, int64_t layer, int index, int64_t *rows, int64_t *cols);
/* Where bias `index` of a layer begins. */
int64_t bt_cudnn_bias(const bt_cudnn *r, int64_t layer, int index);
/* From the shapes of input, input_h and input_c of a CudnnRNN node; false where they do not tell. */
bool bt_cudnn_of_shapes(bt_cudnn *r, const bt_shape *input, const bt_shape *h, const bt_shape *c,
                        bool time_major);

#endif
