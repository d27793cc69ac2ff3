/* Keras: cells of recurrent layers (keras_cell.c), and the loop that runs one over time (keras_rnn.c). */
#ifndef BT_KERAS_RNN_H
#define BT_KERAS_RNN_H

#include "format/keras_layers.h"

enum { BTK_MAX_STATES = 32, BTK_MAX_WEIGHTS = 64 };

/* A cell, ready to be stepped. Its weights are in two groups: those of the input, which can be applied to all
 * steps at once before the loop, and those of the loop. Inside a loop body both stand for what they are
 * there. */
typedef struct btk_cell {
    btk_call *call; /* of the layer that the cell is */
    int n_states;
    bt_shape state[BTK_MAX_STATES]; /* dim 0: the batch */
    btk_tensor input[4], loop[4];
    int n_input, n_loop;
    btk_window window;      /* of a ConvLSTM */
    struct btk_cell *cells; /* of StackedRNNCells */
    int n_cells;
    /* What all steps of x [..., features] need from the input. */
    btk_tensor (*project)(struct btk_cell *cell, btk_tensor x);
    /* One step: x as projected, states replaced; the output. */
    btk_tensor (*step)(struct btk_cell *cell, btk_tensor x, btk_tensor *states);
} btk_cell;

/* Declares the weights of the cell that the call is of (a cell's class, or a layer's: "LSTM" is its cell,
 * too). x: what it will be given, time taken away. */
void btk_cell_open(btk_call *c, btk_tensor x, btk_cell *cell);
/* The cell of an entry inside the layer that is called, as which member: btk_child. */
void btk_cell_child(btk_call *c, const bt_json *entry, const char *role, btk_tensor x, btk_cell *cell);

btk_tensor btk_time_step(btk_tensor x);  /* x[time, batch, ...] as [batch, ...]: the shape alone */
btk_tensor btk_pick_shape(btk_tensor x); /* x[batch, time, ...] as [batch, ...]: the shape alone */

#endif
