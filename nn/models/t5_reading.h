// A result that T5 is writing: the encoder's keys and values, made once, and those of the tokens so far.
#pragma once

#include "nn/models/t5.h"

namespace graft::nn {

class T5Reading : public Continuation {
 public:
  T5Reading(T5& model, const std::vector<int64_t>& prompt);
  Tensor append(const Tensor& tokens, int64_t last) override;
  void select(const std::vector<int64_t>& rows) override;
  void truncate(int64_t length) override { own_.truncate(length); }
  int64_t length() const override { return own_.length(); }

 private:
  T5& model_;
  KeyValueCache own_, read_;
  size_t rows_ = 1;
};

}  // namespace graft::nn
