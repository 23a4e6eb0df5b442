#include "transfer/team.h"

#include "autograd/ops.h"
#include "core/step_graph.h"
#include "kernels/binary.h"
#include "tests/support.h"
#include "transfer/gradient_sum.h"

using namespace graft;
using namespace graft::test;
using namespace graft::transfer;

namespace {

// Two members of which the other one holds the same as this: a sum doubles.
class Mirror : public Team {
 public:
  int rank() const override { return 0; }
  int size() const override { return 2; }
  void sum(const Tensor& values) override { values.copy_from(sum_of(values, values)); }
  void start_sum(const Tensor& values) override { started.push_back(values); }
  void wait() override {
    for (const Tensor& t : started) t.copy_from(sum_of(t, t));
    sums += static_cast<int>(started.size());
    started.clear();
  }
  void broadcast(std::span<std::byte>) override {}
  void barrier() override {}

  std::vector<Tensor> started;
  int sums = 0;

 private:
  friend class MirrorOnDevice;
  static Tensor sum_of(const Tensor& a, const Tensor& b) { return add(Var(a), Var(b)).value(); }
};

// The same on a device, as far as sums go.
class MirrorOnDevice : public Mirror, public DeviceSums {
 public:
  explicit MirrorOnDevice(Device device) : side_(make_side_stream(device)) {}
  DeviceSums* device_sums(Device) override { return this; }

  std::string name() const override { return "a mirror"; }
  std::unique_ptr<Mark> mark() override { return side_->mark(); }
  void start(const Mark& after, std::function<void()> prepare, const Tensor& values) override {
    started_there.push_back(values.numel());
    side_->run(after, [prepare, values] {
      prepare();
      kernels::add(values, values, values);
    });
  }
  void wait() override {
    Mirror::wait();
    while (!side_->is_done()) {
    }
  }

  std::vector<int64_t> started_there;  // the elements of each

 private:
  std::unique_ptr<SideStream> side_;
};

}  // namespace

TEST_CASE("backward tells of each leaf once, when nothing more is added to its gradient") {
  Var a(random_tensor({3}, 1), true), b(random_tensor({3}, 2), true), constant(random_tensor({3}, 3));
  Var early = multiply(a, b);                    // uses a first
  Var late = multiply(add(early, constant), b);  // b twice
  std::vector<Var> told;
  std::vector<Tensor> gradients;
  backward(sum(add(late, multiply(b, b))), {}, [&](const Var& leaf) {  // and twice more by one node
    told.push_back(leaf);
    gradients.push_back(leaf.grad().clone());
  });
  REQUIRE(told.size() == 2);
  CHECK((told[0] == a ? told[1] == b : told[0] == b && told[1] == a));
  for (size_t i = 0; i < told.size(); ++i) CHECK(bit_equal(gradients[i], told[i].grad()));
  Var alone(random_tensor({}, 4), true);
  told.clear();
  backward(alone, {}, [&](const Var& leaf) { told.push_back(leaf); });
  CHECK(told.size() == 1);
}

TEST_CASE("team: parts follow each other, and the first member always has one") {
  for (int64_t count : {0, 1, 2, 5, 8, 33}) {
    for (int size : {1, 2, 3, 4, 7}) {
      int64_t end = 0;
      for (int rank = 0; rank < size; ++rank) {
        Part part = part_of(count, rank, size);
        CHECK(part.begin == end);
        CHECK(part.size() >= count / size);
        CHECK(part.size() <= (count + size - 1) / size);
        CHECK(part.size() <= part_of(count, 0, size).size());
        end = part.end;
      }
      CHECK(end == count);
    }
  }
}

TEST_CASE(
    "gradient sum: buckets start while backward goes on, and batches of a step add up by their shares") {
  Mirror team;
  // 9 matrices of 360 kB: three to a bucket; one parameter has another type, one no gradient.
  std::vector<Var> parameters;
  for (uint64_t i = 0; i < 9; ++i) parameters.emplace_back(random_tensor({300, 300}, i, DType::f32), true);
  parameters.emplace_back(random_tensor({4}, 20), true);
  parameters.emplace_back(random_tensor({5}, 21), true);
  auto loss = [&](uint64_t seed) {
    Var x(random_tensor({2, 300}, seed, DType::f32));
    for (size_t i = 0; i < 9; ++i) x = scale(matmul(x, parameters[i]), 0.06);
    return add(cast(sum(x), DType::f64), sum(parameters[9]));
  };
  auto gradients_of = [&](uint64_t seed, double share, const LeafDone& leaf_done) {
    for (const Var& p : parameters) p.clear_grad();
    backward(loss(seed), Tensor::full({}, share, DType::f64), leaf_done);
    std::vector<Tensor> out;
    for (const Var& p : parameters) out.push_back(p.grad());
    return out;
  };
  GradientSum total(team, parameters);
  for (int step = 0; step < 3; ++step) {
    INFO("step " << step);
    uint64_t first = 30 + 2 * static_cast<uint64_t>(step), second = first + 1;
    std::vector<Tensor> a = gradients_of(first, 1, {}), b = gradients_of(second, 1, {});
    team.sums = 0;
    total.begin(true, false);
    total.add(gradients_of(first, 0.25, total.leaf_done()));
    CHECK(team.started.empty());
    total.begin(true, true);
    std::vector<Tensor> last = gradients_of(second, 0.5, total.leaf_done());
    CHECK(team.started.size() == 4);  // every one before backward was over
    total.add(last);
    std::vector<Tensor> sums = total.take();
    CHECK(team.sums == 4);
    CHECK(!sums[10].defined());
    for (size_t i = 0; i < 10; ++i) {
      Var expected = add(scale(Var(a[i]), 0.5), scale(Var(b[i]), 1.0));
      CHECK(max_relative_difference(sums[i], expected.value()) < 1e-6);
    }
  }
  // What counts nothing counts nothing, NaN included; and the others are made anew in each step.
  total.begin(false, true);
  std::vector<Tensor> bad = gradients_of(40, 1, {});
  for (Tensor& g : bad) {
    if (g.defined()) g.fill(std::nan(""));
  }
  total.add(bad);
  std::vector<Tensor> nothing = total.take();
  for (size_t i = 0; i < 10; ++i) CHECK(bit_equal(nothing[i], nothing[i].zeros_like()));
  // Gradients where the leader has none are an error, not a silence.
  bad[10] = parameters[10].value();
  total.begin(true, true);
  check_throws<Error>([&] { total.add(bad); }, {"parameter 10", "process 0"});
}

TEST_CASE("gradient sum: on a device, buckets are summed there behind their marks, in recorded steps too") {
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    MirrorOnDevice team(device);
    // Two buckets: 300 x 1000 numbers are 1.2 MB. The last has no gradient.
    std::vector<Var> parameters;
    for (const Shape& shape : {Shape{7}, Shape{300, 1000}, Shape{3, 5}, Shape{2}})
      parameters.emplace_back(random_tensor(shape, 1, DType::f32).to(device), true);
    Tensor x = Tensor::zeros({}, DType::f32, device);  // what the gradients are: 1, 2, 3 times x
    GradientSum total(team, parameters);
    auto run = [&](StepGraph& graph, double value) {
      feed(x, Tensor::full({}, value));
      return graph.run([&]() -> std::vector<Tensor> {
        for (const Var& p : parameters) p.clear_grad();
        Var loss;
        for (size_t i = 0; i < 3; ++i) {
          Var part = scale(multiply(sum(parameters[i]), Var(x)), static_cast<double>(i + 1));
          loss = loss ? add(loss, part) : part;
        }
        backward(loss, {}, total.leaf_done());
        total.backward_is_over();
        std::vector<Tensor> out;
        for (const Var& p : parameters) out.push_back(p.grad());
        return out;
      });
    };
    auto check = [&](const std::vector<Tensor>& sums, double factor) {
      CHECK(!sums[3].defined());
      for (size_t i = 0; i < 3; ++i) {
        CHECK(sums[i].device() == device);
        double expected = 2 * factor * static_cast<double>(i + 1);
        CHECK(bit_equal(sums[i].to(kCpu), Tensor::full(parameters[i].shape(), expected)));
      }
    };
    StepGraph graph(device), of_others(device);  // of two sizes of a batch
    for (int step = 1; step <= 5; ++step) {
      INFO("step " << step);
      team.started_there.clear();
      total.begin(true, false);
      total.add(run(graph, step));
      CHECK(team.started_there.empty());
      total.begin(step != 4, true);
      total.add(run(step % 2 ? graph : of_others, 10));
      CHECK(team.started_there.size() == 2);
      check(total.take(), step == 4 ? step : step + 10);
    }
    total.begin(false, true);
    total.add(run(graph, std::nan("")));
    check(total.take(), 0);
    CHECK(graph.recorded());
    CHECK(team.sums == 0);
  }
}
