/* The dialect of device kernels: one source for OpenCL C, NVRTC and a plain C compiler. dialect.cl, which says it to all
 * three, is put in front of every .cl file.
 *
 *     KERNEL void relu(GLOBAL const T *x, GLOBAL T *y, I64 n)
 *     {
 *         EACH(0, i, n) STORE(y, i, LOAD(x, i) > 0 ? LOAD(x, i) : 0);
 *     }
 *
 * Types: "-DDT=f32" makes T how an element is stored, A what it is computed in (float for f16 and bf16, the type itself for
 * the others), LOAD and STORE what goes between them, and ROUND(v) what v is after a STORE; Sum is what many are added up
 * in (integers: 64 bits), LOWEST and HIGHEST end the finite range. DT1 does the same for T1, A1, LOAD1 and STORE1. The names are
 * bf16, f16 ... f64, i8 ... u64, b8, and c64 and c128, structs of re and im (bt_gpu_type). STORE rounds to nearest even.
 * "#if IS_INT(DT)", IS_FLOAT, IS_COMPLEX tell kinds apart. Where HAS_F64 is not defined there is no double.
 * A kernel opens with "KERNEL void " at the start of a line: where a program is made for one alone, the others become OTHER.
 * Places: KERNEL, DEVFN (a function), GLOBAL, LOCAL (shared by a group), RESTRICT, BARRIER (all of a group must reach it), FENCE (the same
 * where they share global memory too).
 * Indices: GID(d) and GSZ(d), this work item and how many there are; LID and LSZ, in its group; WGID and NWG, the group.
 * EACH(d, i, n) loops over this item's part of [0, n) in dimension d, whatever the grid is: items lie side by side on a GPU,
 * and each has a piece of its own where CPU_SHAPED is defined.
 * A launch may have fewer groups in dimensions 1 and 2 than its grid says (CUDA: 65535 at most), so kernels loop there.
 * CLAIM(p): makes *p, a U32 that was 0, 1, and says whether it was this item that did.
 * SWAP(p, v): puts v in the place of *p, a U32, and gives what stood there.
 * COUNT(p): adds 1 to *p, a U32 that other items count in as well.
 * FAULT(a, b, c), in a kernel whose last arguments are FAULT_ARGS: the step fails, with a text of three numbers (bt_gpu_fault).
 * Integers: int has 32 bits; I64, U64, U32, U16. M_INF, M_NAN; the maths functions have their C names in all three. */
#ifndef BT_DIALECT_H
#define BT_DIALECT_H

#include "base/str.h"

/* The sources that the build made strings. */
#define BT_CL(x) bt_cl_##x
#define BT_CL_DECLARE(x) extern const char bt_cl_##x[]

BT_CL_DECLARE(dialect);

/* The first line of a compiler's log that tells an error; without one, its first line. */
static inline bt_str bt_error_line(const char *log)
{
    const char *line = strstr(log, "error");
    while (line && line > log && line[-1] != '\n') line--;
    if (!line) line = log;
    return (bt_str){line, strcspn(line, "\n")};
}

#endif
