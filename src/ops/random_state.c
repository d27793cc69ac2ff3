/* The state of tf.random.Generator: a variable of int64, counter (two words) and key, which these ops read and move on. The
 * numbers themselves are drawn by the ops with a key and a counter: random.c. */
#include "ops/philox.h"
#include "ops/variable.h"

enum { WORDS = 3, PHILOX = 1, AUTO = 3 };
enum { RESERVED = 256 }; /* blocks for each number that is asked for */

static berth_status move_on(bt_call *c, int64_t algorithm, uint64_t numbers, int64_t *before)
{
    bt_var *var = bt_var_input(c, 0);
    if (!var) return BERTH_BAD_INPUT;
    if (algorithm != PHILOX && algorithm != AUTO)
        return bt_call_unsupported(c, "algorithm %lld of random numbers", (long long)algorithm);
    berth_status status = bt_var_lock(c, var, BERTH_INT64);
    if (status) return status;
    int64_t *state = var->value.data;
    if (var->value.shape.rank != 1 || var->value.shape.dim[0] < WORDS) {
        status = bt_call_fail(c, "the state of a generator must be a list of at least %d numbers", WORDS);
    } else {
        memcpy(before, state, WORDS * sizeof *state);
        bt_philox p = bt_philox_of((uint64_t)state[2], (uint64_t)state[0], (uint64_t)state[1]);
        bt_philox_skip(&p, numbers * RESERVED);
        bt_philox_words after = bt_philox_words_of(&p);
        state[0] = after.counter_low, state[1] = after.counter_high;
    }
    pthread_mutex_unlock(&var->lock);
    return status;
}

berth_status bt_random_of_state(bt_call *c, uint64_t numbers, bt_philox *generator)
{
    int64_t before[WORDS];
    if (c->n_in < 3 || c->in[1]->dtype != BERTH_INT64 || c->in[1]->shape.rank != 0)
        return bt_call_fail(c, "needs a generator, an algorithm, an int64, and a shape");
    berth_status status = move_on(c, bt_tensor_int(c->in[1], 0), numbers, before);
    if (!status) *generator = bt_philox_of((uint64_t)before[2], (uint64_t)before[0], (uint64_t)before[1]);
    return status;
}

static bool is_scalar(const bt_call *c, int i, berth_dtype dtype)
{
    return i < c->n_in && c->in[i]->dtype == dtype && c->in[i]->shape.rank == 0;
}

/* The state as it was. */
static berth_status run_read_and_skip(bt_call *c)
{
    int64_t before[WORDS];
    if (!is_scalar(c, 1, BERTH_INT32) || !is_scalar(c, 2, BERTH_UINT64))
        return bt_call_fail(c, "needs an algorithm, an int32, and how many numbers, a uint64");
    berth_status status = move_on(c, bt_tensor_int(c->in[1], 0), *(const uint64_t *)c->in[2]->data, before);
    if (status) return status;
    bt_shape shape = BT_SHAPE(WORDS);
    int64_t *out = bt_out(c, 0, BERTH_INT64, &shape);
    if (!out) return BERTH_NO_MEMORY;
    memcpy(out, before, sizeof before);
    return BERTH_OK;
}

static berth_status run_skip(bt_call *c)
{
    int64_t before[WORDS];
    if (!is_scalar(c, 1, BERTH_INT64) || !is_scalar(c, 2, BERTH_INT64))
        return bt_call_fail(c, "needs an algorithm and how many numbers, int64 both");
    return move_on(c, bt_tensor_int(c->in[1], 0), (uint64_t)bt_tensor_int(c->in[2], 0), before);
}

static berth_status infer_state(bt_infer *x)
{
    x->out[0].dtype = BERTH_INT64;
    x->out[0].shape = BT_SHAPE(WORDS);
    return BERTH_OK;
}

const bt_op bt_ops_random_state[] = {
    {"RngReadAndSkip", infer_state, .cpu = run_read_and_skip, .flags = BT_OP_STATEFUL},
    {"RngSkip", bt_infer_none, .cpu = run_skip, .flags = BT_OP_STATEFUL, .outputs = ""},
    {0},
};
