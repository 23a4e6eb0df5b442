#include "transfer/texts.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/sha256.h"
#include "nn/models/text_classifier.h"

namespace graft::transfer {
namespace {

data::Encoding encoded(const data::Tokenizer& tokenizer, const data::TextRow& row, int64_t max_length) {
  data::EncodeOptions how;
  how.max_length = max_length;
  data::Encoding out =
      row.pair.empty() ? tokenizer.encode(row.text, how) : tokenizer.encode(row.text, row.pair, how);
  if (!out.ids.empty()) return out;
  // A family without special tokens makes nothing of a text of white space: its end token stands for it.
  const data::SpecialTokens& special = tokenizer.special();
  out.ids = {std::max<int64_t>(0, special.eos >= 0 ? special.eos : special.pad)};
  out.type_ids = {0};
  out.offsets = {{0, 0}};
  out.sequence = {-1};
  out.special = {true};
  return out;
}

}  // namespace

std::string text_of(const data::TextRow& row) {
  return row.pair.empty() ? row.text : row.text + " | " + row.pair;
}

TextExamples::TextExamples(const std::vector<data::TextRow>& rows, const std::vector<std::string>& classes,
                           const data::Tokenizer& tokenizer, int64_t max_length)
    : TextExamples(tokenizer, max_length) {
  labelled_.classes = classes;
  for (const data::TextRow& row : rows) {
    auto it = std::find(classes.begin(), classes.end(), row.label);
    GRAFT_CHECK_AS(DataError, it != classes.end() || row.label.empty(), row.place, ": the label \"",
                   printable(row.label), "\" is none of the network's ", classes.size(), " labels");
    labelled_.labels.push_back(it == classes.end() ? 0 : it - classes.begin());
    labelled_.files.push_back(text_of(row));
  }
  encodings_.resize(rows.size());
  parallel_for(static_cast<int64_t>(rows.size()), 16, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      encodings_[i] = std::make_shared<const data::Encoding>(encoded(tokenizer_, rows[i], max_length_));
    }
  });
}

Tensor TextExamples::inputs(std::span<const int64_t> which) const {
  std::vector<data::Encoding> rows;
  for (int64_t index : which) rows.push_back(*encodings_.at(static_cast<size_t>(index)));
  data::PaddedBatch batch = tokenizer_.pad(rows);
  Tensor lengths = Tensor::from(batch.lengths, {static_cast<int64_t>(which.size())});
  return nn::packed({batch.ids, batch.type_ids, lengths});
}

std::vector<int64_t> TextExamples::lengths() const {
  std::vector<int64_t> out;
  for (const auto& encoding : encodings_) out.push_back(static_cast<int64_t>(encoding->ids.size()));
  return out;
}

std::string TextExamples::describe() const {
  Sha256 tokens;
  for (const auto& encoding : encodings_) {
    tokens.add(str(encoding->ids.size(), "\n"));
    tokens.add(encoding->ids.data(), encoding->ids.size() * sizeof(int64_t));
    tokens.add(encoding->type_ids.data(), encoding->type_ids.size() * sizeof(int64_t));
  }
  return str("texts ", tokens.hex(), "\n");
}

std::string TextExamples::content_sha256() const {
  Sha256 all;
  for (const std::string& name : labelled_.classes) all.add(str(name.size(), " ", name, "\n"));
  for (size_t i = 0; i < labelled_.files.size(); ++i) {
    all.add(str(labelled_.files[i].size(), " ", labelled_.files[i], " ", labelled_.labels[i], "\n"));
  }
  return all.add(describe()).hex();
}

std::unique_ptr<Examples> TextExamples::part(std::span<const int64_t> which) const {
  auto out = std::unique_ptr<TextExamples>(new TextExamples(tokenizer_, max_length_));
  out->labelled_.classes = labelled_.classes;
  for (int64_t index : which) {
    auto i = static_cast<size_t>(index);
    out->labelled_.files.push_back(labelled_.files.at(i));
    out->labelled_.labels.push_back(labelled_.labels[i]);
    out->encodings_.push_back(encodings_[i]);
  }
  return out;
}

int64_t TextExamples::truncated() const {
  return std::count_if(encodings_.begin(), encodings_.end(), [](const auto& e) { return e->truncated; });
}

}  // namespace graft::transfer
