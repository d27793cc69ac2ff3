/* Protobuf's text form of TensorFlow's messages, turned into the wire encoding, so that one reader serves both. */
#ifndef BT_PBTXT_H
#define BT_PBTXT_H

#include "base/arena.h"
#include "base/error.h"
#include "base/wire.h"

typedef enum bt_pbtxt_message { BT_PBTXT_GRAPH, BT_PBTXT_SAVED_MODEL, BT_PBTXT_CONFIG, BT_PBTXT_CHECKPOINT } bt_pbtxt_message;

/* True when the text begins with a field of this message. */
bool bt_pbtxt_sniff(bt_str text, bt_pbtxt_message message);
/* Appends the wire encoding to *wire. Errors name the line. */
berth_status bt_pbtxt_encode(bt_str text, bt_pbtxt_message message, bt_text *wire, berth_error *error);
/* As above into the arena, for a source whose tensors will be views of it. */
berth_status bt_pbtxt_keep(bt_str text, bt_pbtxt_message message, bt_arena *arena, bt_str *wire,
                           berth_error *error);

#endif
