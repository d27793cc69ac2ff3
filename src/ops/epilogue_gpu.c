/* Arguments of what follows a product or convolution in a device's kernel; see epilogue_gpu.h. */
#include "ops/epilogue_gpu.h"

_Static_assert(BT_VEC_LEAKY_RELU == 4 && BT_VEC_SIGMOID == 9 && BT_VEC_SWISH == 13 && BT_VEC_GELU_TANH == 18,
               "epilogue.cl");

bt_epilogue_kinds bt_epilogue_kinds_of(const bt_epilogue *e, bool add)
{
    return (bt_epilogue_kinds){.activation = e->activation == BT_VEC_COPY ? 0 : e->activation,
                               .scale = e->scale >= 0,
                               .bias = e->bias >= 0,
                               .norm = e->norm >= 0,
                               .add = add};
}

void bt_epilogue_args(const bt_call *c, const bt_epilogue *e, const void *add, const void *nothing,
                      bt_arg args[BT_EPILOGUE_ARGS])
{
    bt_arg *at = args;
    *at++ = bt_pointer(bt_input_or(c, e->scale, nothing));
    *at++ = bt_pointer(bt_input_or(c, e->bias, nothing));
    for (int i = 0; i < 4; i++) *at++ = bt_pointer(bt_input_or(c, e->norm < 0 ? -1 : e->norm + i, nothing));
    *at++ = bt_pointer(add ? add : nothing);
    *at++ = bt_float(e->low);
    *at++ = bt_float(e->high);
    *at++ = bt_float(e->alpha);
    *at++ = bt_float(e->epsilon);
}
