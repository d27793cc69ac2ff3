/* Lookup tables: the object behind a handle, for the ops that fill one (table.c, table_file.c). */
#ifndef BT_TABLE_H
#define BT_TABLE_H

#include "ops/object.h"
#include "ops/resource.h"

#include <pthread.h>

/* Elements of one dtype and shape, one behind the other. */
typedef struct bt_rows {
    berth_dtype dtype;
    bt_shape shape; /* of one row */
    int64_t width;  /* elements of a row */
    size_t bytes;   /* of a row */
    char *data;
    size_t room; /* rows */
} bt_rows;

typedef struct bt_table {
    bt_object base;
    pthread_mutex_t lock;
    bool fixed, ready; /* fixed: filled once, and then ready */
    bt_rows keys, values;
    int64_t n, given;     /* keys; how many the initialiser brought, those included that came twice */
    int64_t *slots;       /* row + 1 of the key whose hash leads here; 0: none. Linear probing */
    size_t n_slots;       /* a power of two */
    bt_tensor refused[2]; /* MutableDenseHashTable: the empty and the deleted key */
    char name[];
} bt_table;

/* The table in input 0; NULL with the error set. */
bt_table *bt_table_input(bt_call *c);
/* The table is locked. A key that is there already gets the new value, or fails when the table is fixed. */
berth_status bt_table_put(bt_table *t, const void *key, const void *value, berth_error *error);
/* Whether an initialiser that runs again may: it must bring as many keys as there are, or as it brought before. */
berth_status bt_table_fill_again(const bt_table *t, int64_t n, berth_error *error);

/* The keys and values of a text file, as an InitializeTableFromTextFile node has them: calls `each`, where it is given, for a
 * line, with a bt_string or an int64_t for each; *count is the number of lines. */
typedef berth_status bt_table_line(void *user, const void *key, const void *value, berth_error *error);
berth_status bt_table_lines(const bt_node *node, const char *path, berth_dtype key, berth_dtype value,
                            bt_table_line *each, void *user, int64_t *count, berth_error *error);

#endif
