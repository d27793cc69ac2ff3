/* The list of all ops: a name stands in it once, and can be found. */
#include "ops/op.h"

#include "../../tests/check.h"

int main(void)
{
    const char *family;
    size_t n = 0;
    for (const bt_op *op; (op = bt_op_at(n, &family)); n++) {
        if (!CHECK(bt_op_find(op->name) == op)) printf("    %s stands twice\n", op->name);
        CHECK(op->infer);
        bool nests = *op->name == '_' || !op->types || !op->gpu || !(op->gpu_types & ~op->types); /* a device takes nothing that the CPU refuses */
        if (!CHECK(nests)) printf("    %s: types\n", op->name);
    }
    CHECK(n > 600);
    CHECK(!bt_op_find("NoSuchOp"));
    return check_done();
}
