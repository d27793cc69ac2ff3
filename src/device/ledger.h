/* The ledger: what processes hold on devices whose drivers do not tell. A process with memory on such a device has a file in a
 * folder of the user's, locked for as long as it lives, so that a process that crashed is known by its lock; other users are
 * not seen. Where no such file can be made nothing is known, and nothing fails. */
#ifndef BT_LEDGER_H
#define BT_LEDGER_H

#include <stdint.h>

/* Enters that this process holds more (fewer) bytes on the hardware of this key, which is the same in all processes, not 0. */
void bt_ledger_add(uint64_t key, int64_t bytes);
/* What all processes hold there, this one included; -1: not known. */
int64_t bt_ledger_total(uint64_t key);

#endif
