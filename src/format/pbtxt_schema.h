/* Which fields TensorFlow's messages have: what the parser (pbtxt.c) and the printer (pbtxt_write.c) of the text form go
 * by. */
#ifndef BT_PBTXT_SCHEMA_H
#define BT_PBTXT_SCHEMA_H

#include "base/wire.h"

typedef enum bt_txt_kind {
    TXT_SKIP, /* anything */
    TXT_TEXT,
    TXT_INT,
    TXT_UINT,
    TXT_BOOL,
    TXT_FLOAT,
    TXT_DOUBLE,
    TXT_TYPE,  /* DataType */
    TXT_GRAPH, /* from here on: a message */
    TXT_LIBRARY,
    TXT_FUNCTION,
    TXT_SIGNATURE,
    TXT_ARG,
    TXT_CALL, /* NameAttrList */
    TXT_TEXT_ENTRY,
    TXT_ATTR_ENTRY,
    TXT_ARG_ATTRS_ENTRY,
    TXT_ARG_ATTRS,
    TXT_VERSIONS,
    TXT_NODE,
    TXT_ATTR,
    TXT_LIST,
    TXT_SHAPE,
    TXT_DIM,
    TXT_TENSOR,
    TXT_SAVED_MODEL,
    TXT_META_GRAPH,
    TXT_META_INFO,
    TXT_SAVER,
    TXT_COLLECTION_ENTRY,
    TXT_COLLECTION,
    TXT_VALUES,
    TXT_SIGNATURE_ENTRY,
    TXT_SIGNATURE_DEF,
    TXT_INFO_ENTRY,
    TXT_INFO,
    TXT_ASSET,
    TXT_OBJECTS, /* SavedObjectGraph */
    TXT_OBJECT,
    TXT_REFERENCE,
    TXT_SAVED_FUNCTION,
    TXT_FUNCTION_SPEC,
    TXT_NAMES, /* a text and nothing else */
    TXT_ASSET_INDEX,
    TXT_SAVED_VARIABLE,
    TXT_RESOURCE,
    TXT_CAPTURED,
    TXT_CONCRETE_ENTRY,
    TXT_CONCRETE,
    TXT_VALUE, /* StructuredValue */
    TXT_VALUE_LIST,
    TXT_DICTIONARY,
    TXT_NAMED_TUPLE,
    TXT_VALUE_ENTRY,
    TXT_TENSOR_SPEC,
    TXT_TYPE_SPEC,
    TXT_CONFIG,
    TXT_CHECKPOINT,
    TXT_COUNT_ENTRY,
    TXT_GPU_OPTIONS,
    TXT_GPU_EXPERIMENTAL,
    TXT_VIRTUAL_DEVICES,
} bt_txt_kind;

typedef struct bt_txt_field {
    const char *name;
    uint8_t number;
    uint8_t kind;
} bt_txt_field;

/* The fields of each kind that is a message, ended by one without a name. */
extern const bt_txt_field *const bt_txt_messages[];

#endif
