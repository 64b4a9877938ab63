#include "tflite_operators.hpp"

namespace edgewise {

// The numbers are BuiltinOperator of the schema, which never change.
TfliteRule tflite_rule(int code) noexcept {
  switch (code) {
    case 3:  // CONV_2D
      return {TfliteForm::kConv, KernelOp::kConv, 3};
    case 4:  // DEPTHWISE_CONV_2D
      return {TfliteForm::kDepthwise, KernelOp::kConv, 4};
    case 132:  // CONV_3D
      return {TfliteForm::kConv3d, KernelOp::kConv, 4};
    case 67:  // TRANSPOSE_CONV
      return {TfliteForm::kTransposeConv, KernelOp::kConvTranspose, 3};
    case 1:  // AVERAGE_POOL_2D
    case 12:  // L2_POOL_2D
      return {TfliteForm::kPool, KernelOp::kAvgPool, 5};
    case 17:  // MAX_POOL_2D
      return {TfliteForm::kPool, KernelOp::kMaxPool, 5};
    case 9:  // FULLY_CONNECTED
      return {TfliteForm::kFullyConnected, KernelOp::kLinear, 0};
    case 126:  // BATCH_MATMUL
      return {TfliteForm::kBatchMatMul, KernelOp::kMatMul};
    case 0:  // ADD
    case 41:  // SUB
      return {TfliteForm::kJoin, KernelOp::kAdd, 0};
    case 99:  // SQUARED_DIFFERENCE
      return {TfliteForm::kJoin, KernelOp::kAdd};
    case 18:  // MUL
    case 42:  // DIV
      return {TfliteForm::kJoin, KernelOp::kMul, 0};
    case 55:  // MAXIMUM
      return {TfliteForm::kClamp, KernelOp::kAdd};
    case 57:  // MINIMUM
      return {TfliteForm::kClamp, KernelOp::kAdd, -1, true};
    case 40:  // MEAN
    case 74:  // SUM
      return {TfliteForm::kReduce, KernelOp::kGlobalAvgPool, -1, false, false, true};
    case 81:  // REDUCE_PROD
    case 82:  // REDUCE_MAX
    case 89:  // REDUCE_MIN
    case 91:  // REDUCE_ANY
    case 140:  // REDUCE_ALL
    case 56:  // ARG_MAX
    case 79:  // ARG_MIN
      return {TfliteForm::kReduce, KernelOp::kGlobalAvgPool};
    case 25:  // SOFTMAX
    case 50:  // LOG_SOFTMAX
      return {TfliteForm::kSoftmax, KernelOp::kSoftmax};
    case 39:  // TRANSPOSE
      return {TfliteForm::kTranspose, KernelOp::kTranspose};
    case 5:  // DEPTH_TO_SPACE
    case 26:  // SPACE_TO_DEPTH
    case 37:  // BATCH_TO_SPACE_ND
    case 38:  // SPACE_TO_BATCH_ND
    case 105:  // REVERSE_V2
    case 112:  // REVERSE_SEQUENCE
      return {TfliteForm::kSingle, KernelOp::kTranspose};
    case 36:  // GATHER
    case 7:  // EMBEDDING_LOOKUP
      return {TfliteForm::kGather, KernelOp::kSlice};
    case 49:  // SPLIT
    case 102:  // SPLIT_V
    case 88:  // UNPACK
      return {TfliteForm::kSplit, KernelOp::kSlice};
    case 65:  // SLICE
    case 45:  // STRIDED_SLICE
    case 107:  // GATHER_ND
    case 151:  // DYNAMIC_UPDATE_SLICE
      return {TfliteForm::kSingle, KernelOp::kSlice};
    case 2:  // CONCATENATION
      return {TfliteForm::kMany, KernelOp::kConcat, 1};
    case 83:  // PACK
      return {TfliteForm::kMany, KernelOp::kConcat};
    case 106:  // ADD_N
      return {TfliteForm::kMany, KernelOp::kAdd};
    case 22:  // RESHAPE
    case 43:  // SQUEEZE
    case 70:  // EXPAND_DIMS
    case 159:  // BITCAST
      return {TfliteForm::kSingle, KernelOp::kReshape};
    case 34:  // PAD
    case 60:  // PADV2
    case 100:  // MIRROR_PAD
    case 203:  // DILATE
      return {TfliteForm::kSingle, KernelOp::kPad};
    case 23:  // RESIZE_BILINEAR
    case 97:  // RESIZE_NEAREST_NEIGHBOR
    case 69:  // TILE
    case 130:  // BROADCAST_TO
      return {TfliteForm::kSingle, KernelOp::kResize};
    case 13:  // LOCAL_RESPONSE_NORMALIZATION
      return {TfliteForm::kSingle, KernelOp::kLayerNorm};
    case 11:  // L2_NORMALIZATION
      return {TfliteForm::kSingle, KernelOp::kLayerNorm, 0};
    case 14:  // LOGISTIC
      return {TfliteForm::kSingle, KernelOp::kSigmoid};
    case 117:  // HARD_SWISH
      return {TfliteForm::kSingle, KernelOp::kHardSwish};
    case 19:  // RELU
      return {TfliteForm::kSingle, KernelOp::kRelu};
    case 21:  // RELU6
    case 20:  // RELU_N1_TO_1
    case 152:  // RELU_0_TO_1
      return {TfliteForm::kSingle, KernelOp::kRelu, -1, true};
    case 75:  // SQRT
    case 76:  // RSQRT
      return {TfliteForm::kSingle, KernelOp::kActivation, -1, false, true};
    case 78:  // POW
      return {TfliteForm::kSingle, KernelOp::kActivation, -1, false, false, false, true};
    case 28:  // TANH
    case 111:  // ELU
    case 150:  // GELU
    case 47:  // EXP
    case 73:  // LOG
    case 101:  // ABS
    case 59:  // NEG
    case 8:  // FLOOR
    case 104:  // CEIL
    case 116:  // ROUND
    case 66:  // SIN
    case 108:  // COS
    case 92:  // SQUARE
    case 158:  // SIGN
    case 54:  // PRELU
    case 98:  // LEAKY_RELU
    case 53:  // CAST
    case 114:  // QUANTIZE
    case 6:  // DEQUANTIZE
    case 80:  // FAKE_QUANT
    case 87:  // LOGICAL_NOT
    case 128:  // CUMSUM
    case 156:  // ATAN2
      return {TfliteForm::kSingle, KernelOp::kActivation};
    case 58:  // LESS
    case 61:  // GREATER
    case 62:  // GREATER_EQUAL
    case 63:  // LESS_EQUAL
    case 71:  // EQUAL
    case 72:  // NOT_EQUAL
    case 84:  // LOGICAL_OR
    case 86:  // LOGICAL_AND
    case 64:  // SELECT
    case 123:  // SELECT_V2
    case 90:  // FLOOR_DIV
    case 95:  // FLOOR_MOD
      return {TfliteForm::kMany, KernelOp::kActivation};
    case 77:  // SHAPE
    case 110:  // RANK
    case 93:  // ZEROS_LIKE
    case 96:  // RANGE
    case 94:  // FILL
    case 145:  // BROADCAST_ARGS
      return {TfliteForm::kConstant, KernelOp::kOther};
    default:
      return {};
  }
}

}  // namespace edgewise
