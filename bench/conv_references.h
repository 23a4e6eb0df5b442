// What graft's convolutions are measured against: im2col with Eigen's matrix product, and oneDNN where it is
// installed.
#pragma once

#include <Eigen/Core>
#include <cstring>

#include "bench/conv_cases.h"
#include "core/tensor.h"

#ifdef GRAFT_HAS_DNNL
#include <unordered_map>

#include "dnnl.hpp"
#endif

namespace graft::bench {

// im2col picture by picture, which keeps the gathered windows in cache, then one product; a 1 x 1 convolution
// at stride 1 needs no copy and is one product over the batch. The weights lie ready as [K, O].
class EigenConv {
 public:
  EigenConv(const ConvCase& c, int64_t batch, const Tensor& x, const Tensor& weight)
      : c_(c), batch_(batch), x_(x), depth_(c.kernel * c.kernel * c.channels) {
    weight_ = Eigen::Map<const Matrix>(weight.data<float>(), c.outputs, depth_).transpose();
    if (!direct()) windows_.setZero(c.out_size() * c.out_size(), depth_);
  }

  void run(const Tensor& y) {
    using ConstMap = Eigen::Map<const Matrix>;
    using Map = Eigen::Map<Matrix>;
    int64_t pixels = c_.out_size() * c_.out_size();
    if (direct()) {
      Map(y.data<float>(), batch_ * pixels, c_.outputs).noalias() =
          ConstMap(x_.data<float>(), batch_ * pixels, depth_) * weight_;
      return;
    }
    for (int64_t n = 0; n < batch_; ++n) {
      gather(x_.data<float>() + n * c_.size * c_.size * c_.channels);
      Map(y.data<float>() + n * pixels * c_.outputs, pixels, c_.outputs).noalias() = windows_ * weight_;
    }
  }

 private:
  using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

  bool direct() const { return c_.kernel == 1 && c_.stride == 1; }

  // The padding's zeros were written once and stay.
  void gather(const float* picture) {
    int64_t out = c_.out_size(), run = c_.kernel * c_.channels;
    for (int64_t p = 0; p < out; ++p) {
      for (int64_t q = 0; q < out; ++q) {
        float* row = windows_.data() + (p * out + q) * depth_;
        int64_t left = q * c_.stride - c_.padding;
        int64_t first = std::max<int64_t>(0, -left), last = std::min(c_.kernel, c_.size - left);
        for (int64_t i = 0; i < c_.kernel; ++i) {
          int64_t h = p * c_.stride - c_.padding + i;
          if (h < 0 || h >= c_.size) continue;
          std::memcpy(row + i * run + first * c_.channels,
                      picture + (h * c_.size + left + first) * c_.channels,
                      static_cast<size_t>((last - first) * c_.channels) * sizeof(float));
        }
      }
    }
  }

  ConvCase c_;
  int64_t batch_;
  Tensor x_;
  int64_t depth_;
  Matrix weight_, windows_;
};

#ifdef GRAFT_HAS_DNNL

// Forward, gradient of the input and of the weight. Layouts: `nhwc` keeps pictures as graft has them, else
// oneDNN chooses; its weights are always in the order that it asks for. Reorders happen before the clock
// starts.
class DnnlConv {
 public:
  enum class Pass { forward, grad_input, grad_weight };

  DnnlConv(const ConvCase& c, int64_t batch, bool nhwc, Pass pass, const Tensor& x, const Tensor& weight,
           const Tensor& y)
      : stream_(engine_) {
    using namespace dnnl;
    using md = memory::desc;
    using tag = memory::format_tag;
    auto f32 = memory::data_type::f32;
    memory::dims xs = {batch, c.channels, c.size, c.size},
                 ys = {batch, c.outputs, c.out_size(), c.out_size()};
    memory::dims ws = {c.outputs, c.channels, c.kernel, c.kernel}, strides = {c.stride, c.stride};
    memory::dims padding = {c.padding, c.padding};
    if (c.groups > 1) ws = {c.groups, c.outputs / c.groups, c.channels / c.groups, c.kernel, c.kernel};
    tag weight_tag = c.groups > 1 ? tag::gohwi : tag::ohwi, picture_tag = nhwc ? tag::nhwc : tag::any;
    md x_md(xs, f32, picture_tag), y_md(ys, f32, picture_tag), w_md(ws, f32, tag::any);
    auto auto_choice = algorithm::convolution_auto, direct = algorithm::convolution_direct;

    bool forward = pass == Pass::forward;
    convolution_forward::primitive_desc hint(
        {forward ? prop_kind::forward_inference : prop_kind::forward_training, forward ? auto_choice : direct,
         x_md, w_md, y_md, strides, padding, padding},
        engine_);
    if (pass == Pass::forward) {
      place(hint.src_desc(), xs, tag::nhwc, x, DNNL_ARG_SRC);
      place(hint.weights_desc(), ws, weight_tag, weight, DNNL_ARG_WEIGHTS);
      place(hint.dst_desc(), ys, tag::nhwc, y, DNNL_ARG_DST);
      primitive_ = convolution_forward(hint);
      result_ = DNNL_ARG_DST;
    } else if (pass == Pass::grad_input) {
      convolution_backward_data::primitive_desc desc({direct, x_md, w_md, y_md, strides, padding, padding},
                                                     engine_, hint);
      place(desc.diff_src_desc(), xs, tag::nhwc, x, DNNL_ARG_DIFF_SRC);
      place(desc.weights_desc(), ws, weight_tag, weight, DNNL_ARG_WEIGHTS);
      place(desc.diff_dst_desc(), ys, tag::nhwc, y, DNNL_ARG_DIFF_DST);
      primitive_ = convolution_backward_data(desc);
      result_ = DNNL_ARG_DIFF_SRC;
    } else {
      convolution_backward_weights::primitive_desc desc({direct, x_md, w_md, y_md, strides, padding, padding},
                                                        engine_, hint);
      place(desc.src_desc(), xs, tag::nhwc, x, DNNL_ARG_SRC);
      place(desc.diff_weights_desc(), ws, weight_tag, weight, DNNL_ARG_DIFF_WEIGHTS);
      place(desc.diff_dst_desc(), ys, tag::nhwc, y, DNNL_ARG_DIFF_DST);
      primitive_ = convolution_backward_weights(desc);
      result_ = DNNL_ARG_DIFF_WEIGHTS;
    }
  }

  void run() {
    primitive_.execute(stream_, args_);
    stream_.wait();
  }

  // The result in graft's layout.
  Tensor result(const Tensor& like) {
    Tensor out = like.empty_like();
    dnnl::memory plain(plain_.at(result_), engine_, out.raw());
    dnnl::reorder(args_.at(result_), plain).execute(stream_, args_.at(result_), plain);
    stream_.wait();
    return out;
  }

 private:
  void place(const dnnl::memory::desc& desc, const dnnl::memory::dims& dims, dnnl::memory::format_tag tag,
             const Tensor& tensor, int arg) {
    plain_[arg] = dnnl::memory::desc(dims, dnnl::memory::data_type::f32, tag);
    dnnl::memory plain(plain_[arg], engine_, tensor.raw()), own(desc, engine_);
    dnnl::reorder(plain, own).execute(stream_, plain, own);
    stream_.wait();
    args_.emplace(arg, own);
  }

  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  std::unordered_map<int, dnnl::memory> args_;
  std::unordered_map<int, dnnl::memory::desc> plain_;
  int result_ = 0;
};

#endif

}  // namespace graft::bench
