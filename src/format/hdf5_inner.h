/* HDF5, between its files: bounded access, the messages of an object, datatypes. Not for others. */
#ifndef BT_HDF5_INNER_H
#define BT_HDF5_INNER_H

#include "format/hdf5.h"

#define H5_NOWHERE UINT64_MAX /* the undefined address */

/* A message of an object header (its body). */
typedef struct bt_h5_message {
    int type, flags;
    const uint8_t *data;
    size_t size;
} bt_h5_message;

enum {
    H5_DATASPACE = 0x01,
    H5_LINK_INFO = 0x02,
    H5_DATATYPE = 0x03,
    H5_FILL = 0x05,
    H5_LINK = 0x06,
    H5_LAYOUT = 0x08,
    H5_FILTERS = 0x0b,
    H5_ATTRIBUTE = 0x0c,
    H5_CONTINUATION = 0x10,
    H5_SYMBOL_TABLE = 0x11,
    H5_ATTRIBUTE_INFO = 0x15
};

/* How an element is stored. */
typedef struct bt_h5_type {
    berth_dtype dtype;            /* BERTH_STRING for text, 0 for what cannot be a tensor */
    size_t size;                  /* bytes in the file */
    bool big_endian, is_variable; /* is_variable: text in the global heap */
    bool ends_at_nul, is_spaced;  /* text of a fixed size: what is behind it */
} bt_h5_type;

berth_status bt_h5_fail(bt_hdf5 *h, const char *what);
/* n bytes at an address of the file, or NULL with the error set. */
const uint8_t *bt_h5_at(bt_hdf5 *h, uint64_t address, uint64_t n);
/* The same as a reader, behind a signature of four bytes and a version that must be `version` (-1: any). */
berth_status bt_h5_block(bt_hdf5 *h, uint64_t address, uint64_t n, const char *signature, int version,
                         bt_reader *out);
uint64_t bt_h5_offset(bt_hdf5 *h, bt_reader *r); /* an address; H5_NOWHERE when undefined */
uint64_t bt_h5_length(bt_hdf5 *h, bt_reader *r);
/* Takes `steps` of the budget. */
berth_status bt_h5_work(bt_hdf5 *h, uint64_t steps);

/* Calls f for every message of the object until it fails or sets *stop. */
typedef berth_status bt_h5_message_fn(bt_hdf5 *h, const bt_h5_message *m, void *user, bool *stop);
berth_status bt_h5_messages(bt_hdf5 *h, uint64_t address, bt_h5_message_fn *f, void *user);

/* Every object in a fractal heap that a version 2 B-tree lists: links (record type 5) or attributes (8). Both are found by a
 * message: version, flags, [largest creation index (index_bytes)], heap, B-tree by name. */
typedef berth_status bt_h5_object_fn(bt_hdf5 *h, const uint8_t *data, size_t size, void *user);
berth_status bt_h5_dense(bt_hdf5 *h, const bt_h5_message *m, size_t index_bytes, int record_type,
                         bt_h5_object_fn *f, void *user);
/* Every record of a version 2 B-tree. */
berth_status bt_h5_btree2(bt_hdf5 *h, uint64_t address, int record_type, bt_h5_object_fn *f, void *user);

berth_status bt_h5_datatype(bt_hdf5 *h, const uint8_t *p, size_t n, bt_h5_type *out);
/* max, NULL or BT_MAX_RANK sizes: those that the dimensions may grow to; UINT64_MAX: any. */
berth_status bt_h5_dataspace(bt_hdf5 *h, const uint8_t *p, size_t n, bt_shape *out, uint64_t *max);
/* Elements of `type` as they are stored become a tensor: a view where they are native already. */
berth_status bt_h5_decode(bt_hdf5 *h, const bt_h5_type *type, const bt_shape *shape, const uint8_t *p,
                          size_t n, bt_tensor *out);
berth_status bt_h5_string(bt_hdf5 *h, const uint8_t *reference, bt_string *out);

#endif
