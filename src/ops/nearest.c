/* NearestNeighbors: for each point, the centers that are nearest to it, by squared distance. */
#include "ops/move.h"
#include "simd/simd.h"

#include <stdlib.h>

typedef struct center {
    float distance; /* half of what it lies farther than the point's own length */
    int64_t index;
} center;

typedef struct search {
    const float *points, *centers, *half; /* half: of the centers' squared lengths */
    int64_t dim, n, k;
    int64_t *index;
    float *distance;
    center *room; /* [workers, centers] where k is not 1 */
} search;

static int nearer(const void *a, const void *b)
{
    const center *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void search_points(void *user, int64_t from, int64_t to, int worker)
{
    const search *s = user;
    float (*dot)(const float *, const float *, int64_t) = bt_simd_get()->vec.dot;
    for (int64_t i = from; i < to; i++) {
        const float *p = s->points + i * s->dim;
        float half = 0.5f * dot(p, p, s->dim);
        center best = {0}, *all = s->k > 1 ? s->room + worker * s->n : &best;
        for (int64_t j = 0; j < s->n; j++) {
            center at = {s->half[j] - dot(p, s->centers + j * s->dim, s->dim), j};
            if (s->k > 1) all[j] = at;
            else if (j == 0 || at.distance < best.distance) best = at;
        }
        if (s->k > 1) qsort(all, (size_t)s->n, sizeof *all, nearer);
        for (int64_t j = 0; j < s->k; j++) {
            s->index[i * s->k + j] = all[j].index;
            s->distance[i * s->k + j] = 2 * (half + all[j].distance);
        }
    }
}

/* points [n, d], centers [m, d], k: indices and distances [n, min(k, m)]. */
static berth_status infer_nearest(bt_infer *x)
{
    berth_status status = bt_infer_arity(x, 3);
    if (status) return status;
    const bt_shape *points = &x->in[0].shape, *centers = &x->in[1].shape;
    if ((points->rank >= 0 && points->rank != 2) || (centers->rank >= 0 && centers->rank != 2) ||
        x->in[2].shape.rank > 0)
        return bt_infer_fail(x, "takes two matrices and a number");
    bt_shape out = BT_SHAPE(points->rank == 2 ? points->dim[0] : -1, -1);
    if (x->in[2].value && centers->rank == 2 && centers->dim[0] >= 0) {
        int64_t k = bt_tensor_int(x->in[2].value, 0);
        out.dim[1] = k < centers->dim[0] ? k : centers->dim[0];
        if (k < 0) return bt_infer_fail(x, "Expected k >= 0.");
    }
    x->out[0] = (bt_fact){BERTH_INT64, out, NULL};
    x->out[1] = (bt_fact){BERTH_FLOAT, out, NULL};
    return BERTH_OK;
}

static berth_status run_nearest(bt_call *c)
{
    bt_fact facts[2];
    const bt_tensor *points = c->in[0], *centers = c->in[1];
    berth_status status = bt_call_facts(c, facts);
    if (status) return status;
    if (points->dtype != BERTH_FLOAT || centers->dtype != BERTH_FLOAT || c->in[2]->dtype != BERTH_INT64)
        return bt_call_fail(c, "needs float32 points and centers, and int64 k");
    if (points->shape.dim[0] == 0) return bt_call_fail(c, "Expected points.rows() > 0.");
    if (points->shape.dim[1] != centers->shape.dim[1])
        return bt_call_fail(c, "points have %lld dimensions, and centers %lld",
                            (long long)points->shape.dim[1], (long long)centers->shape.dim[1]);
    search s = {.points = points->data,
                .centers = centers->data,
                .dim = points->shape.dim[1],
                .n = centers->shape.dim[0],
                .k = facts[0].shape.dim[1]};
    int64_t n = points->shape.dim[0];
    s.index = bt_out(c, 0, BERTH_INT64, &facts[0].shape);
    s.distance = s.index ? bt_out(c, 1, BERTH_FLOAT, &facts[1].shape) : NULL;
    if (!s.distance) return BERTH_NO_MEMORY;
    if (s.k == 0) return BERTH_OK;
    float *half = bt_scratch(c, (size_t)s.n * sizeof *half);
    if (s.k > 1) s.room = bt_scratch(c, (size_t)s.n * (size_t)bt_pool_threads(c->pool) * sizeof *s.room);
    if (!half || (s.k > 1 && !s.room)) return BERTH_NO_MEMORY;
    for (int64_t j = 0; j < s.n; j++)
        half[j] = 0.5f * bt_simd_get()->vec.dot(s.centers + j * s.dim, s.centers + j * s.dim, s.dim);
    s.half = half;
    bt_parallel(c->pool, n, 32768 / (s.n * (s.dim + 1)) + 1, search_points, &s);
    return BERTH_OK;
}

const bt_op bt_ops_nearest[] = {
    {"NearestNeighbors", infer_nearest, .cpu = run_nearest,
     .outputs = "nearest_center_indices,nearest_center_distances"},
    {NULL},
};
