/* What TensorFlow's op definitions say of types: how many inputs a node has, and the type of each of them and of each output, by
 * its attributes. They are in signatures.def; ops of berth's own and of the user's have none. Who asks: ../pass/clone.c. */
#include <pthread.h>
#include <stdio.h>

#include "ops/op.h"

static const struct {
    const char *types, *ops;
} signatures[] = {
#define SIGNATURE(types, ops) {types, ops},
#include "ops/signatures.def"
#undef SIGNATURE
};

/* A power of two well above the number of ops. */
enum { TABLE_SIZE = 2048 };
static struct entry {
    bt_str op;
    const char *types;
} table[TABLE_SIZE];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static struct entry *table_slot(bt_str op)
{
    size_t i = bt_hash(op.p, op.n) & (TABLE_SIZE - 1);
    while (table[i].op.p && !bt_str_equal(table[i].op, op)) i = (i + 1) & (TABLE_SIZE - 1);
    return &table[i];
}

static void fill_table(void)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        for (const char *p = signatures[i].ops; *p; p += strcspn(p, " "), p += *p == ' ') {
            bt_str op = {p, strcspn(p, " ")};
            *table_slot(op) = (struct entry){op, signatures[i].types};
        }
}

/* NULL: there is none. */
static const char *types_of(const bt_node *node)
{
    pthread_once(&table_once, fill_table);
    return table_slot(bt_str_of(node->op))->types;
}

static const char *outputs_of(const char *types) { return types + strcspn(types, ">") + 1; }

/* An attribute of the name that is n bytes from p on; "" where it is too long to be one. */
static const char *attr_name(char name[64], const char *p, size_t n)
{
    snprintf(name, 64, "%.*s", n < 64 ? (int)n : 0, p);
    return name;
}

/* One argument, n bytes from p on: how many tensors it is, -1 where its attribute is missing; and the type of element k. */
static int64_t argument(const bt_node *node, const char *p, size_t n, int64_t k, berth_dtype *dtype)
{
    char name[64];
    const char *star = memchr(p, '*', n);
    int64_t count = 1;
    *dtype = BERTH_NO_DTYPE;
    if (star == p) {
        const bt_attr_value *list = NULL;
        count = bt_attr_list(node, attr_name(name, p + 1, n - 1), &list);
        if (k >= 0 && k < count) *dtype = list[k].type;
        return count;
    }
    if (star) {
        count = bt_attr_int(node, attr_name(name, p, (size_t)(star - p)), -1);
        if (count > INT32_MAX) count = -1;
        n -= (size_t)(star + 1 - p), p = star + 1;
    }
    if (*p == '.') *dtype = bt_dtype_named((bt_str){p + 1, n - 1});
    else *dtype = bt_attr_type(node, attr_name(name, p, n), BERTH_NO_DTYPE);
    return count;
}

/* The type of tensor i of the arguments from p on; behind them *n, where it is not NULL, is how many there are, -1: not known. */
static berth_dtype walk(const bt_node *node, const char *p, int64_t i, int64_t *n)
{
    berth_dtype dtype;
    int64_t at = 0;
    for (p += *p == ' '; *p && *p != '>'; p += strcspn(p, " "), p += *p == ' ') {
        int64_t count = argument(node, p, strcspn(p, " "), i - at, &dtype);
        if (count < 0 || at > INT32_MAX) return n ? *n = -1, BERTH_NO_DTYPE : BERTH_NO_DTYPE;
        if (!n && i < at + count) return dtype;
        at += count;
    }
    if (n) *n = at;
    return BERTH_NO_DTYPE;
}

int64_t bt_node_inputs(const bt_node *node)
{
    const char *types = types_of(node);
    int64_t n = -1;
    if (types) walk(node, types, 0, &n);
    return n;
}

berth_dtype bt_node_input_type(const bt_node *node, int i)
{
    const char *types = types_of(node);
    return types ? walk(node, types, i, NULL) : BERTH_NO_DTYPE;
}

berth_dtype bt_node_output_type(const bt_node *node, int slot)
{
    const char *types = types_of(node);
    if (!strcmp(node->op, "_Feed")) return bt_attr_type(node, "T", BERTH_NO_DTYPE);
    return types ? walk(node, outputs_of(types), slot, NULL) : BERTH_NO_DTYPE;
}
