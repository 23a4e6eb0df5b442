// What language models learn from, as the training loop takes it: blocks of a running text, and pairs of a
// source and the result that is wanted of it.
#pragma once

#include <memory>
#include <utility>

#include "data/text/tokenizer.h"
#include "data/text_table.h"
#include "transfer/examples.h"

namespace graft::transfer {

// Blocks of at most `length` tokens of one text; each token but the very first is predicted once, from those
// before it in its block and the last of the block before.
class BlockExamples : public Examples {
 public:
  // Throws DataError for a text of fewer than two tokens; `where` names it.
  BlockExamples(std::vector<int64_t> tokens, int64_t length, const std::string& where);

  const Labelled& labelled() const override { return labelled_; }
  Samples samples() const override { return Samples::tokens; }
  Tensor inputs(std::span<const int64_t> which) const override { return rows(which, 0, 0); }
  Tensor targets(std::span<const int64_t> which) const override;
  std::string describe() const override;
  std::string content_sha256() const override;
  std::unique_ptr<Examples> part(std::span<const int64_t> which) const override;
  // The first blocks, and the last round(share * blocks) of them, at least one. Throws DataError where there
  // is only one.
  std::pair<std::unique_ptr<Examples>, std::unique_ptr<Examples>> held_out(double share) const;

 private:
  BlockExamples() = default;
  Tensor rows(std::span<const int64_t> which, int64_t ahead, int64_t filler) const;
  std::shared_ptr<const std::vector<int64_t>> tokens_;
  int64_t length_ = 0;
  std::vector<int64_t> starts_;
  Labelled labelled_;
};

class PairExamples : public Examples {
 public:
  // At most `max_length` tokens of a source, and of a result.
  PairExamples(const std::vector<data::TextRow>& rows, const data::Tokenizer& tokenizer, int64_t max_length);

  const Labelled& labelled() const override { return labelled_; }
  Samples samples() const override { return Samples::tokens; }
  Tensor inputs(std::span<const int64_t> which) const override;
  Tensor targets(std::span<const int64_t> which) const override;
  std::vector<int64_t> lengths() const override;
  std::string describe() const override;
  std::string content_sha256() const override;
  std::unique_ptr<Examples> part(std::span<const int64_t> which) const override;

  // Sources and results of which the end was cut off.
  int64_t truncated() const { return truncated_; }

 private:
  struct Pair {
    std::vector<int64_t> source, wanted;
  };
  PairExamples() = default;
  Tensor wanted(std::span<const int64_t> which) const;
  std::vector<std::shared_ptr<const Pair>> pairs_;
  int64_t truncated_ = 0;
  Labelled labelled_;
};

}  // namespace graft::transfer
