/* Connectionist temporal classification: what its decoders (ctc.c) and its loss (ctc_loss.c) share. */
#ifndef BT_CTC_H
#define BT_CTC_H

#include "ops/move.h"

/* Logits [time, batch, classes] and how many steps of each of the batch there are. */
typedef struct bt_frames {
    berth_dtype dtype; /* float or double */
    const void *logits;
    const int32_t *lengths;
    int64_t time, batch, classes;
} bt_frames;

/* Shapes of inputs 0 and `lengths`. */
berth_status bt_ctc_check(bt_infer *x, int lengths);
/* The frames of a call whose shapes were checked; checks the lengths. */
berth_status bt_ctc_begin(bt_call *c, int lengths, bt_frames *f);
/* The logits of step t of b. */
void bt_ctc_frame(const bt_frames *f, int64_t t, int64_t b, double *out);
/* Logits become logs of probabilities. Gives the largest logit. */
double bt_ctc_normalise(double *x, int64_t n);

#endif
