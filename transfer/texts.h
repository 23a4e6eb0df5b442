// Texts with classes as the training loop takes them: tokens, padded to the longest of a batch.
#pragma once

#include <memory>

#include "data/text/tokenizer.h"
#include "data/text_table.h"
#include "transfer/examples.h"

namespace graft::transfer {

class TextExamples : public Examples {
 public:
  // Reads the rows' labels where `classes` has any; otherwise all are class 0, for texts whose class is not
  // known. At most `max_length` tokens of a text, special ones included; of a pair the longer text is cut.
  // Throws DataError, naming the row, for a label that is none of the classes.
  TextExamples(const std::vector<data::TextRow>& rows, const std::vector<std::string>& classes,
               const data::Tokenizer& tokenizer, int64_t max_length);

  const Labelled& labelled() const override { return labelled_; }
  Samples samples() const override { return Samples::texts; }
  Tensor inputs(std::span<const int64_t> which) const override;
  std::vector<int64_t> lengths() const override;
  std::string describe() const override;
  std::string content_sha256() const override;
  std::unique_ptr<Examples> part(std::span<const int64_t> which) const override;

  // Texts of which the end was cut off.
  int64_t truncated() const;

 private:
  TextExamples(data::Tokenizer tokenizer, int64_t max_length)
      : tokenizer_(std::move(tokenizer)), max_length_(max_length) {}
  Labelled labelled_;  // the names are the texts themselves
  std::vector<std::shared_ptr<const data::Encoding>> encodings_;
  data::Tokenizer tokenizer_;
  int64_t max_length_;
};

// A text, or both of a pair, as one line for reports.
std::string text_of(const data::TextRow& row);

}  // namespace graft::transfer
