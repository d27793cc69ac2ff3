/* The batch through a plan: small graphs whose rows can be computed apart, and are then the same over three devices as on
 * one; and such whose rows cannot, which are refused with the node that stands in the way. */
#include "compact.h"
#include "scene.h"

enum { ROWS = 7, MOST = 4096 };

/* Nodes as compact.h has them. There are: placeholders x [?,3,4],
 * image [?,4,4,2], v [?], of floats, and i [?,2] of numbers 0..2; constants of floats w [4,5], k [3,3,2,2], t [3,4],
 * b4 [4], b2 [2], s []; and of integers n0 n1 n2 m1 []. y is fetched. why NULL: it is divided. */
typedef struct row {
    const char *nodes, *why;
} row;

static const row rows[] = {
    /* element by element */
    {"y Relu x", NULL},
    {"a Exp x; b Neg x; y Add a b", NULL},
    {"y Mul x t", NULL},
    {"y BiasAdd x b4", NULL},
    {"y SelectV2 c a x; a Neg x; c Greater x s", NULL},
    {"y Select c r a; c Greater v s; r Reshape x p; a Neg r; p Const {dtype:DT_INT32 ints:-1,12}", NULL},
    {"y Cast i {SrcT:DT_INT32 DstT:DT_FLOAT}", NULL},
    {"y AddV2 x v4; v4 Reshape v p; p Const {dtype:DT_INT32 ints:-1,1,1}", NULL},
    {"y AddV2 x v", "'y' (AddV2)"}, /* v's rows would meet x's dimension 2, where they fit at all */
    {"y Mul v c; c Const {dtype:DT_FLOAT floats:1,2,3,4,5,6,7}", "'y'"},
    {"z Size x; f Cast z {SrcT:DT_INT32 DstT:DT_FLOAT}; y Mul x f", "'y' (Mul): it computes with the size"},
    {"z ZerosLike x; y Add x z", NULL},
    {"y Identity x", NULL},
    {"a Relu x; y Snapshot a", NULL},
    /* products and windows */
    {"r Reshape x p; p Const {dtype:DT_INT32 ints:-1,4}; m MatMul r w; y Reshape m q; q Const "
     "{dtype:DT_INT32 ints:-1,3,5}",
     NULL},
    {"r Reshape x p; p Const {dtype:DT_INT32 ints:-1,4}; y MatMul r w", NULL},
    {"r Reshape x p; p Const {dtype:DT_INT32 ints:-1,4}; y MatMul r r {transpose_a:true}",
     "'y' (MatMul): it mixes"},
    {"y BatchMatMulV2 x x {adj_y:true}", NULL},
    {"y BatchMatMulV2 x w", NULL},
    {"y Einsum x w {equation:bij,jk->bik N:2}", NULL},
    {"y Einsum x x {equation:bij,bkj->bik N:2}", NULL},
    {"y Einsum x x {equation:bij,ckj->bcik N:2}", "'y' (Einsum): it mixes"},
    {"y Einsum x w {equation:...ij,jk->...ik N:2}", NULL},
    {"y Einsum x {equation:bij->jbi N:1}", "'y' (Einsum): it mixes"},
    {"c Conv2D image k {strides:1,1,1,1 padding:SAME}; a BiasAdd c b2; y Relu a", NULL},
    {"y MaxPool image {ksize:1,2,2,1 strides:1,2,2,1 padding:VALID}", NULL},
    {"y AvgPool image {ksize:1,3,3,1 strides:1,1,1,1 padding:SAME}", NULL},
    {"y FusedBatchNormV3 image b2 b2 b2 q {is_training:false}; q Square b2", NULL},
    {"y FusedBatchNormV3 image b2 b2 e e {is_training:true}; e Const {dtype:DT_FLOAT floats:}",
     "mean over the batch"},
    {"y SpaceToBatchND image bs z {Tblock_shape:DT_INT32}; bs Const {dtype:DT_INT32 ints:2,2}; z Const "
     "{dtype:DT_INT32 shape:2,2 ints:0,0,0,0}",
     "'y' (SpaceToBatchND): nothing is known"},
    {"y ResizeBilinear image sz; sz Const {dtype:DT_INT32 ints:7,3}", NULL},
    {"y LRN image", NULL},
    /* along axes */
    {"y Sum x n1", NULL},
    {"y Mean x m1 {keep_dims:true}", NULL},
    {"y Sum x n0", "'y' (Sum): it mixes"},
    {"y Max x a; a Const {dtype:DT_INT32 ints:1,-3}", "'y' (Max): it mixes"},
    {"a Sum x r; r Range n0 d n1; d Rank x; y Neg a", "'a' (Sum)"},
    {"y ArgMax x n2 {output_type:DT_INT64}", NULL},
    {"y ArgMax x n0 {output_type:DT_INT64}", "'y' (ArgMax): it mixes"},
    {"y Softmax x", NULL},
    {"y Softmax v", "'y' (Softmax): it mixes"},
    {"y Cumsum x n1", NULL},
    {"y Cumsum x n0", "'y' (Cumsum): it mixes"},
    {"y ReverseV2 x a; a Const {dtype:DT_INT32 ints:2}", NULL},
    {"y ReverseV2 x a; a Const {dtype:DT_INT32 ints:0}", "'y' (ReverseV2): it mixes"},
    {"y TopKV2 x n2", NULL},
    {"y TopKV2 v n1", "'y' (TopKV2): it mixes"},
    /* moves */
    {"y Transpose x p; p Const {dtype:DT_INT32 ints:0,2,1}", NULL},
    {"y Transpose x p; p Const {dtype:DT_INT32 ints:1,0,2}", "'y' (Transpose): it mixes"},
    {"t1 Transpose x p; p Const {dtype:DT_INT32 ints:1,0,2}; y Transpose t1 p", "'t1' (Transpose): it mixes"},
    {"y ConcatV2 x x n1 {N:2}", NULL},
    {"y ConcatV2 x x n0 {N:2}", "'y' (ConcatV2): it mixes"},
    {"y Pack x x {N:2 axis:1}", NULL},
    {"y Pack x x {N:2}", "'y' (Pack): it mixes"},
    {"a Split n1 x {num_split:3}; y Add a:0 a:2", NULL},
    {"a Split n2 x {num_split:2}; y Sub a:0 a:1", NULL},
    {"a Unpack x {num:3 axis:1}; y Sub a:0 a:2", NULL},
    {"y Slice x b z; b Const {dtype:DT_INT32 ints:0,1,0}; z Const {dtype:DT_INT32 ints:-1,2,4}", NULL},
    {"y Slice x b z; b Const {dtype:DT_INT32 ints:1,1,0}; z Const {dtype:DT_INT32 ints:-1,2,4}",
     "'y' (Slice): it takes some rows"},
    {"y StridedSlice x b e z {begin_mask:1 end_mask:1}; b Const {dtype:DT_INT32 ints:0,1}; e Const "
     "{dtype:DT_INT32 ints:0,3}; z Const {dtype:DT_INT32 ints:1,2}",
     NULL},
    {"y StridedSlice x b e z {begin_mask:1 end_mask:1}; b Const {dtype:DT_INT32 ints:0}; e Const "
     "{dtype:DT_INT32 ints:0}; z Const {dtype:DT_INT32 ints:-1}",
     "'y' (StridedSlice): it mixes"},
    {"y StridedSlice x b e z {ellipsis_mask:1 begin_mask:2 end_mask:2}; b Const {dtype:DT_INT32 ints:0,0}; e "
     "Const {dtype:DT_INT32 ints:0,0}; z Const {dtype:DT_INT32 ints:1,-1}",
     NULL},
    {"y StridedSlice v b e z {ellipsis_mask:1 begin_mask:2 end_mask:2}; b Const {dtype:DT_INT32 ints:0,0}; e "
     "Const {dtype:DT_INT32 ints:0,0}; z Const {dtype:DT_INT32 ints:1,-1}",
     "'y' (StridedSlice): it mixes"},
    {"y StridedSlice x b e z {end_mask:1}; b Const {dtype:DT_INT32 ints:1}; e Const {dtype:DT_INT32 ints:0}; "
     "z Const {dtype:DT_INT32 ints:1}",
     "'y' (StridedSlice): it takes some rows"},
    {"y StridedSlice x b e z {shrink_axis_mask:1}; b Const {dtype:DT_INT32 ints:0}; e Const {dtype:DT_INT32 "
     "ints:1}; z Const {dtype:DT_INT32 ints:1}",
     "'y' (StridedSlice)"},
    {"y Pad x p; p Const {dtype:DT_INT32 shape:3,2 ints:0,0,1,2,0,1}", NULL},
    {"y Pad x p; p Const {dtype:DT_INT32 shape:3,2 ints:1,0,1,2,0,1}", "'y' (Pad): it takes some rows"},
    {"y Tile x p; p Const {dtype:DT_INT32 ints:1,2,1}", NULL},
    {"y Tile x p; p Const {dtype:DT_INT32 ints:2,1,1}", "'y' (Tile): it takes some rows"},
    {"y ExpandDims x n1", NULL},
    {"y ExpandDims x n0", "'y' (ExpandDims): its result does not have the batch"},
    {"y Reshape x p; p Const {dtype:DT_INT32 ints:3,-1,4}", "'y' (Reshape)"},
    {"y Reshape x p; p Const {dtype:DT_INT32 ints:-1}", NULL}, /* dimension 0 is the batch 12 times */
    /* gathering */
    {"y GatherV2 w i n0 {Tindices:DT_INT32}", NULL},
    {"y GatherV2 w i n1 {Tindices:DT_INT32}", "'y' (GatherV2): its result does not have the batch"},
    {"y GatherV2 x i n1 {Tindices:DT_INT32 batch_dims:1}", NULL},
    {"y GatherV2 x i n1 {Tindices:DT_INT32}", "'y' (GatherV2): it mixes"},
    {"y GatherV2 x c n2 {Tindices:DT_INT32}; c Const {dtype:DT_INT32 ints:3,0}", NULL},
    {"y GatherV2 x c n0 {Tindices:DT_INT32}; c Const {dtype:DT_INT32 ints:1,0}", "'y' (GatherV2): it mixes"},
    {"y GatherNd w i {Tindices:DT_INT32}", NULL},
    {"y OneHot i n2 s z {TI:DT_INT32}; z Neg s", NULL},
    {"y OneHot i n2 s z {TI:DT_INT32 axis:0}; z Neg s", "'y' (OneHot): it mixes"},
    /* sizes of the batch */
    {"h Shape x; o Const {dtype:DT_INT32 ints:0}; u Const {dtype:DT_INT32 ints:1}; e StridedSlice h o u u "
     "{T:DT_INT32 shrink_axis_mask:1}; "
     "p Pack e k12 {T:DT_INT32 N:2}; k12 Const {dtype:DT_INT32 shape: ints:12}; y Reshape x p",
     NULL},
    {"h Shape x; o Const {dtype:DT_INT32 ints:0}; u Const {dtype:DT_INT32 ints:1}; e StridedSlice h o u u "
     "{T:DT_INT32 shrink_axis_mask:1}; "
     "p Pack e n2 {T:DT_INT32 N:2}; z Fill p s; l Sum x n2; m Slice l zz q; zz Const {dtype:DT_INT32 "
     "ints:0,0}; q Const {dtype:DT_INT32 ints:-1,2}; y Add z m",
     NULL},
    {"h Shape x; o Const {dtype:DT_INT32 ints:0}; u Const {dtype:DT_INT32 ints:1}; e StridedSlice h o u u "
     "{T:DT_INT32 shrink_axis_mask:1}; "
     "r Range n0 e n1; f Cast r {SrcT:DT_INT32 DstT:DT_FLOAT}; y Add v f",
     "'y' (Add): it computes with the size"},
    {"h Shape x; y Cast h {SrcT:DT_INT32 DstT:DT_FLOAT}", "output 'y:0': does not have the batch"},
    {"y Neg w", "no input has an open first dimension"},
    /* effects */
    {"h Shape x; r RandomUniform h {T:DT_INT32 dtype:DT_FLOAT}; y Add x r",
     "'r' (RandomUniform): it has an effect, or is random"},
    {"a Where c; c Greater v s; y Cast a {SrcT:DT_INT64 DstT:DT_FLOAT}", "'a' (Where): nothing is known"},
};
enum { N_ROWS = sizeof rows / sizeof *rows };

/* ---- From rows to graphs ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *shape;
    berth_dtype dtype;
    int rank;
    int64_t dims[4];
} inputs[] = {{"x", "-1,3,4", BERTH_FLOAT, 3, {0, 3, 4}},
              {"image", "-1,4,4,2", BERTH_FLOAT, 4, {0, 4, 4, 2}},
              {"v", "-1", BERTH_FLOAT, 1, {0}},
              {"i", "-1,2", BERTH_INT32, 2, {0, 2}}};
enum { N_INPUTS = sizeof inputs / sizeof *inputs };

static bool write_row(trial *t, const row *r)
{
    bt_text text = {0};
    float values[40];
    for (int i = 0; i < N_INPUTS; i++) {
        bt_text_print(&text,
                      "node { name: '%s' op: 'Placeholder' attr { key: 'dtype' value { type: %s } } attr { "
                      "key: 'shape' value { shape ",
                      inputs[i].name, inputs[i].dtype == BERTH_FLOAT ? "DT_FLOAT" : "DT_INT32");
        compact_shape(&text, inputs[i].shape);
        bt_text_print(&text, "} } }\n");
    }
    trial_const(&text, "w", 4, 5, values), trial_const(&text, "t", 3, 4, values);
    trial_const(&text, "b4", 0, 4, values), trial_const(&text, "b2", 0, 2, values);
    trial_const(&text, "k36", 0, 36, values);
    compact_nodes(&text, "kp Const {dtype:DT_INT32 ints:3,3,2,2}; k Reshape k36 kp; s Const {dtype:DT_FLOAT "
                         "shape: floats:0.25}; "
                         "n0 Const {dtype:DT_INT32 shape: ints:0}; n1 Const {dtype:DT_INT32 shape: ints:1}; "
                         "n2 Const {dtype:DT_INT32 shape: ints:2}; m1 Const {dtype:DT_INT32 shape: ints:-1}");
    compact_nodes(&text, r->nodes);
    bool ok = trial_write(t, text.p);
    bt_text_free(&text);
    return ok;
}

/* ---- Running them ------------------------------------------------------------------------------------- */

static float numbers[ROWS * 32];
static int32_t indices[ROWS * 2];

/* Only inputs that the graph reads may be given: others would be of no matter, but would be looked at. */
static size_t feed(const row *r, berth_feed *in, int64_t n)
{
    static const char *const names[N_INPUTS] = {"x:0", "image:0", "v:0", "i:0"};
    size_t n_in = 0;
    for (int i = 0; i < N_INPUTS; i++) {
        char word[16];
        snprintf(word, sizeof word, " %s", inputs[i].name);
        bool is_read = false;
        for (const char *p = r->nodes; (p = strstr(p, word)); p++)
            is_read |= strchr(" ;{", p[strlen(word)]) != NULL; /* or the end */
        if (!is_read) continue;
        int64_t dims[4];
        memcpy(dims, inputs[i].dims, sizeof dims);
        dims[0] = n;
        void *data = inputs[i].dtype == BERTH_FLOAT ? (void *)numbers : (void *)indices;
        in[n_in++] = (berth_feed){
            names[i], berth_tensor_wrap(inputs[i].dtype, inputs[i].rank, dims, data, NULL, NULL, NULL)};
    }
    return n_in;
}

static berth_tensor *run_over(const trial *t, const row *r, berth_context *context, const char *devices,
                              int64_t n, berth_error *error)
{
    scene s = {.context = context};
    berth_feed in[N_INPUTS] = {{0}}, out = {"y:0", NULL};
    size_t n_in = feed(r, in, n);
    if (open_scene(&s, t, devices, NULL, error)) berth_session_run(s.session, in, n_in, &out, 1, NULL, error);
    for (size_t i = 0; i < n_in; i++) berth_tensor_free(in[i].tensor);
    close_scene(&s);
    return out.tensor;
}

static bool same(berth_tensor *a, berth_tensor *b)
{
    bool ok = a && b && berth_tensor_dtype(a) == berth_tensor_dtype(b) &&
              berth_tensor_rank(a) == berth_tensor_rank(b);
    for (int i = 0; ok && i < berth_tensor_rank(a); i++)
        ok = berth_tensor_dim(a, i) == berth_tensor_dim(b, i);
    if (!ok || berth_tensor_dtype(a) != BERTH_FLOAT)
        return ok && !memcmp(berth_tensor_data(a), berth_tensor_data(b), berth_tensor_bytes(a));
    const float *x = berth_tensor_data(a), *y = berth_tensor_data(b);
    for (int64_t i = 0; ok && i < berth_tensor_count(a); i++)
        ok = fabsf(x[i] - y[i]) <= 1e-5f * fmaxf(1, fabsf(y[i]));
    return ok;
}

static void test_row(const row *r, berth_context *context, int64_t n)
{
    berth_error error = {0}, why = {0};
    trial t = {.name = "row"};
    if (!write_row(&t, r)) return;
    berth_tensor *parts = run_over(&t, r, context, "/CPU:0,/CPU:1,/CPU:2", n, &why);
    berth_tensor *whole = r->why ? NULL : run_over(&t, r, context, "/CPU:0", n, &error);
    bool ok = r->why ? CHECK(!parts && why.status && strstr(why.message, r->why))
                     : CHECK(whole && same(parts, whole));
    if (!ok) printf("    %s, %d rows: %s%s\n", r->nodes, (int)n, why.message, error.message);
    berth_tensor_free(parts), berth_tensor_free(whole);
    unlink(t.path);
}

int main(void)
{
    if (!trial_make()) return 1;
    berth_context *context = two_cpus("0,0,0");
    for (int i = 0; i < ROWS * 32; i++) numbers[i] = check_float(-1, 1);
    for (int i = 0; i < ROWS * 2; i++) indices[i] = (int32_t)(check_random() % 3);
    for (int i = 0; i < N_ROWS; i++) {
        test_row(&rows[i], context, ROWS);
        test_row(&rows[i], context, 2);
        test_row(&rows[i], context, 1); /* what cannot be divided is refused whatever is given */
    }
    berth_context_free(context);
    trial_unmake();
    return check_done();
}
