/* What TensorFlow's op definitions call the one output of an op that has one: functions in a file name the edges in them
 * by it ("node:product:0"). Ops of several outputs say so in their records. */
#include "ops/op.h"

/* Any op that is not here calls it "output". */
static const struct {
    const char *name, *ops;
} names[] = {
    {"y",
     "DeepCopy Transpose ConjugateTranspose InvertPermutation Exp Log Tanh Sigmoid Sqrt Rsqrt Log1p Expm1 "
     "Sin Cos Tan Asin Acos Atan Sinh Cosh Asinh Acosh Atanh Inv Reciprocal Erf Erfc Ceil Floor Rint Round "
     "Abs Neg Sign Square OnesLike ZerosLike IsNan IsInf IsFinite ComplexAbs LogicalNot Invert "
     "PopulationCount InplaceUpdate InplaceAdd InplaceSub Cast BesselI0 BesselI1 BesselI0e BesselI1e "
     "BesselJ0 BesselJ1 BesselK0 BesselK1 BesselK0e BesselK1e BesselY0 BesselY1 Lgamma Digamma Ndtri "
     "Erfinv Dawsn Expint FresnelCos FresnelSin Spence DataFormatDimMap DataFormatVecPermute"},
    {"z",
     "Add AddV2 Sub Mul Maximum Minimum SquaredDifference Div RealDiv TruncateDiv FloorDiv FloorMod Mod "
     "TruncateMod DivNoNan MulNoNan Xdivy Xlogy Xlog1py Atan2 Pow Less LessEqual Greater GreaterEqual "
     "Equal NotEqual ApproximateEqual LogicalAnd LogicalOr BitwiseAnd BitwiseOr BitwiseXor LeftShift "
     "RightShift SigmoidGrad TanhGrad SqrtGrad RsqrtGrad InvGrad ReciprocalGrad Igamma Igammac Zeta "
     "Polygamma Betainc"},
    {"output_ref",
     "Assign AssignAdd AssignSub ScatterUpdate ScatterAdd ScatterSub ScatterMul ScatterDiv ScatterMin "
     "ScatterMax ScatterNdUpdate ScatterNdAdd ScatterNdSub ScatterNdMin ScatterNdMax StridedSliceAssign"},
    {"table_handle",
     "HashTable HashTableV2 MutableHashTable MutableHashTableV2 MutableHashTableOfTensors "
     "MutableHashTableOfTensorsV2 MutableDenseHashTable MutableDenseHashTableV2 AnonymousHashTable "
     "AnonymousMutableHashTable AnonymousMutableHashTableOfTensors AnonymousMutableDenseHashTable"},
    {"flow_out",
     "TensorArrayWrite TensorArrayWriteV2 TensorArrayWriteV3 TensorArrayScatter TensorArrayScatterV2 "
     "TensorArrayScatterV3 TensorArraySplit TensorArraySplitV2 TensorArraySplitV3"},
    {"handle",
     "EmptyTensorList TensorListReserve TensorArray TensorArrayV2 Stack StackV2 FIFOQueue FIFOQueueV2"},
    {"output_handle",
     "TensorListPushBack TensorListSetItem TensorListResize TensorListFromTensor TensorListScatter "
     "TensorListScatterV2 TensorListScatterIntoExistingList TensorListSplit"},
    {"value",
     "ReadVariableOp DestroyTemporaryVariable TensorArrayRead TensorArrayReadV2 TensorArrayReadV3 "
     "TensorArrayGather TensorArrayGatherV2 TensorArrayGatherV3"},
    {"activations", "Relu Relu6 Elu Selu Softplus Softsign LeakyRelu"},
    {"backprops", "ReluGrad Relu6Grad EluGrad SeluGrad SoftplusGrad SoftsignGrad LeakyReluGrad"},
    {"size",
     "TensorArraySize TensorArraySizeV2 TensorArraySizeV3 QueueSize QueueSizeV2 LookupTableSize "
     "LookupTableSizeV2"},
    {"diagonal", "MatrixDiagPart MatrixDiagPartV2 MatrixDiagPartV3 BatchMatrixDiagPart DiagPart"},
    {"out", "Complex Cumsum Cumprod CumulativeLogsumexp HistogramFixedWidth"},
    {"resized_images", "ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea ScaleAndTranslate"},
    {"values", "TensorListGather NthElement LookupTableFind LookupTableFindV2"},
    {"ref", "Variable VariableV2 TemporaryVariable"},
    {"band", "MatrixBandPart BatchMatrixBandPart"},
    {"elem", "StackPop StackPopV2"},
    {"is_closed", "QueueIsClosed QueueIsClosedV2"},
    {"is_initialized", "VarIsInitializedOp IsVariableInitialized"},
    {"merged", "DynamicStitch ParallelDynamicStitch"},
    {"params", "CudnnRNNCanonicalToParams CudnnRNNCanonicalToParamsV2"},
    {"precision", "InTopK InTopKV2"},
    {"product", "MatMul _FusedMatMul"},
    {"sum", "AddN AccumulateNV2"},
    {"alg", "StatelessRandomGetAlg"},
    {"binary_examples", "DecodeJSONExample"},
    {"bins", "Bincount"},
    {"crops", "CropAndResize"},
    {"element_shape", "TensorListElementShape"},
    {"fingerprint", "Fingerprint"},
    {"index", "Where"},
    {"item", "TensorListGetItem"},
    {"length", "TensorListLength"},
    {"logsoftmax", "LogSoftmax"},
    {"params_size", "CudnnRNNParamsSize"},
    {"r0", "BroadcastArgs"},
    {"resource", "VarHandleOp"},
    {"result", "BatchNormWithGlobalNormalization"},
    {"samples", "SobolSample"},
    {"serialized", "SerializeTensor"},
    {"softmax", "Softmax"},
    {"tensor", "TensorListStack"},
};

const char *bt_op_only_output(const char *op)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (bt_has_word(names[i].ops, op)) return names[i].name;
    return "output";
}
