/* Writes docs/ops.md from the op records: `ops_page > docs/ops.md`. With a path, says instead whether that page is so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const bt_op *const *)a)->name, (*(const bt_op *const *)b)->name);
}

/* "float32 int32 ..."; names that stand for many where they are all there. */
static void put_types(bt_text *out, uint32_t types)
{
    static const struct {
        uint32_t set;
        const char *name;
    } sets[] = {{BT_NUMBERS, "numbers"},
                {BT_REALS, "reals"},
                {BT_FLOATS, "floats"},
                {BT_INTS, "integers"},
                {BT_COMPLEXES, "complex"}};
    const char *gap = "";
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if ((types & sets[i].set) != sets[i].set) continue;
        bt_text_print(out, "%s%s", gap, sets[i].name), gap = ", ";
        types &= ~sets[i].set;
    }
    for (int t = 1; t < 32; t++)
        if (types & BT_T(t)) bt_text_print(out, "%s%s", gap, bt_dtype_name((berth_dtype)t)), gap = ", ";
}

static void put_op(bt_text *out, const bt_op *op)
{
    bt_text_print(out, "| %s | ", op->name);
    if (op->types) put_types(out, op->types);
    bt_text_print(out, " | ");
    if (op->gpu)
        put_types(out, op->gpu_types
                           ? op->gpu_types
                           : BT_T(BERTH_HALF) | BT_T(BERTH_BFLOAT16) | BT_T(BERTH_FLOAT) | BT_T(BERTH_INT32));
    bt_text_print(out, " | %s%s |\n", op->flags & BT_OP_STATEFUL ? "has an effect or a state" : "",
                  op->gpu && op->gpu_refuses
                      ? (op->flags & BT_OP_STATEFUL ? "; not all attributes on a device"
                                                    : "not all attributes on a device")
                      : "");
}

static void put_family(bt_text *out, const char *family, const bt_op **ops, size_t n)
{
    if (!n) return;
    qsort(ops, n, sizeof *ops, by_name);
    bt_text_print(out, "\n## %s\n\n| op | types | on a device | |\n| --- | --- | --- | --- |\n", family);
    for (size_t i = 0; i < n; i++) put_op(out, ops[i]);
}

static void put_page(bt_text *out)
{
    enum { MOST = 512 };
    const bt_op *op, *of_family[MOST];
    const char *family, *last = NULL;
    size_t n = 0, all = 0, on_device = 0;
    for (size_t i = 0; (op = bt_op_at(i, &family)); i++)
        if (*op->name != '_') all++, on_device += op->gpu != NULL;
    bt_text_print(out,
                  "# Ops\n\n<!-- Made from the op records by tests/ops_page.c; do not edit. -->\n\n"
                  "berth has %zu of TensorFlow's ops, %zu of them with kernels for devices beside the CPU. A "
                  "section is a file of\n"
                  "`src/ops`.\n\n"
                  "*types*: what the op's type attribute may be; nothing stands where the op takes whatever "
                  "TensorFlow's CPU kernel\n"
                  "takes. *on a device*: the types of its kernels there; nothing: soft placement moves the "
                  "op to the CPU. `berth check`\n"
                  "says it for a model.\n",
                  all, on_device);
    for (size_t i = 0; (op = bt_op_at(i, &family)); i++) {
        if (last && strcmp(family, last)) put_family(out, last, of_family, n), n = 0;
        last = family;
        if (*op->name != '_' && n < MOST)
            of_family[n++] = op; /* those with a '_' are berth's own, made by passes */
    }
    if (last) put_family(out, last, of_family, n);
}

int main(int argc, char **argv)
{
    bt_text page = {0};
    put_page(&page);
    if (page.failed) return 1;
    if (argc < 2) return fwrite(page.p, 1, page.n, stdout) != page.n;
    FILE *file = fopen(argv[1], "rb");
    if (!file) return perror(argv[1]), 1;
    char *there = malloc(page.n + 2);
    size_t n = there ? fread(there, 1, page.n + 1, file) : 0;
    bool same = n == page.n && !memcmp(there, page.p, n);
    if (!same)
        printf("%s is not what the records say: write it anew with `ops_page > docs/ops.md`\n", argv[1]);
    fclose(file), free(there), bt_text_free(&page);
    return !same;
}
