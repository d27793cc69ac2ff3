/* Fake quantisation: x to the nearest step of a range, per channel. Who calls: fake_quant.c, which has the formulas' reasons. */

/* min, max: a number each for the `channels` of the last dimension; most, least: the ends of the steps; divide: by the
 * scale, not times its inverse. */
KERNEL void fake(GLOBAL const float *in, GLOBAL const float *mins, GLOBAL const float *maxs, GLOBAL float *out, I64 n,
                 I64 channels, I64 divide, float given_min, float given_max, float least, float most)
{
    EACH(0, i, n)
    {
        const I64 channel = i % channels;
        const float low = mins ? mins[channel] : given_min, high = maxs ? maxs[channel] : given_max;
        const float scale = (high - low) / (most - least), divisor = divide ? scale : 1;
        const float inverse = divide ? 1 : (most - least) / (high - low);
        float zero = least - low / scale;
        zero = zero < least ? least : zero > most ? most : round(zero);
        const float min = (least - zero) * scale, max = (most - zero) * scale;
        const float start = floor(-min / divisor * inverse + 0.5f);
        float v = in[i] > max ? max : in[i];
        v = v < min ? min : v;
        out[i] = low == 0 && high == 0 ? 0 : floor((v - min) / divisor * inverse - start + 0.5f) * scale;
    }
}

/* ---- There and back ---- */

#ifdef DT
#define MOST_ITEMS 256 /* of a group; a power of two */

/* Elements of slice s: [outer, slices, inner]. */
#define PLACE(s, e) (((e) / inner * slices + (s)) * inner + (e) % inner)

/* The least and the most of each slice, in ranges [2][slices]: a group takes a slice. */
KERNEL void range_of(GLOBAL const T *in, GLOBAL T *ranges, I64 each, I64 slices, I64 inner)
{
    LOCAL A least[MOST_ITEMS];
    LOCAL A most[MOST_ITEMS];
    for (I64 s = WGID(0); s < slices; s += NWG(0)) {
        A low = each ? LOAD(in, PLACE(s, 0)) : (A)0, high = low;
        for (I64 e = LID(0); e < each; e += LSZ(0)) {
            const A v = LOAD(in, PLACE(s, e));
            low = low < v ? low : v, high = high > v ? high : v;
        }
        least[LID(0)] = low, most[LID(0)] = high;
        BARRIER;
        for (int half_ = LSZ(0) / 2; half_ > 0; half_ /= 2) {
            if (LID(0) < half_) {
                const A l = least[LID(0) + half_], h = most[LID(0) + half_];
                if (l < least[LID(0)]) least[LID(0)] = l;
                if (h > most[LID(0)]) most[LID(0)] = h;
            }
            BARRIER;
        }
        if (LID(0) == 0) STORE(ranges, s, least[0]), STORE(ranges, slices + s, most[0]);
        BARRIER;
    }
}

/* is_given: the ranges are the model's, which x may leave. */
KERNEL void there_and_back(GLOBAL const T *in, GLOBAL const T *lows, GLOBAL const T *highs, GLOBAL T *out, I64 n, I64 slices,
                           I64 inner, float given_low, float given_high, float least_, float most_, int is_given, int half_up,
                           FAULT_ARGS)
{
    const A least = (A)least_, most = (A)most_, widest = sizeof(A) == 8 ? (A)WIDEST : (A)HIGHEST_f32;
    EACH(0, i, n)
    {
        const I64 s = i / inner % slices;
        A low = lows ? LOAD(lows, s) : (A)given_low, high = highs ? LOAD(highs, s) : (A)given_high, scale, inverse;
        if (is_given && !(low <= high)) FAULT(s, 0, 0);
        const A from_low = least * low > 0 ? least / low : widest, from_high = most * high > 0 ? most / high : widest;
        if (from_low < from_high) {
            high = most * (low / least), scale = from_low, inverse = low / least;
        } else {
            low = least * (high / most), scale = from_high, inverse = high / most;
        }
        A v = LOAD(in, i);
        if (is_given) v = v > high ? high : v, v = v < low ? low : v;
        v *= scale;
        STORE(out, i, (half_up ? floor(v + (A)0.5) : rint(v)) * inverse);
    }
}
#endif
