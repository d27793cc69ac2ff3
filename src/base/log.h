/* Log: lines to the callback that the host program set; dropped when it set none. */
#ifndef BT_LOG_H
#define BT_LOG_H

#include "berth.h"

void bt_log(berth_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
