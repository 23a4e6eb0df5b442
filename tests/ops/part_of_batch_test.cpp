// Batch norm over parts of a batch, each computed by a member that is a thread here.
#include "autograd/part_of_batch.h"

#include <algorithm>
#include <barrier>
#include <thread>

#include "autograd/ops.h"
#include "tests/support.h"

using namespace graft;
using namespace graft::test;

namespace {

// What all members meet at.
struct Meeting {
  explicit Meeting(int members) : size(members), given(static_cast<size_t>(members)), all_here(members) {}
  int size;
  std::vector<Tensor> given;
  std::barrier<> all_here;
};

class Member : public Members {
 public:
  Member(Meeting& meeting, int rank) : meeting_(meeting), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return meeting_.size; }
  void sum(const Tensor& values) override {
    meeting_.given[static_cast<size_t>(rank_)] = values.clone();
    meeting_.all_here.arrive_and_wait();
    values.fill(0);
    for (const Tensor& t : meeting_.given) {
      for (int64_t i = 0; i < t.numel(); ++i) values.data<double>()[i] += t.data<double>()[i];
    }
    meeting_.all_here.arrive_and_wait();
  }

 private:
  Meeting& meeting_;
  int rank_;
};

// What a member, or one process alone, makes of its rows.
struct Made {
  Tensor y, dx, dweight, dbias, running_mean, running_var;
};

Made make(const Tensor& x, const Tensor& dy, const Tensor& weight, const Tensor& bias) {
  Var input(x, true), w(weight, true), b(bias, true);
  Made out;
  out.running_mean = Tensor::zeros(weight.shape(), weight.dtype());
  out.running_var = Tensor::full(weight.shape(), 1, weight.dtype());
  Var y = batch_norm_train(input, w, b, out.running_mean, out.running_var, {.act = Activation::relu});
  backward(y, dy);
  out.y = y.value(), out.dx = input.grad(), out.dweight = w.grad(), out.dbias = b.grad();
  return out;
}

}  // namespace

TEST_CASE("part of batch: batch norm of parts is that of the whole, forward and backward") {
  constexpr int64_t kChannels = 5;
  // Rows of each member; of the last one 3 that do not count.
  for (std::vector<int64_t> rows : {std::vector<int64_t>{4, 4, 3}, {1, 6, 3}, {2, 3}, {9, 1, 1, 3}}) {
    size_t members = rows.size();
    bool idle = rows.back() == 3;
    int64_t total = 0;
    for (size_t m = 0; m + idle < members; ++m) total += rows[m];
    INFO(members << " members, " << total << " rows");
    Tensor x = random_tensor({total, kChannels}, 1), dy = random_tensor({total, kChannels}, 2);
    for (int64_t i = 0; i < x.numel(); ++i) x.data<double>()[i] += 100;  // a mean far from zero
    Tensor weight = random_tensor({kChannels}, 3), bias = random_tensor({kChannels}, 4);
    Made whole = make(x, dy, weight, bias);
    Meeting meeting(static_cast<int>(members));
    std::vector<Made> parts(members);
    std::vector<std::thread> threads;
    int64_t begin = 0;
    for (size_t m = 0; m < members; ++m) {
      bool counts = !idle || m + 1 < members;
      int64_t from = counts ? begin : 0, end = from + rows[m];
      if (counts) begin = end;
      threads.emplace_back([&, m, counts, from, end] {
        Member self(meeting, static_cast<int>(m));
        PartOfBatch part(self, counts);
        Tensor own = counts ? x.slice(0, from, end).contiguous() : random_tensor({rows[m], kChannels}, 9);
        Tensor own_dy = counts ? dy.slice(0, from, end).contiguous() : own.zeros_like();
        parts[m] = make(own, own_dy, weight, bias);
      });
    }
    for (std::thread& t : threads) t.join();
    Tensor dweight = weight.zeros_like(), dbias = bias.zeros_like();
    begin = 0;
    for (size_t m = 0; m < members; ++m) {
      bool counts = !idle || m + 1 < members;
      const Made& part = parts[m];
      if (counts) {
        int64_t end = begin + rows[m];
        CHECK(max_relative_difference(part.y, whole.y.slice(0, begin, end).contiguous()) < 1e-11);
        CHECK(max_relative_difference(part.dx, whole.dx.slice(0, begin, end).contiguous()) < 1e-9);
        begin = end;
      } else {
        auto all = part.dx.span<double>();
        CHECK(std::all_of(all.begin(), all.end(), [](double d) { return d == 0; }));
      }
      for (int64_t c = 0; c < kChannels; ++c) {
        dweight.data<double>()[c] += part.dweight.data<double>()[c];
        dbias.data<double>()[c] += part.dbias.data<double>()[c];
      }
      CHECK(bit_equal(part.running_mean, parts[0].running_mean));
      CHECK(bit_equal(part.running_var, parts[0].running_var));
      CHECK(max_relative_difference(part.running_mean, whole.running_mean) < 1e-12);
      CHECK(max_relative_difference(part.running_var, whole.running_var) < 1e-11);
    }
    CHECK(max_relative_difference(dweight, whole.dweight) < 1e-10);
    CHECK(max_relative_difference(dbias, whole.dbias) < 1e-12);
  }
  CHECK(!PartOfBatch::here());
}
