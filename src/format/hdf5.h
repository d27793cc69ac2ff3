/* HDF5: read-only access to groups, attributes and datasets of a mapped file, for the subset that h5py
 * writes: superblock 0-3, groups old and new, contiguous, compact and chunked data. Not a general HDF5
 * library: no compound types, references, links to other files, virtual or external data. Source: "HDF5 File
 * Format Specification Version 3.0". To read next: hdf5.c, hdf5_group.c, hdf5_data.c. */
#ifndef BT_HDF5_H
#define BT_HDF5_H

#include "base/file.h"
#include "base/map.h"
#include "tensor/tensor.h"

typedef struct bt_hdf5 {
    const uint8_t *data; /* of the whole file */
    size_t size;
    uint64_t base; /* where addresses count from */
    int offset_bytes, length_bytes;
    uint64_t root;   /* address of the root group's header */
    uint64_t budget; /* steps that are left: bounds the work on files whose structures point in circles */
    int soft_links;  /* that are being followed, one through the other */
    bt_arena *arena;
    berth_error *error;
} bt_hdf5;

/* A group, with the links that lead to objects of this file. */
typedef struct bt_hdf5_group {
    uint64_t address;
    bt_map links; /* name -> bt_hdf5_link *; freed by bt_hdf5_group_free */
} bt_hdf5_group;

typedef struct bt_hdf5_link {
    bt_str name;      /* NUL-terminated as well */
    uint64_t address; /* 0: a soft link */
    bt_str target;    /* of a soft link: the path that it leads to; else empty */
} bt_hdf5_link;

bool bt_hdf5_sniff(const void *data, size_t size);
/* All that is read lies in the arena or is a view of the data. Errors of this and all later calls go to
 * *error. */
berth_status bt_hdf5_open(bt_hdf5 *h, const void *data, size_t size, bt_arena *arena, berth_error *error);
/* Empty when it fails. */
berth_status bt_hdf5_group_open(bt_hdf5 *h, uint64_t address, bt_hdf5_group *group);
void bt_hdf5_group_free(bt_hdf5_group *group);
/* The object at a path like "a/b/kernel:0" below the group, through soft links. *address is 0 when there is none such. */
berth_status bt_hdf5_find(bt_hdf5 *h, const bt_hdf5_group *group, bt_str path, uint64_t *address);
/* An attribute of any object. dtype 0 when it has no such attribute. Strings are borrowed bt_strings in the
 * arena; numbers are native and maybe unaligned. */
berth_status bt_hdf5_attribute(bt_hdf5 *h, uint64_t address, const char *name, bt_tensor *value);
/* A dataset: a view of the file where it is contiguous, unfiltered and little-endian (nothing is read then),
 * else decoded into the arena. */
berth_status bt_hdf5_dataset(bt_hdf5 *h, uint64_t address, bt_tensor *value);

#endif
