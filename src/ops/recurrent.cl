/* What a step of a recurrent network does beside its products. Who calls: recurrent.c, which has the formulas of LSTMBlockCell,
 * BlockLSTM and GRUBlockCell; cudnn_gpu.c, whose cells cudnn.h has. */

DEVFN A sigmoid(A x) { return 1 / (1 + exp(-x)); }

/* ---- Cells as one op ---- */

/* places of i, ci, f, o in a row of gates */
typedef struct lstm {
    I64 batch, cells, i, ci, f, o, peep;
} lstm;

/* gates = from_x + from_h + bias, [batch][4 cells] */
KERNEL void lstm_cell(GLOBAL const T *from_x, GLOBAL const T *from_h, GLOBAL const T *bias, GLOBAL const T *prev,
                      GLOBAL const T *wci, GLOBAL const T *wcf, GLOBAL const T *wco, lstm by, float forget_bias, float clip,
                      GLOBAL T *i, GLOBAL T *cs, GLOBAL T *f, GLOBAL T *o, GLOBAL T *ci, GLOBAL T *co, GLOBAL T *h)
{
#define GATE(which)                                                                                       \
    (LOAD(from_x, row + (which) * by.cells + j) + LOAD(from_h, row + (which) * by.cells + j) +            \
     LOAD(bias, (which) * by.cells + j))
    EACH(0, at, by.batch * by.cells)
    {
        const I64 j = at % by.cells, row = at / by.cells * 4 * by.cells;
        const A before = LOAD(prev, at);
        const A in = sigmoid(GATE(by.i) + (by.peep ? before * LOAD(wci, j) : 0));
        const A forget = sigmoid(GATE(by.f) + forget_bias + (by.peep ? before * LOAD(wcf, j) : 0));
        const A fresh = tanh(GATE(by.ci));
        A cell = fresh * in + before * forget;
        if (clip > 0) cell = cell > clip ? clip : cell < -clip ? -clip : cell;
        const A out = sigmoid(GATE(by.o) + (by.peep ? cell * LOAD(wco, j) : 0)), seen = tanh(cell);
        STORE(i, at, in), STORE(f, at, forget), STORE(ci, at, fresh), STORE(cs, at, cell);
        STORE(o, at, out), STORE(co, at, seen), STORE(h, at, seen * out);
    }
#undef GATE
}

/* [r u] = sigmoid(from_x + from_h + bias), and reset = r h */
KERNEL void gru_gates(GLOBAL const T *from_x, GLOBAL const T *from_h, GLOBAL const T *bias, GLOBAL const T *h, GLOBAL T *r,
                      GLOBAL T *u, GLOBAL T *reset, I64 batch, I64 cells)
{
    EACH(0, at, batch * cells)
    {
        const I64 j = at % cells, row = at / cells * 2 * cells;
        const A first = sigmoid(LOAD(from_x, row + j) + LOAD(from_h, row + j) + LOAD(bias, j));
        const A second = sigmoid(LOAD(from_x, row + cells + j) + LOAD(from_h, row + cells + j) + LOAD(bias, cells + j));
        STORE(r, at, first), STORE(u, at, second), STORE(reset, at, first * LOAD(h, at));
    }
}

/* c = tanh(from_x + from_reset + bias); out = u h + (1 - u) c */
KERNEL void gru_cell(GLOBAL const T *from_x, GLOBAL const T *from_reset, GLOBAL const T *bias, GLOBAL const T *h,
                     GLOBAL const T *u, GLOBAL T *c, GLOBAL T *out, I64 batch, I64 cells)
{
    EACH(0, at, batch * cells)
    {
        const A fresh = tanh(LOAD(from_x, at) + LOAD(from_reset, at) + LOAD(bias, at % cells)), keep = LOAD(u, at);
        STORE(c, at, fresh), STORE(out, at, keep * LOAD(h, at) + (1 - keep) * fresh);
    }
}

/* ---- cuDNN's networks ---- */

enum { RELU, TANH, LSTM, GRU }; /* bt_cudnn_mode */

/* Step t of one layer and direction. Row of step t and sequence b: t row_t + b row_b, in gates [rows][gates units] and in y
 * [rows][y_row], which the layer fills from y_at on. bias: of the layer, the input's gates and then the state's. */
typedef struct rnn {
    I64 batch, units, hidden, gates, mode, t, row_t, row_b, y_row, y_at, has_lengths, projected;
} rnn;

/* state: [batch][hidden]; cells: [batch][units]; fresh: [batch][units], of a network that projects it. */
KERNEL void rnn_cell(GLOBAL const T *from_x, GLOBAL const T *from_h, GLOBAL const T *bias, GLOBAL const int *lengths,
                     GLOBAL T *state, GLOBAL float *cells, GLOBAL T *fresh, GLOBAL T *y, rnn by)
{
#define INPUT(gate) (LOAD(from_x, x + (gate) * by.units + j) + LOAD(bias, (gate) * by.units + j))
#define STATE(gate) (LOAD(from_h, h + (gate) * by.units + j) + LOAD(bias, (by.gates + (gate)) * by.units + j))
    EACH(0, at, by.batch * by.units)
    {
        const I64 j = at % by.units, b = at / by.units, row = by.t * by.row_t + b * by.row_b;
        const I64 x = row * by.gates * by.units, h = b * by.gates * by.units;
        if (by.has_lengths && by.t >= lengths[b]) {
            if (!by.projected) STORE(y, row * by.y_row + by.y_at + j, 0);
            continue;
        }
        A out;
        if (by.mode == LSTM) {
            const A in = sigmoid(INPUT(0) + STATE(0)), forget = sigmoid(INPUT(1) + STATE(1));
            const A cell = forget * cells[at] + in * tanh(INPUT(2) + STATE(2));
            cells[at] = cell;
            out = sigmoid(INPUT(3) + STATE(3)) * tanh(cell);
        } else if (by.mode == GRU) {
            const A reset = sigmoid(INPUT(0) + STATE(0)), keep = sigmoid(INPUT(1) + STATE(1));
            out = (1 - keep) * tanh(INPUT(2) + reset * STATE(2)) + keep * LOAD(state, at);
        } else {
            const A sum = INPUT(0) + STATE(0);
            out = by.mode == TANH ? tanh(sum) : sum < 0 ? 0 : sum;
        }
        if (by.projected) {
            STORE(fresh, at, out);
        } else {
            STORE(state, at, out);
            STORE(y, row * by.y_row + by.y_at + j, out);
        }
    }
}

/* What a projection made becomes the state and the output; rows that have ended keep theirs, and give zeros. */
KERNEL void rnn_settle(GLOBAL const T *projected, GLOBAL const int *lengths, GLOBAL T *state, GLOBAL T *y, rnn by)
{
    EACH(0, at, by.batch * by.hidden)
    {
        const I64 b = at / by.hidden, to = (by.t * by.row_t + b * by.row_b) * by.y_row + by.y_at + at % by.hidden;
        const int has_ended = by.has_lengths && by.t >= lengths[b];
        if (!has_ended) state[at] = projected[at];
        STORE(y, to, has_ended ? 0 : LOAD(projected, at));
    }
}

/* Cells of one layer from and to [..][n], rows `apart`. */
KERNEL void load_cells(GLOBAL const T *from, GLOBAL float *cells, I64 count, I64 n, I64 apart)
{
    EACH(0, i, count) cells[i] = LOAD(from, i / n * apart + i % n);
}
KERNEL void store_cells(GLOBAL const float *cells, GLOBAL T *to, I64 count, I64 n, I64 apart)
{
    EACH(0, i, count) STORE(to, i / n * apart + i % n, cells[i]);
}
