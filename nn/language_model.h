// What every network offers that continues text: nn/generate.h knows networks only through this.
#pragma once

#include <memory>
#include <vector>

#include "nn/module.h"

namespace graft::nn {

// Rows of tokens that a network is continuing, with what it keeps of them so that a further token costs time
// in proportion to those before it, and not to their square.
class Continuation {
 public:
  virtual ~Continuation() = default;
  // tokens i64 [rows, T], on the CPU: what follows in each row -> logits [rows, last, vocabulary], on the
  // CPU, of what comes after each of the last `last` of them; 1 <= last <= T. Throws DataError for a token
  // that is not in the vocabulary.
  virtual Tensor append(const Tensor& tokens, int64_t last = 1) = 0;
  // Row i goes on from what row rows[i] was; there may be more or fewer of them than before.
  virtual void select(const std::vector<int64_t>& rows) = 0;
  // Forgets all but the first `length` tokens of every row.
  virtual void truncate(int64_t length) = 0;
  // Tokens of each row so far.
  virtual int64_t length() const = 0;
};

class LanguageModel : public Module {
 public:
  // The tokens that the continuation of `prompt` starts with: the prompt itself, or in an encoder-decoder the
  // token that starts every result.
  virtual std::vector<int64_t> first_tokens(const std::vector<int64_t>& prompt) const = 0;
  // One row that has no tokens yet; an encoder-decoder reads the prompt now. The network must be in
  // evaluation mode, outlive it and not be moved. Records no gradients.
  virtual std::unique_ptr<Continuation> start(const std::vector<int64_t>& prompt) = 0;

  virtual int64_t vocabulary() const = 0;
  // The most tokens of a row, or 0 where there is no such bound.
  virtual int64_t most_tokens() const = 0;
  // The tokens that end a text, as the network's configuration says; may be empty.
  virtual std::vector<int64_t> end_tokens() const = 0;
};

}  // namespace graft::nn
