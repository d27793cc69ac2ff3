/* Elements picked by index or by place: gathering, the best along an axis, images of another size. */

/* params [batch, outer, size, row], index [batch, picks] -> out [batch, outer, picks, row]; T is an unsigned integer of the
 * elements' size. */
#ifdef DT1
KERNEL void gather(GLOBAL const T *params, GLOBAL const T1 *index, GLOBAL T *out, I64 n, I64 outer, I64 size, I64 picks, I64 row,
                   FAULT_ARGS)
{
    EACH(1, r, n)
    {
        const I64 group = r / picks, place = group / outer * picks + r % picks, at = (I64)LOAD1(index, place);
        GLOBAL const T *from = params + (group * size + at) * row;
        if (at >= 0 && at < size) {
            EACH(0, i, row) out[r * row + i] = from[i];
        } else {
            EACH(0, i, row) out[r * row + i] = 0;
            FAULT(at, place, size);
        }
    }
}

#ifdef TREE
/* Sequences of a beam search, each followed from its last step back through the parents, [T, B, W]; behind its end is the token
 * `end`. T is i32. */
KERNEL void follow(GLOBAL const T *ids, GLOBAL const T *parents, GLOBAL const T *lengths, GLOBAL T *out, I64 steps, I64 batch,
                   I64 beams, int end, FAULT_ARGS)
{
    EACH(0, i, batch * beams)
    {
        const I64 stride = batch * beams, b = i / beams, length = lengths[b] < steps ? lengths[b] : steps;
        I64 from = i % beams;
        for (I64 t = 0; t < steps; t++) out[t * stride + i] = end;
        for (I64 t = length - 1; t >= 0; t--) {
            if (from < 0 || from >= beams) {
                FAULT(t + 1, b, from);
                break;
            }
            out[t * stride + i] = ids[t * stride + b * beams + from];
            from = parents[t * stride + b * beams + from];
        }
        int has_ended = 0;
        for (I64 t = 0; t < length; t++) {
            if (has_ended) out[t * stride + i] = end;
            has_ended |= out[t * stride + i] == end;
        }
    }
}
#endif

#ifdef ARG
/* x [outer, n, inner] -> index [outer, inner]: the first of the best, 0 where none is better than the worst finite value. */
KERNEL void arg_best(GLOBAL const T *x, GLOBAL T1 *index, I64 count, I64 n, I64 inner, int least)
{
    EACH(0, r, count)
    {
        const I64 base = r / inner * n * inner + r % inner;
        A best = least ? HIGHEST : LOWEST;
        I64 at = 0;
        for (I64 i = 0; i < n; i++) {
            const A v = LOAD(x, base + i * inner);
            if (least ? v < best : v > best) best = v, at = i;
        }
        STORE1(index, r, at);
    }
}
#endif
#endif

/* [n, h, w, channels] of another size; scale: from output to input pixels. */
typedef struct resize {
    I64 rows, h, w, out_h, out_w, channels, half_pixel, corners;
} resize;

#define BOUND(i, n) ((i) < 0 ? 0 : (i) >= (n) ? (n)-1 : (i))

#ifdef DT
KERNEL void nearest(GLOBAL const T *x, GLOBAL T *y, resize by, float down, float across)
{
    EACH(0, pixel, by.rows * by.out_w)
    {
        const float i = (float)(pixel / by.out_w % by.out_h), j = (float)(pixel % by.out_w);
        const float fi = (by.half_pixel ? i + 0.5f : i) * down, fj = (by.half_pixel ? j + 0.5f : j) * across;
        const I64 ai = (I64)(by.corners ? round(fi) : floor(fi)), aj = (I64)(by.corners ? round(fj) : floor(fj));
        const I64 image = pixel / (by.out_w * by.out_h) * by.h;
        GLOBAL const T *from = x + ((image + BOUND(ai, by.h)) * by.w + BOUND(aj, by.w)) * by.channels;
        for (I64 k = 0; k < by.channels; k++) y[pixel * by.channels + k] = from[k];
    }
}

KERNEL void bilinear(GLOBAL const T *x, GLOBAL float *y, resize by, float down, float across)
{
    EACH(0, pixel, by.rows * by.out_w)
    {
        const float i = (float)(pixel / by.out_w % by.out_h), j = (float)(pixel % by.out_w);
        const float fi = by.half_pixel ? (i + 0.5f) * down - 0.5f : i * down;
        const float fj = by.half_pixel ? (j + 0.5f) * across - 0.5f : j * across;
        const float part_i = fi - floor(fi), part_j = fj - floor(fj);
        const I64 i0 = BOUND((I64)floor(fi), by.h), i1 = BOUND((I64)ceil(fi), by.h);
        const I64 j0 = BOUND((I64)floor(fj), by.w), j1 = BOUND((I64)ceil(fj), by.w);
        GLOBAL const T *image = x + pixel / (by.out_w * by.out_h) * by.h * by.w * by.channels;
        for (I64 k = 0; k < by.channels; k++) {
            const float a = (float)LOAD(image, (i0 * by.w + j0) * by.channels + k);
            const float b = (float)LOAD(image, (i0 * by.w + j1) * by.channels + k);
            const float d = (float)LOAD(image, (i1 * by.w + j0) * by.channels + k);
            const float e = (float)LOAD(image, (i1 * by.w + j1) * by.channels + k);
            const float above = a + (b - a) * part_j, below = d + (e - d) * part_j;
            y[pixel * by.channels + k] = above + (below - above) * part_i;
        }
    }
}
#endif
