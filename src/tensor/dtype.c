/* Element types: one table, by TensorFlow's numbers. */
#include "tensor/tensor.h"

enum { FLOAT_KIND = 1, INT_KIND = 2, COMPLEX_KIND = 4, OBJECT_KIND = 8, OTHER_KIND = 16 };

static const struct {
    const char *name, *constant; /* "float32", "FLOAT" of DT_FLOAT */
    uint8_t bytes, kind;
} table[] = {
    [BERTH_FLOAT] = {"float32", "FLOAT", 4, FLOAT_KIND},
    [BERTH_DOUBLE] = {"float64", "DOUBLE", 8, FLOAT_KIND},
    [BERTH_INT32] = {"int32", "INT32", 4, INT_KIND},
    [BERTH_UINT8] = {"uint8", "UINT8", 1, INT_KIND},
    [BERTH_INT16] = {"int16", "INT16", 2, INT_KIND},
    [BERTH_INT8] = {"int8", "INT8", 1, INT_KIND},
    [BERTH_STRING] = {"string", "STRING", sizeof(bt_string), OBJECT_KIND},
    [BERTH_COMPLEX64] = {"complex64", "COMPLEX64", 8, COMPLEX_KIND},
    [BERTH_INT64] = {"int64", "INT64", 8, INT_KIND},
    [BERTH_BOOL] = {"bool", "BOOL", 1, OTHER_KIND},
    [BERTH_QINT8] = {"qint8", "QINT8", 1, OTHER_KIND},
    [BERTH_QUINT8] = {"quint8", "QUINT8", 1, OTHER_KIND},
    [BERTH_QINT32] = {"qint32", "QINT32", 4, OTHER_KIND},
    [BERTH_BFLOAT16] = {"bfloat16", "BFLOAT16", 2, FLOAT_KIND},
    [BERTH_QINT16] = {"qint16", "QINT16", 2, OTHER_KIND},
    [BERTH_QUINT16] = {"quint16", "QUINT16", 2, OTHER_KIND},
    [BERTH_UINT16] = {"uint16", "UINT16", 2, INT_KIND},
    [BERTH_COMPLEX128] = {"complex128", "COMPLEX128", 16, COMPLEX_KIND},
    [BERTH_HALF] = {"float16", "HALF", 2, FLOAT_KIND},
    [BERTH_RESOURCE] = {"resource", "RESOURCE", sizeof(bt_object *), OBJECT_KIND},
    [BERTH_VARIANT] = {"variant", "VARIANT", sizeof(bt_object *), OBJECT_KIND},
    [BERTH_UINT32] = {"uint32", "UINT32", 4, INT_KIND},
    [BERTH_UINT64] = {"uint64", "UINT64", 8, INT_KIND},
};
enum { TABLE_SIZE = sizeof table / sizeof table[0] };

bool bt_dtype_valid(int number) { return number > 0 && number < TABLE_SIZE; }

static int kind_of(berth_dtype dtype) { return bt_dtype_valid((int)dtype) ? table[dtype].kind : 0; }

size_t bt_dtype_size(berth_dtype dtype) { return bt_dtype_valid((int)dtype) ? table[dtype].bytes : 0; }
const char *bt_dtype_name(berth_dtype dtype)
{
    return bt_dtype_valid((int)dtype) ? table[dtype].name : "unknown";
}
bool bt_dtype_is_object(berth_dtype dtype) { return kind_of(dtype) == OBJECT_KIND; }
bool bt_dtype_is_float(berth_dtype dtype) { return kind_of(dtype) == FLOAT_KIND; }
bool bt_dtype_is_int(berth_dtype dtype) { return kind_of(dtype) == INT_KIND; }
bool bt_dtype_is_complex(berth_dtype dtype) { return kind_of(dtype) == COMPLEX_KIND; }

berth_dtype bt_dtype_named(bt_str name)
{
    static const struct {
        const char *name;
        berth_dtype dtype;
    } also[] = {{"half", BERTH_HALF}, {"float", BERTH_FLOAT}, {"double", BERTH_DOUBLE}};
    bool constant = name.n > 3 && memcmp(name.p, "DT_", 3) == 0;
    bt_str rest = constant ? (bt_str){name.p + 3, name.n - 3} : name;
    for (int i = 1; i < TABLE_SIZE; i++)
        if (bt_str_is(rest, constant ? table[i].constant : table[i].name)) return (berth_dtype)i;
    for (size_t i = 0; !constant && i < sizeof also / sizeof also[0]; i++)
        if (bt_str_is(name, also[i].name)) return also[i].dtype;
    return BERTH_NO_DTYPE;
}
