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
    int64_t n, given; /* keys; how many the initialiser brought, those included that came twice */
    int64_t *slots;   /* row + 1 of the key whose hash leads here; 0: none. Linear probing */
    size_t n_slots;   /* a power of two */
    /* MutableDenseHashTable (table_dense.c): rows are buckets, n of them, n_used of them used. */
    uint8_t *state;
    int64_t n_used;
    float max_load;
    bt_tensor refused[2]; /* the empty and the deleted key */
    char name[];
} bt_table;

/* The table in input 0; NULL with the error set. */
bt_table *bt_table_input(bt_call *c);
/* The table is locked. A key that is there already gets the new value, or fails when the table is fixed. */
berth_status bt_table_put(bt_table *t, const void *key, const void *value, berth_error *error);
/* Row i alone; whether two rows are alike; a row's elements from others. */
bt_rows bt_row_of(const bt_rows *rows, int64_t i);
bool bt_rows_equal(const bt_rows *rows, const char *a, const char *b);
berth_status bt_row_set(const bt_rows *row, const void *from, berth_error *error);

/* Dense tables, locked. n empty buckets instead of what there was; room for `more` keys; the bucket of a key, or -1. */
berth_status bt_dense_reset(bt_table *t, int64_t n, berth_error *error);
berth_status bt_dense_reserve(bt_table *t, int64_t more, berth_error *error);
int64_t bt_dense_find(const bt_table *t, const char *key);
berth_status bt_dense_put(bt_table *t, const void *key, const void *value, berth_error *error);
void bt_dense_remove(bt_table *t, const char *key);
/* All buckets as outputs 0 and 1 [n, a row's elements]; such, inputs 1 and 2, instead of what there was. */
berth_status bt_dense_export(bt_call *c, const bt_table *t);
berth_status bt_dense_import(bt_call *c, bt_table *t);
/* Whether an initialiser that runs again may: it must bring as many keys as there are, or as it brought before. */
berth_status bt_table_fill_again(const bt_table *t, int64_t n, berth_error *error);

/* The keys and values of a text file, as an InitializeTableFromTextFile node has them: calls `each`, where it is given, for a
 * line, with a bt_string or an int64_t for each; *count is the number of lines. */
typedef berth_status bt_table_line(void *user, const void *key, const void *value, berth_error *error);
berth_status bt_table_lines(const bt_node *node, const char *path, berth_dtype key, berth_dtype value,
                            bt_table_line *each, void *user, int64_t *count, berth_error *error);

#endif
