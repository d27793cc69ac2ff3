/* The batch through a plan: small graphs whose rows can be computed apart, and are then the same over three devices as on
 * one; and such whose rows cannot, which are refused with the node that stands in the way. */
#include "compact.h"
#include "scene.h"

enum { ROWS = 7, MOST = 4096 };

/* Nodes as compact.h has them. There are: placeholders x [?,3,4],
 * image [?,4,4,2], v [?], of floats, i [?,2] of numbers 0..2 and which []; constants of floats w [4,5], k [3,3,2,2], t [3,4],
 * b4 [4], b2 [2], k16 [16], s []; and of integers n0 n1 n2 n3 m1 [], p102 [3] and m4 [2]; functions. y is fetched. why NULL: it is divided. */
typedef struct row {
    const char *nodes, *why;
} row;

#define NO_ROWS "output 'y:0': does not have the batch as dimension 0"
/* e: how many rows x has. */
#define SIZE_OF_X                                                                                           \
    "h0 Shape x; o0 Const {dtype:DT_INT32 ints:0}; u1 Const {dtype:DT_INT32 ints:1}; e StridedSlice h0 o0 " \
    "u1 u1 "                                                                                                \
    "{T:DT_INT32 shrink_axis_mask:1}"
/* g: the same for all rows, and not known beforehand. */
#define WHICH "g Greater which n0 {T:DT_INT32}"
#define RNN "rnn_mode:rnn_relu input_mode:linear_input direction:unidirectional"
/* A loop of TensorFlow 1: m counts from 0 to 3, st is its state, which b comes after, and y what that is in the end. */
#define FRAME "frame_name:f is_constant:true"
#define ROUNDS(initial, condition)                                                                          \
    "ei Enter n0 {T:DT_INT32 frame_name:f}; m Merge ei ni {T:DT_INT32 N:2}; el Enter n3 {T:DT_INT32 " FRAME \
    "}; eo Enter n1 {T:DT_INT32 " FRAME "}; cc " condition " {T:DT_INT32}; lc LoopCond cc; si Switch m lc " \
    "{T:DT_INT32}; ai Add si:1 eo {T:DT_INT32}; ni NextIteration ai {T:DT_INT32}; es Enter " initial        \
    " {frame_name:f}; ms Merge es ns {N:2}; st Switch ms lc; ns NextIteration b"
#define LOOP(initial, condition) ROUNDS(initial, condition) "; y Exit st"
/* The same over the n rows of [3,N,4], with what each round makes of them in another array. */
#define RECURRENT(rows, n)                                                                                  \
    ROUNDS("s0", "Less m el")                                                                               \
    "; ta TensorArrayV3 " n " {dtype:DT_FLOAT}; rg Range n0 n3 n1; sc TensorArrayScatterV3 ta rg " rows     \
    " ta:1; oa TensorArrayV3 n3 {dtype:DT_FLOAT}; eta Enter ta {T:DT_RESOURCE " FRAME                       \
    "}; esc Enter sc {" FRAME "}; eoa Enter oa {T:DT_RESOURCE " FRAME                                       \
    "}; ef Enter oa:1 {frame_name:f}; mf Merge ef nf {N:2}; sf Switch "                                     \
    "mf lc; rd TensorArrayReadV3 eta si:1 esc {dtype:DT_FLOAT}; b AddV2 bx rd; bx Tanh st:1; wr "           \
    "TensorArrayWriteV3 eoa si:1 b sf:1; nf NextIteration wr; xf Exit sf; ga TensorArrayGatherV3 oa rg xf " \
    "{dtype:DT_FLOAT}; xs Exit st; s0 Sum x n1; yt Transpose ga p102; y AddV2 yt xr; xr ExpandDims xs n1"

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
    {"y Einsum x {equation:bij->jbi N:1}", NO_ROWS},
    {"c Conv2D image k {strides:1,1,1,1 padding:SAME}; a BiasAdd c b2; y Relu a", NULL},
    {"y MaxPool image {ksize:1,2,2,1 strides:1,2,2,1 padding:VALID}", NULL},
    {"y AvgPool image {ksize:1,3,3,1 strides:1,1,1,1 padding:SAME}", NULL},
    {"y FusedBatchNormV3 image b2 b2 b2 q {is_training:false}; q Square b2", NULL},
    {"y FusedBatchNormV3 image b2 b2 e e {is_training:true}; e Const {dtype:DT_FLOAT floats:}",
     "mean over the batch"},
    {"y SpaceToBatchND image bs z {Tblock_shape:DT_INT32}; bs Const {dtype:DT_INT32 ints:2,2}; z Const "
     "{dtype:DT_INT32 shape:2,2 ints:0,0,0,0}",
     NO_ROWS},
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
    {"y Transpose x p102", NO_ROWS},
    {"a Transpose x p102; y Transpose a p102", NULL},
    {"a Transpose x p102; s1 Softmax a; b BiasAdd s1 b4; c Sum b n0; y Mul c v4; v4 Reshape v p; p Const "
     "{dtype:DT_INT32 ints:-1,1}",
     NULL},
    {"a Transpose x q; y Softmax a; q Const {dtype:DT_INT32 ints:1,2,0}", "'y' (Softmax): it mixes"},
    {"a Transpose x p102; y Sum a n1", "'y' (Sum): it mixes"},
    {"a Reshape v r; b Reshape v c; y Add a b; r Const {dtype:DT_INT32 ints:1,-1}; c Const {dtype:DT_INT32 "
     "ints:-1,1}",
     "'y' (Add)"},
    /* [3,N,4] as [3N,4]: the batch is in the middle of the dimension */
    {"a Transpose x p102; r Reshape a m4; m MatMul r w; b Relu m; c Reshape b q; y Transpose c p102; q Const "
     "{dtype:DT_INT32 ints:3,-1,5}",
     NULL},
    {"a Transpose x p102; r Reshape a m4; y MatMul r w", NO_ROWS},
    {"a Transpose x p102; r Reshape a m4; q Reshape x m4; y Add r q", "'y' (Add): it mixes"},
    {"a Transpose x p102; r Reshape a q; y Sum r n0; q Const {dtype:DT_INT32 ints:-1,3,4}",
     "'r' (Reshape): it mixes"},
    {"a SpaceToBatchND image bs z {Tblock_shape:DT_INT32}; c Conv2D a k {strides:1,1,1,1 padding:SAME}; y "
     "BatchToSpaceND c bs z {Tblock_shape:DT_INT32}; bs Const {dtype:DT_INT32 ints:2,2}; z Const "
     "{dtype:DT_INT32 shape:2,2 ints:0,0,0,0}",
     NULL},
    {"y ConcatV2 x x n1 {N:2}", NULL},
    {"y ConcatV2 x x n0 {N:2}", "'y' (ConcatV2): it mixes"},
    {"y Pack x x {N:2 axis:1}", NULL},
    {"y Pack x x {N:2}", NO_ROWS},
    {"a Pack x x {N:2}; y Sum a n0", NULL},
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
    {"y ExpandDims x n0", NO_ROWS},
    {"y Reshape x p; p Const {dtype:DT_INT32 ints:3,-1,4}", "'y' (Reshape)"},
    {"y Reshape x p; p Const {dtype:DT_INT32 ints:-1}", NULL}, /* dimension 0 is the batch 12 times */
    /* gathering */
    {"y GatherV2 w i n0 {Tindices:DT_INT32}", NULL},
    {"y GatherV2 w i n1 {Tindices:DT_INT32}", NO_ROWS},
    {"y GatherV2 x i n1 {Tindices:DT_INT32 batch_dims:1}", NULL},
    {"y GatherV2 x i n1 {Tindices:DT_INT32}", "'y' (GatherV2): it mixes"},
    {"y GatherV2 x c n2 {Tindices:DT_INT32}; c Const {dtype:DT_INT32 ints:3,0}", NULL},
    {"y GatherV2 x c n0 {Tindices:DT_INT32}; c Const {dtype:DT_INT32 ints:1,0}", "'y' (GatherV2): it mixes"},
    {"y GatherNd w i {Tindices:DT_INT32}", NULL},
    {"y OneHot i n2 s z {TI:DT_INT32}; z Neg s", NULL},
    {"y OneHot i n2 s z {TI:DT_INT32 axis:0}; z Neg s", NO_ROWS},
    /* sizes of the batch */
    {SIZE_OF_X "; "
               "p Pack e k12 {T:DT_INT32 N:2}; k12 Const {dtype:DT_INT32 shape: ints:12}; y Reshape x p",
     NULL},
    {SIZE_OF_X
     "; "
     "p Pack e n2 {T:DT_INT32 N:2}; z Fill p s; l Sum x n2; m Slice l zz q; zz Const {dtype:DT_INT32 "
     "ints:0,0}; q Const {dtype:DT_INT32 ints:-1,2}; y Add z m",
     NULL},
    {SIZE_OF_X "; "
               "r Range n0 e n1; f Cast r {SrcT:DT_INT32 DstT:DT_FLOAT}; y Add v f",
     "'y' (Add): it computes with the size"},
    {"h Shape x; y Cast h {SrcT:DT_INT32 DstT:DT_FLOAT}", "output 'y:0': does not have the batch"},
    {"y Neg w", "no input has an open first dimension"},
    /* effects */
    {"h Shape x; r RandomUniform h {T:DT_INT32 dtype:DT_FLOAT}; y Add x r",
     "'r' (RandomUniform): it has an effect, or is random"},
    {"a Where c {T:DT_BOOL}; c Greater v s; y Cast a {SrcT:DT_INT64 DstT:DT_FLOAT}",
     "'a' (Where): nothing is known"},
    /* places that follow the size of the batch */
    {SIZE_OF_X "; b Pack n0 e n0 {T:DT_INT32 N:3}; y Slice pd b z; z Const {dtype:DT_INT32 ints:-1,1,4}; pd "
               "Pad x p; p Const "
               "{dtype:DT_INT32 shape:3,2 ints:0,0,0,8,0,0}",
     "'y' (Slice): it computes with the size"},
    {SIZE_OF_X "; b Pack n0 e {T:DT_INT32 N:2}; f Add e n1 {T:DT_INT32}; d Pack n0 f {T:DT_INT32 N:2}; y "
               "StridedSlice pd b d z "
               "{begin_mask:1 end_mask:1}; z Const {dtype:DT_INT32 ints:1,1}; pd Pad x p; p Const "
               "{dtype:DT_INT32 shape:3,2 "
               "ints:0,0,0,8,0,0}",
     "'y' (StridedSlice): it computes with the size"},
    {SIZE_OF_X "; d Pack e n1 {T:DT_INT32 N:2}; a Tile t d; c Reshape a q; q Const {dtype:DT_INT32 "
               "ints:-1,3,4}; y Mul c x",
     NULL},
    /* sequences */
    {"y ReverseSequence x le {Tlen:DT_INT32 seq_dim:1 batch_dim:0}; le Max i n1 {T:DT_INT32}", NULL},
    {"a Transpose x p102; b ReverseSequence a le {Tlen:DT_INT32 seq_dim:0 batch_dim:1}; y Transpose b p102; "
     "le Max i n1 "
     "{T:DT_INT32}",
     NULL},
    {"a Transpose x p102; b ReverseSequence a le {Tlen:DT_INT32 seq_dim:1 batch_dim:0}; y Transpose b p102; "
     "le Const "
     "{dtype:DT_INT32 ints:1,1,1}",
     "'b' (ReverseSequence): it mixes"},
    {"y CudnnRNNV3 x h h k16 le {" RNN
     " time_major:false}; h Slice x z q; z Const {dtype:DT_INT32 ints:0,0,0}; q Const "
     "{dtype:DT_INT32 ints:-1,1,2}; l0 Max i n1 {T:DT_INT32}; le Add l0 n1 {T:DT_INT32}",
     NULL},
    {"a Transpose x p102; o CudnnRNNV2 a h h k16 {" RNN
     "}; h Slice a z q; z Const {dtype:DT_INT32 ints:0,0,0}; q Const "
     "{dtype:DT_INT32 ints:1,-1,2}; y Transpose o p102",
     NULL},
    {"y CudnnRNNV2 x h h k16 {" RNN "}; h Fill d s; d Const {dtype:DT_INT32 ints:1,3,2}",
     "'y' (CudnnRNNV2): it mixes"},
    /* lists and arrays */
    {"a Transpose x p102; l TensorListFromTensor a m4 {element_dtype:DT_FLOAT}; y TensorListGetItem l n1 m4 "
     "{element_dtype:DT_FLOAT}",
     NULL},
    {"l TensorListFromTensor x m4 {element_dtype:DT_FLOAT}; y TensorListGetItem l n1 m4 "
     "{element_dtype:DT_FLOAT}",
     "'l' (TensorListFromTensor): a list holds an item a row"},
    {"l TensorListReserve m4 n2 {element_dtype:DT_FLOAT}; b TensorListSetItem l n1 q "
     "{element_dtype:DT_FLOAT}; a "
     "TensorListStack b m4 {element_dtype:DT_FLOAT}; q Sum x n1; y Sum a n0",
     NULL},
    {"l TensorListReserve e n2 {element_dtype:DT_FLOAT}; b TensorListSetItem l n1 q "
     "{element_dtype:DT_FLOAT}; y "
     "TensorListGetItem b n1 m4 {element_dtype:DT_FLOAT}; q Sum x n1; e Const {dtype:DT_INT32 ints:7,4}",
     "'b' (TensorListSetItem): its list is for items of another shape"},
    {"l EmptyTensorList m4 m1 {element_dtype:DT_FLOAT}; b TensorListPushBack l q {element_dtype:DT_FLOAT}; c "
     "TensorListPushBack b d {element_dtype:DT_FLOAT}; a TensorListStack c m4 {element_dtype:DT_FLOAT}; q "
     "Sum x n1; d Max x "
     "n1; y Sum a n0",
     NULL},
    {"l TensorListReserve m4 e {element_dtype:DT_FLOAT}; y TensorListGetItem l n0 m4 "
     "{element_dtype:DT_FLOAT}; " SIZE_OF_X,
     "'l' (TensorListReserve): it computes with the size"},
    {"l TensorListReserve m4 n2 {element_dtype:DT_FLOAT}; b TensorListSetItem l n1 q "
     "{element_dtype:DT_FLOAT}; y "
     "TensorListGetItem b e m4 {element_dtype:DT_FLOAT}; q Sum x n1; " SIZE_OF_X,
     "'y' (TensorListGetItem): which item it takes"},
    /* branches */
    {"y If g x {then_branch:@neg else_branch:@relu Tout:DT_FLOAT,}; " WHICH, NULL},
    {"y StatelessIf g x {then_branch:@neg else_branch:@inner Tout:DT_FLOAT,}; " WHICH, NULL},
    {"y If g x {then_branch:@neg else_branch:@mean Tout:DT_FLOAT,}; " WHICH, "(Mean): it mixes"},
    {"y If g x {then_branch:@neg else_branch:@turn Tout:DT_FLOAT,}; " WHICH,
     "'y' (If): its branches give rows"},
    {"y If g x {then_branch:@neg else_branch:@relu Tout:DT_FLOAT,}; g Equal m n2 {T:DT_INT32}; m FloorMod "
     "e q {T:DT_INT32}; q Const {dtype:DT_INT32 shape: ints:5}; " SIZE_OF_X,
     "'y' (If): which branch"},
    {"y If g x {then_branch:@neg else_branch:@relu Tout:DT_FLOAT,}; a Greater v s; g All a n0",
     "'g' (All): it mixes"},
    {"y StatelessIf g x {then_branch:@neg else_branch:@noise Tout:DT_FLOAT,}; " WHICH,
     "(RandomUniform): it has an effect, or is random"},
    {"m MapDefun w {f:@noise Targuments:DT_FLOAT, output_types:DT_FLOAT,}; f Sum m m4; y Mul x f",
     "'m' (MapDefun): nothing is known"},
    {"a Switch x g; b Neg a:0; c Relu a:1; y Merge b c {N:2}; " WHICH, NULL},
    {"a Switch x g; b Transpose a:0 p102; c Relu a:1; d Merge b c {N:2}; y Neg d; " WHICH, "'d' (Merge)"},
    /* loops */
    {LOOP("x", "Less m el") "; b Tanh st:1", NULL},
    {LOOP("x", "Less m el") "; a Mul st:1 et; b Sub ex a; et Enter t {" FRAME "}; ex Enter x {" FRAME "}",
     NULL},
    {LOOP("x", "Less m el") "; a Mean st:1 ez {keep_dims:true}; b Sub st:1 a; ez Enter n0 {T:DT_INT32 " FRAME
                            "}",
     "(Mean): it mixes"},
    {LOOP("x", "Less m er") "; b Tanh st:1; er Enter e {T:DT_INT32 " FRAME "}; " SIZE_OF_X,
     "(Less): it computes with the size"},
    {LOOP("x", "Less m er") "; b Tanh st:1; er Enter r {T:DT_INT32 " FRAME
                            "}; r Max i h {T:DT_INT32}; h Range n0 n2 n1",
     "'r' (Max): it mixes"},
    {LOOP("x", "Less m r") "; b Tanh st:1; r Cast sm {SrcT:DT_FLOAT DstT:DT_INT32}; sm Sum ms ea; ea Enter h "
                           "{T:DT_INT32 " FRAME "}; h Range n0 n3 n1",
     "(Sum): it mixes"},
    {LOOP("x", "Less m el") "; b Transpose st:1 ep; ep Enter p102 {T:DT_INT32 " FRAME "}",
     "a round makes of its state"},
    {RECURRENT("xt", "n3") "; xt Transpose x p102", NULL},
    {RECURRENT("x", "e") "; " SIZE_OF_X, "'ta' (TensorArrayV3): it computes with the size"},
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
              {"i", "-1,2", BERTH_INT32, 2, {0, 2}},
              {"which", "", BERTH_INT32, 0, {0}}};
enum { N_INPUTS = sizeof inputs / sizeof *inputs };

/* Of a tensor a: a name, and nodes the last of which, r, is the result; its output argument. */
static const char *const functions[][3] = {
    {"neg", "r Neg a", "y"},
    {"relu", "r Relu a", "activations"},
    {"inner", "k Shape a; q Tanh a; r Reshape q:y:0 k:output:0", "output"},
    {"mean", "z Const {dtype:DT_INT32 ints:0}; q Mean a z:output:0 {keep_dims:true}; r Sub a q:output:0",
     "z"},
    {"noise", "z Const {dtype:DT_INT32 ints:2}; r RandomUniform z:output:0 {T:DT_INT32 dtype:DT_FLOAT}",
     "output"},
    {"turn", "p Const {dtype:DT_INT32 ints:1,0,2}; r Transpose a p:output:0", "y"},
};

static void write_functions(bt_text *text)
{
    bt_text_print(text, "library {\n");
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        const char *const *f = functions[i];
        bt_text_print(text,
                      "function { signature { name: '%s' input_arg { name: 'a' type: DT_FLOAT } output_arg { "
                      "name: 'o' type: DT_FLOAT } } ret { key: 'o' value: 'r:%s:0' }\n",
                      f[0], f[2]);
        compact_nodes_in(text, "node_def", f[1]);
        bt_text_print(text, "}\n");
    }
    bt_text_print(text, "}\n");
}

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
    trial_const(&text, "k16", 0, 16, values);
    compact_nodes(&text,
                  "p102 Const {dtype:DT_INT32 ints:1,0,2}; m4 Const {dtype:DT_INT32 ints:-1,4}; n3 Const "
                  "{dtype:DT_INT32 shape: ints:3}");
    compact_nodes(&text, r->nodes);
    write_functions(&text);
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
    static const char *const names[N_INPUTS] = {"x:0", "image:0", "v:0", "i:0", "which:0"};
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
