/* Tensors: dtype, shape and bytes somewhere. Dense, row-major; a view is another pointer into the same buffer.
 * Strings are arrays of bt_string, variants of bt_variant *, resources of bt_resource *: "object" tensors,
 * whose buffer owns their elements. */
#ifndef BT_TENSOR_H
#define BT_TENSOR_H

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "device/device.h"

#define BT_MAX_RANK BERTH_MAX_RANK

/* rank -1: nothing known; dim -1: that one unknown. */
typedef struct bt_shape {
    int rank;
    int64_t dim[BT_MAX_RANK];
} bt_shape;

#define BT_SHAPE_UNKNOWN ((bt_shape){.rank = -1})
#define BT_SCALAR ((bt_shape){.rank = 0})
/* BT_SHAPE(n, m): a shape of these dimensions. */
#define BT_SHAPE(...) bt_shape_from((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
bt_shape bt_shape_from(int rank, const int64_t *dims);
bool bt_shape_known(const bt_shape *s); /* rank and every dimension */
bool bt_shape_equal(const bt_shape *a, const bt_shape *b);
/* True when the two could be the same shape. */
bool bt_shape_compatible(const bt_shape *a, const bt_shape *b);
/* What both say together; false when they contradict. */
bool bt_shape_merge(bt_shape *a, const bt_shape *b);
/* Forgets of *known what *other does not say as well; true when anything was forgotten. */
bool bt_shape_weaken(bt_shape *known, const bt_shape *other);
int64_t bt_shape_count(const bt_shape *s);                   /* elements of a known shape; -1 when not known */
/* Product of dims [from, to). */
int64_t bt_shape_span(const bt_shape *s, int from, int to);
/* Elements and bytes, checked for overflow and for negative dims. */
bool bt_shape_bytes(const bt_shape *s, size_t element, size_t *bytes);
/* "[2,?,3]", "?" for an unknown rank; into a buffer of at least BT_SHAPE_TEXT bytes, which is returned. */
#define BT_SHAPE_TEXT 192
const char *bt_shape_text(const bt_shape *s, char *buffer);
/* numpy's broadcast of a and b (unknown dims allowed); false when they do not fit. */
bool bt_shape_broadcast(const bt_shape *a, const bt_shape *b, bt_shape *out);

size_t bt_dtype_size(berth_dtype dtype);  /* bytes of an element in memory; of the handle for object dtypes */
const char *bt_dtype_name(berth_dtype dtype);
bool bt_dtype_is_object(berth_dtype dtype); /* string, resource, variant */
bool bt_dtype_is_float(berth_dtype dtype);  /* half, bfloat16, float, double */
bool bt_dtype_is_int(berth_dtype dtype);    /* (u)int8..64, not quantized, not bool */
bool bt_dtype_is_complex(berth_dtype dtype);
bool bt_dtype_valid(int number);
/* "float32" or "DT_FLOAT" or Keras's "half" and so on; BERTH_NO_DTYPE when it is none. */
berth_dtype bt_dtype_named(bt_str name);

/* Bytes, shared by reference. */
typedef struct bt_buffer {
    _Atomic int refs;
    void *data;
    size_t bytes;
    void (*release)(struct bt_buffer *buffer); /* frees data, not the struct; NULL: data lies behind the struct */
    void *owner;                               /* for release; NULL: berth's own memory */
    bool on_device;                            /* owner is the bt_device whose memory this is */
} bt_buffer;

bt_buffer *bt_buffer_new(size_t bytes);
bt_buffer *bt_buffer_ref(bt_buffer *buffer); /* NULL is legal */
void bt_buffer_free(bt_buffer *buffer);      /* drops a reference; NULL is legal */

typedef struct bt_tensor {
    berth_dtype dtype;
    bool dead;         /* the value of a branch that was not taken (Switch, Merge) */
    bt_shape shape;
    void *data;        /* in a constant of the graph: maybe unaligned, a view of a mapped file */
    bt_buffer *buffer; /* NULL: borrowed (a plan's arena, a model's file) */
    bt_device *device; /* where the data lies; NULL: in memory that the CPU reads */
} bt_tensor;

/* Strings: an element is its bytes, owned by the tensor's buffer. */
typedef struct bt_string {
    char *p; /* NULL when empty */
    size_t n;
} bt_string;

/* Variants and resources: reference-counted objects of a type; the op families that make them define them. */
typedef struct bt_object_type {
    const char *name;
    void (*destroy)(void *object);
    berth_status (*leave)(void *object, berth_error *error); /* brings what it holds on devices to the host; NULL: it never does */
    /* Another of the same form, with zeros for numbers, as the `depth`-th object in one another; NULL with the error set. No
     * function: it has none. */
    struct bt_object *(*zeros)(const void *object, int depth, berth_error *error);
} bt_object_type;

typedef struct bt_object {
    const bt_object_type *type;
    _Atomic int refs;
} bt_object; /* first member of every variant and resource */

bt_object *bt_object_ref(bt_object *object); /* NULL is legal */
void bt_object_free(bt_object *object);      /* drops a reference; NULL is legal */

/* Fills *t with a new buffer of its own; objects are zeroed (empty strings, NULL objects), numbers are not. */
berth_status bt_tensor_init(bt_tensor *t, berth_dtype dtype, const bt_shape *shape, berth_error *error);
/* The same in a device's memory (numbers only); NULL: as above. */
berth_status bt_tensor_init_on(bt_device *device, bt_tensor *t, berth_dtype dtype, const bt_shape *shape, berth_error *error);
/* The same as bt_tensor_init, for a CPU that has a limit of its own: the bytes are counted there. Such a tensor must not outlive
 * the device's registry: its buffer has on_device, though the data is the host's. */
berth_status bt_tensor_init_counted(bt_device *device, bt_tensor *t, berth_dtype dtype, const bt_shape *shape,
                                    berth_error *error);
/* Copies src's bytes to dst, of the same size, wherever the two lie; done when it returns if dst is on the host. */
berth_status bt_tensor_transfer(const bt_tensor *dst, const bt_tensor *src, berth_error *error);
/* Before tensors of objects go to a caller, who may outlive the devices: nothing that they hold lies there any more. */
berth_status bt_tensor_leave(const bt_tensor *t, berth_error *error);
/* Drops the buffer and leaves *t empty (dtype 0). */
void bt_tensor_clear(bt_tensor *t);
/* Drops the elements of a tensor of objects that alone has its buffer; the room stays, zeroed. */
void bt_tensor_empty(bt_tensor *t);
/* dst becomes another reference to src's bytes (dst is overwritten, not cleared). A borrowed tensor stays borrowed. */
void bt_tensor_share(bt_tensor *dst, const bt_tensor *src);
/* As bt_tensor_share, but a borrowed one is copied, so that dst may outlive what src borrows from. */
berth_status bt_tensor_keep(bt_tensor *dst, const bt_tensor *src, berth_error *error);
/* A fresh copy, aligned, on the same device. */
berth_status bt_tensor_copy(bt_tensor *dst, const bt_tensor *src, berth_error *error);
int64_t bt_tensor_count(const bt_tensor *t);
size_t bt_tensor_bytes(const bt_tensor *t); /* of handles for object dtypes */
/* Copies n elements, taking references or copies of objects; dst elements of object dtypes are released first. */
berth_status bt_elements_copy(berth_dtype dtype, void *dst, const void *src, int64_t n, berth_error *error);
/* Replaces one string element; false when out of memory. */
bool bt_string_set(bt_string *s, const char *bytes, size_t n);
/* Element i of an integer tensor (int8..int64, unsigned, bool), also from unaligned data. */
int64_t bt_tensor_int(const bt_tensor *t, int64_t i);
/* Element i of a float or integer tensor as double. */
double bt_tensor_number(const bt_tensor *t, int64_t i);
/* A shape from a rank-1 (or scalar, for one dimension) int32/int64 tensor; -1 allowed. False when it cannot be one. */
bool bt_tensor_shape_value(const bt_tensor *t, bt_shape *out);

/* Half and bfloat16, round to nearest even. */
float bt_half_to_float(uint16_t h);
uint16_t bt_float_to_half(float f);
static inline float bt_bf16_to_float(uint16_t h)
{
    union { uint32_t u; float f; } v = {(uint32_t)h << 16};
    return v.f;
}
uint16_t bt_float_to_bf16(float f);

#endif
