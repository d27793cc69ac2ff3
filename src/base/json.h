/* JSON: text to a tree in an arena, and single texts out. What Python's json module writes is read: NaN, Infinity and -Infinity
 * too. Knows nothing of Keras. */
#ifndef BT_JSON_H
#define BT_JSON_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"

typedef enum bt_json_kind {
    BT_JSON_NULL,
    BT_JSON_BOOL,
    BT_JSON_INT,
    BT_JSON_DOUBLE,
    BT_JSON_STRING,
    BT_JSON_ARRAY,
    BT_JSON_OBJECT
} bt_json_kind;

typedef struct bt_json {
    bt_json_kind kind;
    int n;                /* children of an array or object */
    bt_str key;           /* of a member of an object; NUL-terminated as well */
    struct bt_json *next; /* in the same array or object */
    union {
        bool b;
        int64_t i;
        double d;
        bt_str s; /* UTF-8, NUL-terminated as well */
        struct bt_json *first;
    };
} bt_json;

/* NULL with the error set ("not JSON: ... at byte n"). The tree and its text lie in the arena. */
const bt_json *bt_json_parse(bt_arena *arena, bt_str text, berth_error *error);

/* All of these accept NULL, and give NULL or `otherwise` when the thing is absent or of another kind. */
const bt_json *bt_json_get(const bt_json *object, const char *key);
const bt_json *bt_json_at(const bt_json *array, int i);
bool bt_json_is(const bt_json *j, bt_json_kind kind);
bool bt_json_is_number(const bt_json *j);
const bt_json *bt_json_first(const bt_json *j); /* the first child */
bool bt_json_is_text(const bt_json *j, const char *text);
int64_t bt_json_int(const bt_json *j, int64_t otherwise);  /* a double that is whole counts */
double bt_json_double(const bt_json *j, double otherwise); /* an integer counts */
bool bt_json_bool(const bt_json *j, bool otherwise);       /* a number counts */
const char *bt_json_text(const bt_json *j, const char *otherwise);

/* Adds a text in quotes; what is no UTF-8 in it becomes '?'. */
void bt_json_write(bt_text *out, const char *text);

#endif
