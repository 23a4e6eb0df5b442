#include "kernels/embedding.h"

#include <algorithm>

#include "kernels/cuda/divisor.h"
#include "kernels/cuda/elements.h"
#include "kernels/cuda/team.h"

namespace graft::kernels::cuda {
namespace {

void raise_bad_index(const int64_t (&v)[4]) {
  fail<DataError>("embedding: index ", v[1], " at position ", v[0], " is not a row; the table has ", v[2],
                  " rows");
}

constexpr unsigned kCheckThreads = 1024;

// One block: reports the first index that is no row.
__global__ void __launch_bounds__(kCheckThreads)
    check_indices(const int64_t* indices, int n, int64_t rows, Fault* fault, Fault::Raise raise) {
  int bad = n;
  for (int i = static_cast<int>(threadIdx.x); i < n; i += kCheckThreads) {
    if (indices[i] < 0 || indices[i] >= rows) bad = min(bad, i);
  }
  bad = -block_reduce(-bad, Max());
  if (threadIdx.x == 0 && bad < n) report(fault, raise, bad, indices[bad], rows);
}

// One warp per position: y[i] = table[indices[i]], an element of type E being some of T.
template <class E>
__global__ void gather_rows(const E* table, const int64_t* indices, E* y, int64_t n, int64_t rows, int cols) {
  int64_t i = WarpTeam::row();
  if (i >= n) return;
  int64_t row = indices[i];
  bool is_row = row >= 0 && row < rows;
  for (int j = WarpTeam::rank(); j < cols; j += WarpTeam::kSize) {
    y[i * cols + j] = is_row ? table[row * cols + j] : E{};
  }
}

constexpr int kThreads = 256;
constexpr int kAtOnce = 4;  // terms that are on their way from memory together

// How the sums of dtable [rows, cols] are cut: each block has `rows_each` rows and `cols_each` columns in
// shared memory and looks through one piece of the positions for them. Where there are few rows (the types of
// tokens, say), many positions fall to each, and more pieces keep the GPU busy.
struct Cut {
  Cut(int64_t n_, int64_t rows_, int64_t cols_) : n(to_int(n_)), rows(to_int(rows_)), cols(to_int(cols_)) {
    constexpr int kFloats = 8192, kMostRows = 64;
    cols_each = std::min(cols, kFloats / 2);
    rows_each = std::clamp(kFloats / cols_each, 1, kMostRows);
    int64_t room = std::max<int64_t>(1, (int64_t{1} << 20) / (rows_ * cols_));
    pieces = to_int(std::clamp<int64_t>(n_ / 512, 1, room));
    n_each = (n + pieces - 1) / pieces;
  }
  Work work() const {
    return {dim3(static_cast<unsigned>((rows + rows_each - 1) / rows_each),
                 static_cast<unsigned>((cols + cols_each - 1) / cols_each), static_cast<unsigned>(pieces)),
            dim3(kThreads), sizeof(float) * static_cast<size_t>(rows_each * cols_each)};
  }
  int n, rows, cols;
  int rows_each, cols_each, n_each, pieces;
};

// Positions of this round whose index is one of the block's rows, in their order.
struct Found {
  int in_warp[kThreads / 32];
  int position[kThreads], row[kThreads];
};

// Fills `found` from one position for each thread, whose row is negative where it is none of the block's.
// Returns how many there are. All threads call it.
__device__ int find(Found& found, int position, int row) {
  if (!__syncthreads_or(row >= 0)) return 0;  // the last round's readers are done with found
  unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  unsigned lanes = __ballot_sync(0xFFFFFFFFu, row >= 0);
  if (lane == 0) found.in_warp[warp] = __popc(lanes);
  __syncthreads();  // in_warp is written
  int before = 0, all = 0;
  for (unsigned w = 0; w < kThreads / 32; ++w) {
    if (w < warp) before += found.in_warp[w];
    all += found.in_warp[w];
  }
  if (row >= 0) {
    int place = before + __popc(lanes & ((1u << lane) - 1));
    found.position[place] = position;
    found.row[place] = row;
  }
  __syncthreads();  // position and row are written
  return all;
}

// One block for rows_each x cols_each sums of one piece of the positions. A thread has the same columns
// throughout, so that its sums are its own. Out is float where there are several pieces, else T.
template <class T, class Out>
__global__ void __launch_bounds__(kThreads)
    sum_by_index(const T* dy, const int64_t* indices, int64_t padding_index, Cut cut, Out* out) {
  float* sums = dynamic_shared<float>();
  Found& found = shared<Found>();
  int first_row = static_cast<int>(blockIdx.x) * cut.rows_each,
      rows = min(cut.rows_each, cut.rows - first_row);
  int first_col = static_cast<int>(blockIdx.y) * cut.cols_each,
      cols = min(cut.cols_each, cut.cols - first_col);
  int piece = static_cast<int>(blockIdx.z);
  int begin = piece * cut.n_each, end = min(begin + cut.n_each, cut.n);
  int thread = static_cast<int>(threadIdx.x);
  for (int r = 0; r < rows; ++r) {
    for (int c = thread; c < cols; c += kThreads) sums[r * cols + c] = 0;
  }
  for (int round = begin; round < end; round += kThreads) {
    int position = round + thread, row = -1;
    if (position < end) {
      int64_t index = indices[position];
      if (index >= first_row && index < first_row + rows && index != padding_index) {
        row = static_cast<int>(index) - first_row;
      }
    }
    int count = find(found, position, row);
    for (int k = 0; k < count; k += kAtOnce) {
      const T* terms[kAtOnce];
      float* to[kAtOnce];
      int some = min(kAtOnce, count - k);
      GRAFT_UNROLL
      for (int i = 0; i < kAtOnce; ++i) {
        if (i >= some) break;
        terms[i] = dy + found.position[k + i] * int64_t{cut.cols} + first_col;
        to[i] = sums + found.row[k + i] * cols;
      }
      for (int c = thread; c < cols; c += kThreads) {
        float values[kAtOnce];
        GRAFT_UNROLL
        for (int i = 0; i < kAtOnce; ++i) values[i] = i < some ? to_float(terms[i][c]) : 0.0f;
        GRAFT_UNROLL
        for (int i = 0; i < kAtOnce; ++i) {
          if (i < some) to[i][c] += values[i];
        }
      }
    }
  }
  out += (int64_t{piece} * cut.rows + first_row) * cut.cols + first_col;
  for (int r = 0; r < rows; ++r) {
    for (int c = thread; c < cols; c += kThreads)
      out[int64_t{r} * cut.cols + c] = from_float<Out>(sums[r * cols + c]);
  }
}

// One thread per element of dtable: the pieces' sums, in their order.
template <class T>
__global__ void add_pieces(const float* sums, int pieces, int64_t n, T* dtable) {
  int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float sum = 0;
  for (int p = 0; p < pieces; ++p) sum += sums[p * n + i];
  dtable[i] = from_float<T>(sum);
}

}  // namespace

void embedding(const Tensor& table, const Tensor& indices, const Tensor& y) {
  if (y.numel() == 0) return;
  int64_t rows = table.dim(0), cols = table.dim(1), n = indices.numel();
  launch("embedding: indices", check_indices, one_block_per(1, kCheckThreads), data<int64_t>(indices),
         to_int(n), rows, fault_slot(), raise_bad_index);
  with_storage(table.dtype(), "embedding", [&](auto zero) {
    using T = decltype(zero);
    auto gather = [&](auto element, int64_t count) {
      using E = decltype(element);
      launch("embedding", gather_rows<E>, WarpTeam::work(n), static_cast<const E*>(table.raw()),
             data<int64_t>(indices), static_cast<E*>(y.raw()), n, rows, to_int(count));
    };
    if (cols % kPack<T> == 0 && is_aligned(table.raw()) && is_aligned(y.raw())) {
      gather(uint4{}, cols / kPack<T>);
    } else {
      gather(T{}, cols);
    }
  });
}

void embedding_grad(const Tensor& dy, const Tensor& indices, int64_t padding_index, const Tensor& dtable) {
  if (dtable.numel() == 0) return;
  Cut cut(indices.numel(), dtable.dim(0), dtable.dim(1));
  with_storage(dy.dtype(), "embedding_grad", [&](auto zero) {
    using T = decltype(zero);
    auto sum = [&](auto* out) {
      using Out = std::remove_pointer_t<decltype(out)>;
      launch("embedding_grad", sum_by_index<T, Out>, cut.work(), data<T>(dy), data<int64_t>(indices),
             padding_index, cut, out);
    };
    if (cut.pieces == 1) return sum(data<T>(dtable));
    Tensor sums = Tensor::empty({cut.pieces, dtable.numel()}, DType::f32, dy.device());
    sum(data<float>(sums));
    launch("embedding_grad: pieces", add_pieces<T>, one_thread_per(dtable.numel()), data<float>(sums),
           cut.pieces, dtable.numel(), data<T>(dtable));
  });
}

}  // namespace graft::kernels::cuda
