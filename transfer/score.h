// How well a network does on a data set.
#pragma once

#include "nn/models/headed.h"
#include "transfer/pictures.h"
#include "transfer/team.h"

namespace graft::transfer {

// From logits [n, classes], row i for sample i of the set, and its labels.
Evaluation evaluation_of(const Tensor& logits, const Labelled& set);

// logits [n, classes] of a whole set, on the CPU, in the type of the network's tensors, in evaluation mode
// and without a tape. A picture's row does not depend on the others. `phase` names the work in the progress.
// A team divides the batches among its members, each of which gets all rows.
Tensor logits_of(nn::Headed& network, const Examples& set, const OnProgress& on_progress = {},
                 const std::string& phase = "evaluate", Team* team = nullptr);

// These rows of a tensor [n, ...] on the CPU.
Tensor gather_rows(const Tensor& all, std::span<const int64_t> which);

// out[which[i]] = rows[i].
void scatter_rows(const Tensor& rows, std::span<const int64_t> which, const Tensor& out);

// How well the network does on the set: of logits_of where there are classes, else of every target, batch by
// batch; these each member of a team takes alone.
Evaluation evaluate(nn::Headed& network, const Examples& set, const OnProgress& on_progress = {},
                    const std::string& phase = "evaluate", Team* team = nullptr);

// Probabilities [n, classes] in f32, on the CPU; each row sums to 1.
Tensor probabilities_of(const Tensor& logits);

// While one is alive the network is in evaluation mode; then in the mode that it was in.
class EvaluationMode : public nn::InMode {
 public:
  explicit EvaluationMode(nn::Module& network) : InMode(network, false) {}
};

// How many samples go through a network at a time where nothing is trained.
inline constexpr int64_t kScoreBatch = 16;
// The same of samples with targets of their own: a row of logits for each token is as long as the vocabulary.
inline constexpr int64_t kTokenBatch = 4;

}  // namespace graft::transfer
