#include "tests/nn/vision.h"

#include "tests/support.h"

namespace graft::test {

std::string vision_folder(const std::string& name) {
  return str(source_dir(), "/tests/golden/vision/", name);
}

Var pictures_of(const DecoderGolden& golden, DType dtype) {
  return Var(from_published(golden.inputs.at("pixel_values")).to(dtype));
}

nn::ClipTexts clip_texts_of(const DecoderGolden& golden) {
  nn::ClipTexts texts{golden.inputs.at("input_ids"), {}};
  if (golden.inputs.count("attention_mask"))
    texts.lengths = nn::lengths_of_mask(golden.inputs.at("attention_mask"));
  return texts;
}

DecoderParity compare(nn::Classifier& network, const DecoderGolden& golden) {
  return compare_with(
      network, golden, [&] { return network.forward(pictures_of(golden, network.dtype())); },
      [&](const Var& logits) { return cross_entropy(logits, golden.inputs.at("labels")); });
}

DecoderParity compare(nn::Clip& network, const DecoderGolden& golden, DType dtype) {
  nn::ClipLogits logits;
  return compare_with(
      network, golden,
      [&] {
        logits = network.forward(pictures_of(golden, dtype), clip_texts_of(golden));
        return logits.per_image;
      },
      [&](const Var&) { return nn::Clip::contrastive_loss(logits); });
}

}  // namespace graft::test
