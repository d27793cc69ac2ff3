/* Winograd's method for a convolution. It takes 4 times the memory for weights, and reads all of it for each block of
 * tiles: so it is for images with enough tiles to each kilobyte of weights. */
#include "ops/conv_winograd.h"

#include <stdio.h>

#include "simd/simd.h"

bool bt_winograd_pays(const bt_windowing *w, const bt_sizes *s)
{
    enum { LEAST_CHANNELS = 32, MOST_WEIGHTS = 1 << 16, WEIGHTS_A_TILE = 1 << 12 };
    const int64_t *out = s->out, weights = s->in_c * s->out_c;
    bool fits = w->spatial == 2 && s->filter[1] == 3 && s->filter[2] == 3 && w->stride[1] == 1 &&
                w->stride[2] == 1 && w->dilation[1] == 1 && w->dilation[2] == 1;
    if (!fits || s->in_c < LEAST_CHANNELS || s->out_c < LEAST_CHANNELS || weights > MOST_WEIGHTS)
        return false;
    int64_t tiles = (out[1] + BT_WINOGRAD_TILE - 1) / BT_WINOGRAD_TILE *
                    ((out[2] + BT_WINOGRAD_TILE - 1) / BT_WINOGRAD_TILE);
    return out[1] > 0 && out[2] > 0 && tiles >= 12 && tiles * WEIGHTS_A_TILE >= weights;
}

typedef struct packing {
    const bt_sizes *s;
    const void *filter;
    const float *scale;
} packing;

static berth_status pack_filter(void *user, void *dst, berth_error *error)
{
    const packing *job = user;
    (void)error;
    bt_winograd_pack(&bt_simd_get()->gemm, dst, job->filter, job->s->in_c, job->s->out_c, job->scale);
    return BERTH_OK;
}

const float *bt_winograd_prepare(bt_prepare *p, int i, const bt_sizes *s, const float *scale)
{
    packing job = {s, p->in[i].value->data, scale};
    char layout[64];
    size_t bytes;
    if (!bt_winograd_bytes(&bt_simd_get()->gemm, s->in_c, s->out_c, &bytes))
        return bt_fail_memory(p->error), NULL;
    uint64_t hash = scale ? bt_hash(scale, (size_t)s->out_c * sizeof *scale) : 0;
    snprintf(layout, sizeof layout, "winograd %s scale=%llx", bt_simd_get()->name, (unsigned long long)hash);
    const float *u = bt_prepare_pack(p, p->in[i].value, layout, bytes, pack_filter, &job);
    if (u) p->consumed |= 1ull << i;
    return u;
}

typedef struct winograd_job {
    const bt_winograd *w;
    int64_t tiles, blocks, work_floats;
    float *work; /* for every worker */
} winograd_job;

static void run_blocks(void *user, int64_t begin, int64_t end, int worker)
{
    const winograd_job *job = user;
    for (int64_t i = begin; i < end; i++)
        bt_winograd_run(&bt_simd_get()->gemm, job->w, job->tiles * i / job->blocks,
                        job->tiles * (i + 1) / job->blocks, job->work + worker * job->work_floats);
}

berth_status bt_winograd_call(bt_call *c, const bt_winograd *w, int64_t batch)
{
    int64_t threads = bt_pool_threads(c->pool), block = bt_winograd_block(w);
    winograd_job job = {.w = w, .tiles = bt_winograd_tiles(w, batch)};
    job.blocks = (job.tiles + block - 1) / block;
    job.blocks = (job.blocks + threads - 1) / threads * threads; /* as many for each thread */
    if (job.blocks > job.tiles) job.blocks = job.tiles;
    job.work_floats = bt_winograd_work(&bt_simd_get()->gemm, w, job.tiles / job.blocks + 1);
    job.work = bt_scratch(c, (size_t)(job.work_floats * threads) * sizeof *job.work);
    if (!job.work) return BERTH_NO_MEMORY;
    bt_parallel(c->pool, job.blocks, 1, run_blocks, &job);
    return BERTH_OK;
}
