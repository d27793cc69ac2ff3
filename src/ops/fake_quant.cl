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
