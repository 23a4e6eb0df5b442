#include "transfer/language_data.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/sha256.h"
#include "nn/models/language_task.h"

namespace graft::transfer {
namespace {

constexpr int64_t kIgnored = -100;

void add_tokens(Sha256& hash, std::span<const int64_t> tokens) {
  hash.add(str(tokens.size(), "\n")).add(tokens.data(), tokens.size() * sizeof(int64_t));
}

}  // namespace

BlockExamples::BlockExamples(std::vector<int64_t> tokens, int64_t length, const std::string& where)
    : tokens_(std::make_shared<const std::vector<int64_t>>(std::move(tokens))), length_(length) {
  auto count = static_cast<int64_t>(tokens_->size());
  GRAFT_CHECK_AS(DataError, count >= 2, printable(where), ": ", count, count == 1 ? " token" : " tokens",
                 "; predicting the next one needs two or more");
  for (int64_t at = 0; at + 1 < count; at += length) {
    labelled_.files.push_back(str("block ", starts_.size() + 1));
    labelled_.labels.push_back(0);
    starts_.push_back(at);
  }
}

// The tokens `ahead` of each place of the blocks; behind the text's end `filler`.
Tensor BlockExamples::rows(std::span<const int64_t> which, int64_t ahead, int64_t filler) const {
  auto end = static_cast<int64_t>(tokens_->size());
  int64_t most = 0;
  for (int64_t i : which)
    most = std::max(most, std::min(length_, end - 1 - starts_.at(static_cast<size_t>(i))));
  Tensor out =
      Tensor::full({static_cast<int64_t>(which.size()), most}, static_cast<double>(filler), DType::i64);
  int64_t* to = out.data<int64_t>();
  for (int64_t i : which) {
    int64_t start = starts_[static_cast<size_t>(i)];
    for (int64_t t = 0; t < most; ++t, ++to) {
      if (start + t + 1 < end) *to = (*tokens_)[static_cast<size_t>(start + t + ahead)];
    }
  }
  return out;
}

Tensor BlockExamples::targets(std::span<const int64_t> which) const {
  Tensor out = rows(which, 1, kIgnored);
  return out.reshape({out.numel()});
}

std::string BlockExamples::describe() const {
  return str("blocks of ", length_, " tokens ", content_sha256(), "\n");
}

std::string BlockExamples::content_sha256() const {
  Sha256 hash;
  add_tokens(hash, *tokens_);
  add_tokens(hash, starts_);
  return hash.hex();
}

std::unique_ptr<Examples> BlockExamples::part(std::span<const int64_t> which) const {
  auto out = std::unique_ptr<BlockExamples>(new BlockExamples());
  out->tokens_ = tokens_;
  out->length_ = length_;
  for (int64_t i : which) {
    out->starts_.push_back(starts_.at(static_cast<size_t>(i)));
    out->labelled_.files.push_back(labelled_.files[static_cast<size_t>(i)]);
    out->labelled_.labels.push_back(0);
  }
  return out;
}

std::pair<std::unique_ptr<Examples>, std::unique_ptr<Examples>> BlockExamples::held_out(double share) const {
  int64_t count = size();
  GRAFT_CHECK_AS(
      DataError, count >= 2, "language modelling: the text is one block of at most ", length_,
      " tokens, and a part has to be held out; use shorter blocks (--max-length) or a second file");
  int64_t last = std::clamp<int64_t>(std::llround(share * static_cast<double>(count)), 1, count - 1);
  std::vector<int64_t> first, second;
  for (int64_t i = 0; i < count; ++i) (i < count - last ? first : second).push_back(i);
  return {part(first), part(second)};
}

PairExamples::PairExamples(const std::vector<data::TextRow>& rows, const data::Tokenizer& tokenizer,
                           int64_t max_length) {
  data::EncodeOptions how;
  how.max_length = max_length;
  for (const data::TextRow& row : rows) {
    data::Encoding source = tokenizer.encode(row.text, how), wanted = tokenizer.encode(row.label, how);
    truncated_ += source.truncated + wanted.truncated;
    GRAFT_CHECK_AS(DataError, !source.ids.empty() && !wanted.ids.empty(), row.place,
                   ": no token in the source or in the target");
    pairs_.push_back(std::make_shared<const Pair>(Pair{source.ids, wanted.ids}));
    labelled_.files.push_back(row.text);
    labelled_.labels.push_back(0);
  }
}

Tensor PairExamples::wanted(std::span<const int64_t> which) const {
  size_t most = 0;
  for (int64_t i : which) most = std::max(most, pairs_.at(static_cast<size_t>(i))->wanted.size());
  Tensor out =
      Tensor::full({static_cast<int64_t>(which.size()), static_cast<int64_t>(most)}, kIgnored, DType::i64);
  int64_t* to = out.data<int64_t>();
  for (int64_t i : which) {
    const std::vector<int64_t>& tokens = pairs_[static_cast<size_t>(i)]->wanted;
    std::copy(tokens.begin(), tokens.end(), to);
    to += most;
  }
  return out;
}

Tensor PairExamples::targets(std::span<const int64_t> which) const {
  Tensor out = wanted(which);
  return out.reshape({out.numel()});
}

Tensor PairExamples::inputs(std::span<const int64_t> which) const {
  size_t most = 0;
  for (int64_t i : which) most = std::max(most, pairs_.at(static_cast<size_t>(i))->source.size());
  auto rows = static_cast<int64_t>(which.size());
  Tensor ids = Tensor::zeros({rows, static_cast<int64_t>(most)}, DType::i64);
  Tensor lengths = Tensor::empty({rows}, DType::i64);
  for (size_t r = 0; r < which.size(); ++r) {
    const std::vector<int64_t>& tokens = pairs_[static_cast<size_t>(which[r])]->source;
    std::copy(tokens.begin(), tokens.end(), ids.data<int64_t>() + r * most);
    lengths.data<int64_t>()[r] = static_cast<int64_t>(tokens.size());
  }
  return nn::packed_pairs(ids, lengths, wanted(which));
}

std::vector<int64_t> PairExamples::lengths() const {
  std::vector<int64_t> out;
  for (const auto& pair : pairs_) out.push_back(static_cast<int64_t>(pair->source.size()));
  return out;
}

std::string PairExamples::describe() const {
  return str("pairs ", content_sha256(), "\n");
}

std::string PairExamples::content_sha256() const {
  Sha256 hash;
  for (const auto& pair : pairs_) {
    add_tokens(hash, pair->source);
    add_tokens(hash, pair->wanted);
  }
  return hash.hex();
}

std::unique_ptr<Examples> PairExamples::part(std::span<const int64_t> which) const {
  auto out = std::unique_ptr<PairExamples>(new PairExamples());
  for (int64_t i : which) {
    out->pairs_.push_back(pairs_.at(static_cast<size_t>(i)));
    out->labelled_.files.push_back(labelled_.files[static_cast<size_t>(i)]);
    out->labelled_.labels.push_back(0);
  }
  return out;
}

}  // namespace graft::transfer
