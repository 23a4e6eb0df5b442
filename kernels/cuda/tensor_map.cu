#include "kernels/cuda/tensor_map.h"

#include "core/error.h"
#include "kernels/cuda/cuda.h"

namespace graft::kernels::cuda {
namespace {

void check(const void* data, int64_t rows, int64_t cols, int64_t row_bytes, int element_bytes, int box_rows,
           int box_cols, Swizzle swizzle) {
  GRAFT_CHECK(element_bytes == 2 || element_bytes == 4, "tensor map: elements of ", element_bytes,
              " bytes; 2 or 4");
  GRAFT_CHECK(
      reinterpret_cast<uintptr_t>(data) % 16 == 0 && row_bytes % 16 == 0 && row_bytes >= cols * element_bytes,
      "tensor map: data and rows must begin at multiples of 16 bytes; rows are ", row_bytes,
      " bytes apart for ", cols, " columns");
  GRAFT_CHECK(rows >= 1 && cols >= 1 && box_rows >= 1 && box_rows <= 256 && box_cols >= 1 && box_cols <= 256,
              "tensor map: a box of ", box_rows, " x ", box_cols, " of ", rows, " x ", cols,
              "; 1 to 256 each way");
  GRAFT_CHECK(box_cols * element_bytes % 16 == 0, "tensor map: box rows of ", box_cols * element_bytes,
              " bytes; multiples of 16");
  GRAFT_CHECK(swizzle == Swizzle::none || box_cols * element_bytes == 128,
              "tensor map: a swizzled box has rows of 128 bytes, not ", box_cols * element_bytes);
}

}  // namespace

#ifdef GRAFT_SIM

TensorMap make_tensor_map(const void* data, int64_t rows, int64_t cols, int64_t row_bytes, int element_bytes,
                          int box_rows, int box_cols, Swizzle swizzle, int64_t count, int64_t matrix_bytes) {
  check(data, rows, cols, row_bytes, element_bytes, box_rows, box_cols, swizzle);
  GRAFT_CHECK(count >= 1 && matrix_bytes > 0 && matrix_bytes % 16 == 0, "tensor map: ", count, " matrices, ",
              matrix_bytes, " bytes apart; at least one, and multiples of 16");
  return {data, rows, cols, row_bytes, element_bytes, box_rows, box_cols, swizzle, count, matrix_bytes};
}

#else

namespace {

// From the driver that runs, so that the library needs none to be linked.
decltype(&cuTensorMapEncodeTiled) encode_function() {
  void* found = nullptr;
  cudaDriverEntryPointQueryResult result{};
  cudaError_t status =
      cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
  GRAFT_CHECK_AS(DeviceError, status == cudaSuccess && result == cudaDriverEntryPointSuccess && found,
                 "tensor map: the CUDA driver has no cuTensorMapEncodeTiled");
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found);
}

}  // namespace

TensorMap make_tensor_map(const void* data, int64_t rows, int64_t cols, int64_t row_bytes, int element_bytes,
                          int box_rows, int box_cols, Swizzle swizzle, int64_t count, int64_t matrix_bytes) {
  check(data, rows, cols, row_bytes, element_bytes, box_rows, box_cols, swizzle);
  GRAFT_CHECK(count >= 1 && matrix_bytes > 0 && matrix_bytes % 16 == 0, "tensor map: ", count, " matrices, ",
              matrix_bytes, " bytes apart; at least one, and multiples of 16");
  static const auto encode = encode_function();
  TensorMap map;
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(cols), static_cast<cuuint64_t>(rows),
                              static_cast<cuuint64_t>(count)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(row_bytes), static_cast<cuuint64_t>(matrix_bytes)};
  const cuuint32_t box[] = {static_cast<cuuint32_t>(box_cols), static_cast<cuuint32_t>(box_rows), 1};
  const cuuint32_t steps[] = {1, 1, 1};
  CUresult status =
      encode(&map, element_bytes == 2 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 3,
             const_cast<void*>(data), sizes, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
             swizzle == Swizzle::b128 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_NONE,
             CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  GRAFT_CHECK_AS(DeviceError, status == CUDA_SUCCESS, "tensor map: the driver refuses it with error ",
                 static_cast<int>(status));
  return map;
}

#endif

}  // namespace graft::kernels::cuda
