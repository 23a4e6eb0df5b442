#include "nn/models/t5_reading.h"

namespace graft::nn {

T5Reading::T5Reading(T5& model, const std::vector<int64_t>& prompt)
    : model_(model), own_(model.config.decoder_layers), read_(model.config.decoder_layers) {
  NoGrad no_grad;
  Var memory = model.encode(Tensor::from(prompt, {1, static_cast<int64_t>(prompt.size())}));
  for (int64_t i = 0; i < model.config.decoder_layers; ++i) {
    auto [keys, values] = model.decoder.block[static_cast<size_t>(i)].cross->attention.offer(memory);
    read_.append(i, keys.value(), values.value());
  }
}

Tensor T5Reading::append(const Tensor& tokens, int64_t last) {
  NoGrad no_grad;
  T5Context context;
  context.own = &own_;
  context.read = &read_;
  Var hidden = model_.decode(tokens, context);
  Var end(hidden.value().slice(1, tokens.dim(1) - last, tokens.dim(1)).contiguous());
  return model_.head(end).value().to(DType::f32).to(kCpu).contiguous();
}

void T5Reading::select(const std::vector<int64_t>& rows) {
  own_.select(rows);
  if (rows.size() == rows_) return;
  rows_ = rows.size();
  read_.select(std::vector<int64_t>(rows_, 0));  // all rows read the same text
}

}  // namespace graft::nn
