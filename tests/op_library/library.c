/* Libraries of ops that must be refused, and one that does everything an op may do; built once for each KIND. */
#include <berth.h>
#include <string.h>

#if KIND == 1 /* built with another version of the interface */
const berth_op_library berth_ops = {BERTH_OP_INTERFACE + 1, NULL, 0};

#elif KIND == 2 /* its second op has the name of one of TensorFlow's */
static berth_status run(berth_op_call *call) { return berth_op_fail(call, "never runs"); }
static const berth_op ops[] = {{.name = "FirstOfTwo", .run = run}, {.name = "Add", .run = run}};
const berth_op_library berth_ops = {BERTH_OP_INTERFACE, ops, 2};

#elif KIND == 3 /* no library of ops */
int nothing;

#else
/* Repeats a string as often as the attribute or, where there is none, input 1 says; a second output has the lengths. */
static int64_t times(const berth_op_call *call)
{
    int64_t n = -1;
    return berth_op_input_ints(call, 1, &n, 1) == 1 ? berth_op_int(call, "times", n) : -1;
}

static berth_status infer_repeat(berth_op_call *call)
{
    int64_t n = times(call);
    if (berth_op_input_count(call) != 2)
        return berth_op_fail(call, "has %d inputs, not 2", berth_op_input_count(call));
    berth_status status = berth_op_set_output(call, 0, BERTH_STRING, 1, &n);
    return status ? status : berth_op_set_output(call, 1, BERTH_INT64, 1, &n);
}

static berth_status run_repeat(berth_op_call *call)
{
    int64_t n = times(call);
    size_t bytes;
    const char *text = berth_op_input_string(call, 0, 0, &bytes);
    if (n < 0 || !text) return berth_op_fail(call, "cannot repeat %lld times", (long long)n);
    if (!berth_op_output(call, 0, BERTH_STRING, 1, &n)) return berth_op_status(call);
    int64_t *lengths = berth_op_output(call, 1, BERTH_INT64, 1, &n);
    if (!lengths) return berth_op_status(call);
    char *twice = berth_op_scratch(call, 2 * bytes + 1);
    if (!twice) return berth_op_status(call);
    memcpy(twice, text, bytes), memcpy(twice + bytes, text, bytes);
    for (int64_t i = 0; i < n; i++) {
        lengths[i] = (int64_t)(2 * bytes);
        if (berth_op_set_string(call, 0, i, twice, 2 * bytes)) return berth_op_status(call);
    }
    return BERTH_OK;
}

static berth_status run_forgetful(berth_op_call *call) { return (void)call, BERTH_OK; }

static berth_status run_wild(berth_op_call *call)
{
    const int64_t dims[] = {-5};
    return berth_op_output(call, 0, BERTH_FLOAT, 1, dims) ? BERTH_OK : berth_op_status(call);
}

static const berth_op ops[] = {
    {.name = "Repeat", .outputs = "text,lengths", .infer = infer_repeat, .run = run_repeat},
    {.name = "Forgetful", .run = run_forgetful},
    {.name = "Wild", .run = run_wild},
};
const berth_op_library berth_ops = {BERTH_OP_INTERFACE, ops, sizeof ops / sizeof *ops};
#endif
