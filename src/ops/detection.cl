/* Non-maximum suppression: a group takes the boxes of a list one after another. MATRIX: how much two boxes overlap is given,
 * and not to be computed. Who calls: detection.c. */

#include "order_key.cl"

#define MOST_ITEMS 256 /* of a group; a power of two */

/* Lists are those of the classes of images: boxes [images, n, columns, 4], columns: classes or 1; scores [images, n, classes]. */
typedef struct lists {
    I64 n, classes, columns, most; /* most: boxes taken from a list */
    float overlap, score, soft;    /* soft: -0.5 / sigma, or 0 */
} lists;

#define SCORE(list, i) (float)LOAD(scores, ((list) / by.classes * by.n + (i)) * by.classes + (list) % by.classes)

#ifdef MATRIX
#define BOX(name) int name
#define READ_BOX(box, list, i) box = i
#define TILE_BOX(box, at) box = tile[at]
#define OVERLAP(a, b) (float)LOAD(boxes, (I64)(a)*by.n + (b))
#define TILE int tile[MOST_ITEMS]
#else
#define BOX(name) Box name
#define READ_BOX(box, list, i) box = box_of(boxes, by, list, i)
#define TILE_BOX(box, at) box = tile[at]
#define OVERLAP(a, b) overlap_of(&(a), &(b))
#define TILE Box tile[MOST_ITEMS]
typedef struct Box {
    float top, left, end, right, area;
} Box;

DEVFN Box box_of(GLOBAL const T *boxes, lists by, I64 list, I64 i)
{
    const I64 row = (list / by.classes * by.n + i) * by.columns + (by.columns > 1 ? list % by.classes : 0);
    const float a = (float)LOAD(boxes, 4 * row), b = (float)LOAD(boxes, 4 * row + 1), c = (float)LOAD(boxes, 4 * row + 2),
                d = (float)LOAD(boxes, 4 * row + 3);
    Box box;
    box.top = fmin(a, c), box.left = fmin(b, d), box.end = fmax(a, c), box.right = fmax(b, d);
    box.area = (box.end - box.top) * (box.right - box.left);
    return box;
}

DEVFN float overlap_of(const Box *a, const Box *b)
{
    if (a->area <= 0 || b->area <= 0) return 0;
    const float h = fmax(fmin(a->end, b->end) - fmax(a->top, b->top), 0.0f);
    const float w = fmax(fmin(a->right, b->right) - fmax(a->left, b->left), 0.0f);
    return h * w / (a->area + b->area - h * w);
}
#endif

/* Rows of `size` keys, those of lists from `first` on; 0 for what is no candidate. */
KERNEL void candidates(GLOBAL const T *scores, GLOBAL U64 *keys, GLOBAL int *places, lists by, I64 first, I64 count, I64 size)
{
    EACH(0, k, count * size)
    {
        const I64 i = k % size, list = first + k / size;
        const float score = i < by.n ? SCORE(list, i) : 0;
        keys[k] = i < by.n && score > by.score ? key_of((A)score) : 0;
        places[k] = (int)i;
    }
}

/* From sorted keys: a tile of as many boxes as the group has items is held against what is taken, and then against those of
 * its own that are, one after the other. */
KERNEL void suppress(GLOBAL const T *boxes, GLOBAL const T *scores, GLOBAL const U64 *keys, GLOBAL const int *places,
                     GLOBAL int *taken, GLOBAL float *taken_scores, GLOBAL int *counts, lists by, I64 first, I64 count, I64 size)
{
    LOCAL TILE;
    LOCAL int place[MOST_ITEMS];
    LOCAL int is_alive[MOST_ITEMS];
    for (I64 row = WGID(0); row < count; row += NWG(0)) {
        const I64 list = first + row;
        GLOBAL int *own = taken + list * by.most;
        int n = 0;
        for (I64 at = 0; at < by.n && n < by.most && keys[row * size + at] != 0; at += LSZ(0)) {
            const I64 mine = at + LID(0);
            int alive = mine < by.n && keys[row * size + mine] != 0;
            const int index = alive ? places[row * size + mine] : 0;
            BOX(box);
            READ_BOX(box, list, index);
            for (int j = 0; j < n && alive; j++) {
                BOX(other);
                READ_BOX(other, list, own[j]);
                if (OVERLAP(box, other) > by.overlap) alive = 0;
            }
            tile[LID(0)] = box, place[LID(0)] = index, is_alive[LID(0)] = alive;
            BARRIER;
            for (int j = 0; j < LSZ(0) && n < by.most; j++)
                if (is_alive[j]) {
                    if (LID(0) == 0) own[n] = place[j], taken_scores[list * by.most + n] = SCORE(list, place[j]);
                    n++;
                    if (LID(0) > j && is_alive[LID(0)]) {
                        BOX(other);
                        TILE_BOX(other, j);
                        if (OVERLAP(box, other) > by.overlap) is_alive[LID(0)] = 0;
                    }
                    BARRIER;
                }
            FENCE;
        }
        if (LID(0) == 0) counts[list] = n;
    }
}

/* Softly, from one list: each box that is taken lowers the scores of the others. An item keeps the live ones of its share at
 * LID, LID + LSZ, ... */
KERNEL void suppress_softly(GLOBAL const T *boxes, GLOBAL const T *scores, GLOBAL float *live, GLOBAL int *places,
                            GLOBAL int *taken, GLOBAL float *taken_scores, GLOBAL int *counts, lists by)
{
    LOCAL float best[MOST_ITEMS];
    LOCAL int best_place[MOST_ITEMS];
    const int step = LSZ(0);
    I64 n_live = 0;
    int n = 0, last = -1, goes_on = WGID(0) == 0;
    for (I64 i = LID(0); i < by.n && goes_on; i += step) {
        const float score = SCORE(0, i);
        if (score > by.score) live[n_live * step + LID(0)] = score, places[n_live++ * step + LID(0)] = (int)i;
    }
    while (goes_on && n < by.most) {
        float top = -M_INF;
        int top_place = -1;
        I64 kept = 0;
        BOX(box);
        READ_BOX(box, 0, last < 0 ? 0 : last);
        for (I64 k = 0; k < n_live; k++) {
            float score = live[k * step + LID(0)];
            const int place = places[k * step + LID(0)];
            if (place == last) continue;
            if (last >= 0) {
                BOX(other);
                READ_BOX(other, 0, place);
                const float overlap = OVERLAP(other, box);
                score *= (float)exp(by.soft * overlap * overlap);
            }
            if (!(score > by.score)) continue;
            live[kept * step + LID(0)] = score, places[kept++ * step + LID(0)] = place;
            if (top_place < 0 || score > top || (score == top && place < top_place)) top = score, top_place = place;
        }
        n_live = kept;
        best[LID(0)] = top, best_place[LID(0)] = top_place;
        BARRIER;
        for (int half_ = step / 2; half_ > 0; half_ /= 2) {
            const int other = LID(0) + half_;
            if (LID(0) < half_ && best_place[other] >= 0 &&
                (best_place[LID(0)] < 0 || best[other] > best[LID(0)] ||
                 (best[other] == best[LID(0)] && best_place[other] < best_place[LID(0)])))
                best[LID(0)] = best[other], best_place[LID(0)] = best_place[other];
            BARRIER;
        }
        last = best_place[0];
        if (last >= 0 && LID(0) == 0) taken[n] = last, taken_scores[n] = best[0];
        n += last >= 0;
        goes_on = last >= 0;
        BARRIER;
    }
    if (GID(0) == 0) counts[0] = n;
}

/* What was taken of one list, and zeros behind it. */
KERNEL void put_list(GLOBAL const int *taken, GLOBAL const float *taken_scores, GLOBAL const int *counts, GLOBAL int *out,
                     GLOBAL T *out_scores, I64 n, int with_scores)
{
    EACH(0, i, n)
    {
        out[i] = i < counts[0] ? taken[i] : 0;
        if (with_scores) STORE(out_scores, i, i < counts[0] ? (A)taken_scores[i] : (A)0);
    }
}

/* What was taken of all classes of images from `first` on, as rows of `size` keys; a place is that in [classes, most]. */
KERNEL void gather_classes(GLOBAL const float *taken_scores, GLOBAL const int *counts, GLOBAL U64 *keys, GLOBAL int *places,
                           lists by, I64 first, I64 images, I64 size)
{
    EACH(0, k, images * size)
    {
        const I64 i = k % size, list = (first + k / size) * by.classes + i / by.most;
        const int is_there = i < by.classes * by.most && i % by.most < counts[list];
        keys[k] = is_there ? key_of((A)taken_scores[list * by.most + i % by.most]) : 0;
        places[k] = (int)i;
    }
}

/* The first `length` of each image. */
KERNEL void put_images(GLOBAL const T *boxes, GLOBAL const U64 *keys, GLOBAL const int *places, GLOBAL const int *taken,
                       GLOBAL const float *taken_scores, GLOBAL float *out_boxes, GLOBAL float *out_scores,
                       GLOBAL float *out_classes, GLOBAL int *valid, lists by, I64 first, I64 images, I64 length, I64 size, int clip)
{
    EACH(0, k, images * length)
    {
        const I64 row = k / length * size, i = k % length, image = first + k / length, at = image * length + i;
        const int is_there = i < size && keys[row + i] != 0;
        const I64 place = is_there ? places[row + i] : 0, class_ = place / by.most;
        const I64 from = (image * by.classes + class_) * by.most + place % by.most;
        const I64 box = is_there ? (image * by.n + taken[from]) * by.columns + (by.columns > 1 ? class_ : 0) : 0;
        out_scores[at] = is_there ? taken_scores[from] : 0;
        out_classes[at] = is_there ? (float)class_ : 0;
        for (int j = 0; j < 4; j++) {
            const float v = is_there ? (float)LOAD(boxes, 4 * box + j) : 0;
            out_boxes[4 * at + j] = clip ? fmax(fmin(v, 1.0f), 0.0f) : v;
        }
        if (is_there && (i == length - 1 || i == size - 1 || keys[row + i + 1] == 0)) valid[image] = (int)i + 1;
    }
}
