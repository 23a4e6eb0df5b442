#include "nn/models/language_task.h"

namespace graft::nn {

void LanguageTask::replace_head(int64_t, uint64_t) {
  fail<UsageError>(
      "a language model's head is its vocabulary: train its last layers (partial:N) or all (full)");
}

Var Gpt2Task::forward(const Var& batch) {
  Var logits = net.forward(batch.value().to(kCpu));  // [N, T, vocabulary]
  return seen(reshape(logits, {logits.dim(0) * logits.dim(1), logits.dim(2)}));
}

std::vector<Stage> Gpt2Task::stages() const {
  std::vector<Stage> out{{"transformer.wte", {"transformer.wte", "transformer.wpe"}}};
  for (int64_t i = 0; i < net.config.layers; ++i) {
    std::string name = str("transformer.h.", i);
    out.push_back({name, {name}});
  }
  out.back().prefixes.push_back("transformer.ln_f");
  if (net.lm_head) out.back().prefixes.push_back("lm_head");
  return out;
}

Var T5Task::forward(const Var& batch) {
  Tensor host = batch.value().to(kCpu);
  GRAFT_CHECK(host.rank() == 2 && host.dtype() == DType::i64 && host.dim(0) >= 1 && host.dim(1) >= 2,
              "T5: ", host, " is not i64 [N, 2 + S + T]");
  int64_t most = host.data<int64_t>()[1], rows = host.dim(0);
  GRAFT_CHECK(most >= 0 && 2 + most <= host.dim(1), "T5: ", most, " source tokens in ", host);
  Tensor lengths = host.slice(1, 0, 1).contiguous().reshape({rows});
  Tensor ids = host.slice(1, 2, 2 + most).contiguous();
  Tensor wanted = host.slice(1, 2 + most, host.dim(1)).contiguous();
  Var logits = net.forward(ids, lengths, wanted);  // [N, T, vocabulary]
  return seen(reshape(logits, {rows * logits.dim(1), logits.dim(2)}));
}

std::vector<Stage> T5Task::stages() const {
  std::vector<Stage> out{{"shared", {"shared"}}};
  for (int64_t i = 0; i < net.config.layers; ++i) {
    std::string name = str("encoder.block.", i);
    out.push_back({name, {name}});
  }
  out.back().prefixes.push_back("encoder.final_layer_norm");
  for (int64_t i = 0; i < net.config.decoder_layers; ++i) {
    std::string name = str("decoder.block.", i);
    out.push_back({name, {name}});
  }
  out.back().prefixes.push_back("decoder.final_layer_norm");
  if (net.lm_head) out.back().prefixes.push_back("lm_head");
  return out;
}

Tensor packed_pairs(const Tensor& ids, const Tensor& lengths, const Tensor& wanted) {
  int64_t rows = ids.dim(0), most = ids.dim(1), count = wanted.dim(1);
  GRAFT_CHECK(lengths.shape() == Shape({rows}) && wanted.dim(0) == rows, "T5: sources ", ids, ", lengths ",
              lengths, ", wanted ", wanted);
  Tensor out = Tensor::empty({rows, 2 + most + count}, DType::i64);
  for (int64_t i = 0; i < rows; ++i) {
    out.data<int64_t>()[i * out.dim(1)] = lengths.data<int64_t>()[i];
    out.data<int64_t>()[i * out.dim(1) + 1] = most;
  }
  out.slice(1, 2, 2 + most).copy_from(ids);
  out.slice(1, 2 + most, out.dim(1)).copy_from(wanted);
  return out;
}

}  // namespace graft::nn
