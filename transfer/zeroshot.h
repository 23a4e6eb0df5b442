// Zero-shot classification: classes are named in words, and a picture belongs to the one whose texts are most
// like it to a CLIP (Radford et al., 2021). The texts' vectors become the head of CLIP's picture network, so
// that from there on it is a classifier like any other.
#pragma once

#include <string>
#include <vector>

#include "data/text/tokenizer.h"
#include "transfer/clip.h"
#include "transfer/source.h"

namespace graft::transfer {

struct ZeroShot {
  std::string weights;                 // a published CLIP: a folder, or a file with a tokenizer beside it
  std::vector<std::string> labels;     // two or more, no two alike
  std::vector<std::string> templates;  // each with "{}" where the label goes; empty: prompt_templates()
  Compute compute = {};                // where pictures are looked at; texts are read on the CPU
};

// The texts that ship: photos near and far, in good light and bad, alone and among others.
const std::vector<std::string>& prompt_templates();

// f32 [labels, projection], each row of length 1: the mean over the templates of the texts' vectors, each
// brought to length 1 first. Throws UsageError for labels that are empty or alike and for a template without
// "{}", DataError where the tokenizer is not the network's.
Tensor class_vectors(nn::Clip& clip, const data::Tokenizer& tokenizer, const std::vector<std::string>& labels,
                     const std::vector<std::string>& templates, const OnProgress& on_progress = {});

// The classifier, with strategy "zeroshot": predict and evaluate of source.h take it.
Artefact open_zeroshot(const ZeroShot& options, const OnProgress& on_progress = {});

// How many predictions name the folder that their picture is in. Counted are pictures of `folders` that
// consist of class folders whose names are all labels; none where that is so of no folder.
struct FolderAccuracy {
  int64_t count = 0, right = 0;
  double accuracy() const { return count > 0 ? static_cast<double>(right) / static_cast<double>(count) : 0; }
};
FolderAccuracy accuracy_by_folder(const std::vector<Prediction>& predictions,
                                  const std::vector<std::string>& folders,
                                  const std::vector<std::string>& labels);

}  // namespace graft::transfer
