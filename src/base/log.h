/* Log: lines to the callback that the host program set; dropped when it set none. */
#ifndef BT_LOG_H
#define BT_LOG_H

#include "berth.h"

/* berth_set_log. */
void bt_log_set(berth_log_fn *fn, berth_log_level level, void *user);
/* Whether anyone listens: where making the line costs more than a printf. */
bool bt_log_on(berth_log_level level);
void bt_log(berth_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
