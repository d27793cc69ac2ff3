/* The table of all ops: looked up by name through a hash that is filled once, and to which custom.c adds. */
#include "ops/op.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define OPS(family) extern const bt_op bt_ops_##family[];
#include "ops/ops.def"
#undef OPS

static const bt_op *const families[] = {
#define OPS(family) bt_ops_##family,
#include "ops/ops.def"
#undef OPS
    NULL,
};

static const char *const family_names[] = {
#define OPS(family) #family,
#include "ops/ops.def"
#undef OPS
};

/* A power of two well above the number of ops. */
enum { TABLE_SIZE = 4096 };
static const bt_op *_Atomic table[TABLE_SIZE];
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static const bt_op *_Atomic *table_slot(const char *name)
{
    size_t i = bt_hash(name, strlen(name)) & (TABLE_SIZE - 1);
    for (const bt_op *op; (op = atomic_load(&table[i])) && strcmp(op->name, name);) i = (i + 1) & (TABLE_SIZE - 1);
    return &table[i];
}

static void fill_table(void)
{
    for (size_t f = 0; families[f]; f++)
        for (const bt_op *op = families[f]; op->name; op++) atomic_store(table_slot(op->name), op);
}

const bt_op *bt_op_find(const char *name)
{
    pthread_once(&table_once, fill_table);
    return atomic_load(table_slot(name));
}

bool bt_op_add(const bt_op *op)
{
    static _Atomic int n_added;
    const bt_op *none = NULL;
    pthread_once(&table_once, fill_table);
    if (atomic_fetch_add(&n_added, 1) >= TABLE_SIZE / 4) return false;
    /* Another thread may take the slot first: then the search goes on from there. */
    for (;; none = NULL) {
        const bt_op *_Atomic *slot = table_slot(op->name);
        if (atomic_compare_exchange_strong(slot, &none, op)) return true;
        if (!strcmp(none->name, op->name)) return false;
    }
}

const bt_op *bt_op_at(size_t index, const char **family)
{
    for (size_t f = 0; families[f]; f++)
        for (const bt_op *op = families[f]; op->name; op++)
            if (index-- == 0) return *family = family_names[f], op;
    return NULL;
}

/* Elements of one output argument: `spec` is "name" or "name*attr". */
static int argument_count(const bt_node *node, bt_str spec, bt_str *name)
{
    const char *star = memchr(spec.p, '*', spec.n);
    *name = star ? (bt_str){spec.p, (size_t)(star - spec.p)} : spec;
    if (!star) return 1;
    char attr[64];
    size_t n = (size_t)(spec.p + spec.n - star - 1);
    if (n >= sizeof attr) return 0;
    memcpy(attr, star + 1, n), attr[n] = '\0';
    int listed = bt_attr_list(node, attr, NULL);
    int64_t count = listed >= 0 ? listed : bt_attr_int(node, attr, 0);
    return count < 0 || count > INT32_MAX ? 0 : (int)count;
}

/* Calls visit for each output argument until it returns false; gives the slots passed. */
static int walk_outputs(const bt_node *node, bt_str wanted, int *found)
{
    const char *p = node->def->outputs;
    int slot = 0;
    while (*p) {
        size_t n = strcspn(p, ",");
        bt_str name;
        int count = argument_count(node, (bt_str){p, n}, &name);
        if (wanted.p && bt_str_equal(name, wanted)) {
            *found = count;
            return slot;
        }
        slot += count;
        p += n + (p[n] == ',');
    }
    return slot;
}

int bt_node_outputs(const bt_node *node)
{
    return node->def->outputs ? walk_outputs(node, (bt_str){NULL, 0}, NULL) : 1;
}

int bt_node_output_slot(const bt_node *node, bt_str arg, int64_t index)
{
    if (!node->def->outputs) return index == 0 ? 0 : -1;
    int count = 0;
    int slot = walk_outputs(node, arg, &count);
    return index >= 0 && index < count ? slot + (int)index : -1;
}

bool bt_node_output_arg(const bt_node *node, int slot, bt_str *arg, int *index)
{
    const char *p = node->def->outputs;
    *index = slot;
    if (!p) return *arg = bt_str_of(bt_op_only_output(node->op)), slot == 0;
    while (*p && *index >= 0) {
        size_t n = strcspn(p, ",");
        int count = argument_count(node, (bt_str){p, n}, arg);
        if (*index < count) return true;
        *index -= count;
        p += n + (p[n] == ',');
    }
    return false;
}

void bt_ops_resolve(bt_graph *graph)
{
    for (size_t i = 0; i < graph->n_nodes; i++)
        if (!graph->nodes[i].def) graph->nodes[i].def = bt_op_find(graph->nodes[i].op);
}
