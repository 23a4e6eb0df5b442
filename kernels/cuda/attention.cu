#include "kernels/attention.h"

#include "kernels/cuda/attention_kernels.h"
#include "kernels/cuda/attention_mma.h"
#include "kernels/cuda/attention_simt.h"

namespace graft::kernels::cuda {
namespace {

void raise_bad_length(const int64_t (&v)[4]) {
  fail<DataError>("attention: length ", v[1], " of batch entry ", v[0], " is not from 0 to the ", v[2],
                  " keys");
}

constexpr unsigned kCheckThreads = 256;

// One block: reports the first length that is out of range.
__global__ void __launch_bounds__(kCheckThreads)
    check_lengths(const int64_t* lengths, int batch, int64_t keys, Fault* fault, Fault::Raise raise) {
  int bad = batch;
  for (int b = static_cast<int>(threadIdx.x); b < batch; b += kCheckThreads) {
    if (lengths[b] < 0 || lengths[b] > keys) bad = min(bad, b);
  }
  bad = -block_reduce(-bad, Max());
  if (threadIdx.x == 0 && bad < batch) report(fault, raise, bad, lengths[bad], keys);
}

template <class T>
AttentionView<T> view_of(const AttentionArguments& a) {
  AttentionView<T> view{};
  view.q = data<T>(a.q);
  view.k = data<T>(a.k);
  view.v = data<T>(a.v);
  view.bias = data<T>(a.bias);
  view.lengths = data<int64_t>(a.lengths);
  view.lse = data<float>(a.lse);
  view.queries = to_int(a.q.dim(1));
  view.keys = to_int(a.k.dim(1));
  view.heads = to_int(a.q.dim(2));
  view.size = to_int(a.q.dim(3));
  view.bias_heads = a.bias.defined() ? to_int(a.bias.dim(0)) : 1;
  view.scale = static_cast<float>(a.scale);
  view.causal = a.causal;
  return view;
}

// Whether rows of `size` elements can be read and written in runs of `run`.
template <class T>
bool in_runs(int64_t size, int run, std::initializer_list<const Tensor*> tensors) {
  bool all = size % run == 0;
  for (const Tensor* t : tensors)
    all = all && (!t->defined() || is_aligned(t->raw(), static_cast<uintptr_t>(run) * sizeof(T)));
  return all;
}

// f(Engine{}) for heads of `size`, in tiles that leave registers and shared memory for the long ones. Tensor
// cores want whole slices of the head, in runs of 16 bytes of all `tensors`.
template <class T, class F>
void with_engine(int64_t size, std::initializer_list<const Tensor*> tensors, F&& f) {
  GRAFT_CHECK(size <= kMostHeadSize, "attention: heads of size ", size, "; a CUDA device takes up to ",
              kMostHeadSize);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    if (size % 16 == 0 && size <= 128 && in_runs<T>(size, kPack<T>, tensors)) {
      if (size <= 32) return f(MmaAttention<32, 64, 64>{});
      if (size <= 64) return f(MmaAttention<64, 64, 64>{});
      return f(MmaAttention<128, 64, 32>{});
    }
  }
  if (size <= 32) return f(SimtAttention<T, 32, 64, 64>{});
  if (size <= 64) return f(SimtAttention<T, 64, 64, 64>{});
  if (size <= 128) return f(SimtAttention<T, 128, 32, 32>{});
  f(SimtAttention<T, 256, 32, 32>{});
}

constexpr int kMostShared = 163 * 1024;  // bytes that a block of sm_80 can have

// `tiles` of rows and of columns for each head.
template <class Engine, template <class> class Tiles>
Work work_of(int64_t heads, int64_t rows, int64_t cols = 1) {
  static_assert(sizeof(Tiles<Engine>) <= kMostShared);
  int64_t down = (rows + Engine::kRows - 1) / Engine::kRows,
          across = (cols + Engine::kCols - 1) / Engine::kCols;
  return one_block_per(heads * down * across, Engine::kThreads, sizeof(Tiles<Engine>));
}

}  // namespace

void attention(const AttentionArguments& a) {
  if (a.q.numel() == 0) return;
  int64_t batch = a.q.dim(0), heads = batch * a.q.dim(2), size = a.q.dim(3);
  if (a.lengths.defined()) {
    launch("attention: lengths", check_lengths, one_block_per(1, kCheckThreads), data<int64_t>(a.lengths),
           to_int(batch), a.k.dim(1), fault_slot(), raise_bad_length);
  }
  with_storage(a.q.dtype(), "attention", [&](auto zero) {
    using T = decltype(zero);
    AttentionView<T> view = view_of<T>(a);
    std::initializer_list<const Tensor*> tensors = {&a.q, &a.k, &a.v, &a.y};
    with_engine<T>(size, tensors, [&](auto engine) {
      using Engine = decltype(engine);
      view.wide = in_runs<T>(size, Engine::kRun, tensors);
      launch("attention", attention_forward<Engine>, work_of<Engine, ForwardTiles>(heads, view.queries), view,
             data<T>(a.y));
    });
  });
}

void attention_grad(const AttentionGradArguments& g) {
  const AttentionArguments& a = g.of;
  int64_t batch = a.q.dim(0), heads = batch * a.q.dim(2), size = a.q.dim(3);
  Tensor pull = a.lse.empty_like();
  with_storage(a.q.dtype(), "attention_grad", [&](auto zero) {
    using T = decltype(zero);
    AttentionView<T> view = view_of<T>(a);
    view.dy = data<T>(g.dy);
    view.pull = data<float>(pull);
    launch("attention_grad: dy . y", attention_pull<T>, WarpTeam::work(pull.numel()), view, data<T>(a.y),
           pull.numel());
    std::initializer_list<const Tensor*> tensors = {&a.q, &a.k, &a.v, &g.dy, &g.dq, &g.dk, &g.dv};
    with_engine<T>(size, tensors, [&](auto engine) {
      using Engine = decltype(engine);
      view.wide = in_runs<T>(size, Engine::kRun, tensors);
      if (g.dq.defined()) {
        launch("attention_grad: queries", attention_grad_queries<Engine>,
               work_of<Engine, QueryTiles>(heads, view.queries), view, data<T>(g.dq));
      }
      if (g.dk.defined()) {
        launch("attention_grad: keys", attention_grad_keys<Engine>,
               work_of<Engine, KeyTiles>(heads, view.keys), view, data<T>(g.dk), data<T>(g.dv));
      }
      if (g.dbias.defined()) {
        launch("attention_grad: bias", attention_grad_bias<Engine>,
               work_of<Engine, BiasTiles>(view.bias_heads, view.queries, view.keys), view, to_int(batch),
               data<T>(g.dbias));
      }
    });
  });
}

}  // namespace graft::kernels::cuda
