/* The dialect of device kernels, put in front of every .cl file: one source for OpenCL C, NVRTC and a plain C compiler.
 *
 *     KERNEL void relu(GLOBAL const T *x, GLOBAL T *y, I64 n)
 *     {
 *         I64 i = GID(0);
 *         if (i < n) STORE(y, i, fmax(LOAD(x, i), (A)0));
 *     }
 *
 * T is how an element is stored, A what it is computed in (float for half, bfloat16 and float; the type itself for
 * integers), LOAD and STORE go between them. GID(d), GSZ(d): this work item and how many there are; LID, LSZ: in its group;
 * WGID, NWG: the group. LOCAL memory is shared by a group; BARRIER waits for all of it, and all must reach it. M_... are
 * the maths functions whose names differ. Integers: int is 32 bits, I64 64. */
