/* Shares of a batch by measured speed. */
#include "session/shares.h"

void bt_shares_init(bt_shares *s, const bt_device *const *devices, int n)
{
    *s = (bt_shares){.n = n};
    for (int i = 0; i < n; i++) {
        s->share[i] = 1.0 / n;
        for (s->first[i] = 0; devices[s->first[i]]->physical != devices[i]->physical;) s->first[i]++;
    }
}

/* Whole rows in the proportion of the shares; what is left over goes, row by row, to who would be done with it first. */
static void divide(const double *share, int n, int64_t total, int64_t *rows)
{
    int64_t left = total;
    for (int i = 0; i < n; i++) left -= rows[i] = (int64_t)((double)total * share[i]);
    for (int i = 0; left < 0; i = (i + 1) % n) /* rounded up: a share that is all but all */
        if (rows[i] > 0) rows[i]--, left++;
    for (; left > 0; left--) {
        int best = 0;
        for (int i = 1; i < n; i++)
            if ((double)(rows[i] + 1) * share[best] < (double)(rows[best] + 1) * share[i]) best = i;
        rows[best]++;
    }
}

void bt_shares_divide(const bt_shares *s, int64_t total, int64_t *rows)
{
    divide(s->share, s->n, total, rows);
}

/* How long a batch divided so would take. */
static double duration(const bt_shares *s, const double *speed, const int64_t *rows)
{
    double longest = 0;
    for (int i = 0; i < s->n; i++)
        if ((double)rows[i] > longest * speed[i]) longest = (double)rows[i] / speed[i];
    return longest;
}

/* The speeds seen, made one for devices of the same hardware; false when one is not known yet. */
static bool mean_speeds(const bt_shares *s, double *speed)
{
    for (int i = 0; i < s->n; i++) {
        double sum = 0;
        int n = 0;
        for (int k = 0; k < s->n; k++)
            if (s->first[k] == s->first[i] && s->speed[k] > 0) sum += s->speed[k], n++;
        if (!n) return false;
        speed[i] = sum / n;
    }
    return true;
}

/* A division that would be a tenth faster takes the place of the one there is: smaller gains are not worth the memory for
 * parts of new sizes. */
void bt_shares_learn(bt_shares *s, int64_t total, const int64_t *rows, const int64_t *ns)
{
    double speed[BT_MAX_PLACES] = {0}, share[BT_MAX_PLACES] = {0}, sum = 0;
    int64_t before[BT_MAX_PLACES], after[BT_MAX_PLACES];
    for (int i = 0; i < s->n; i++) {
        if (!rows[i]) continue;
        double seen = (double)rows[i] / (double)(ns[i] > 0 ? ns[i] : 1);
        s->speed[i] = s->speed[i] > 0 ? 0.7 * s->speed[i] + 0.3 * seen : seen;
    }
    if (!mean_speeds(s, speed)) return;
    for (int i = 0; i < s->n; i++) sum += speed[i];
    for (int i = 0; i < s->n; i++) share[i] = speed[i] / sum;
    divide(s->share, s->n, total, before);
    divide(share, s->n, total, after);
    if (duration(s, speed, after) < 0.9 * duration(s, speed, before)) memcpy(s->share, share, sizeof share);
}
