#include "transfer/pictures.h"

#include <algorithm>

#include "core/parallel.h"
#include "core/rng.h"
#include "core/sha256.h"
#include "transfer/recipe.h"

namespace graft::transfer {
namespace {

data::Image shrunk(data::Image&& image, const data::Preprocess& preprocess) {
  if (preprocess.resize == 0) return std::move(image);
  if (preprocess.squash)
    return data::resize(image, preprocess.resize, preprocess.resize, preprocess.interpolation);
  data::Size size = data::shorter_side_to(preprocess.resize, {image.width, image.height});
  // An extreme strip would grow: it stays as it is, and is resized window by window when it is used.
  if (size.width * size.height >
      std::max(image.width * image.height, 4 * preprocess.resize * preprocess.resize)) {
    return std::move(image);
  }
  return data::resize(image, size.width, size.height, preprocess.interpolation);
}

// f(picture, destination, index) for each of `which`, in parallel.
template <class F>
Tensor batch_of(const PictureSet& set, std::span<const int64_t> which, const data::Preprocess& preprocess,
                F&& f) {
  Tensor out = Tensor::empty(
      {static_cast<int64_t>(which.size()), preprocess.crop, preprocess.crop, preprocess.planes()});
  int64_t each = preprocess.crop * preprocess.crop * preprocess.planes();
  parallel_for(static_cast<int64_t>(which.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = which[static_cast<size_t>(i)];
      f(*set.pixels.at(static_cast<size_t>(index)), out.data<float>() + i * each,
        static_cast<uint64_t>(index));
    }
  });
  return out;
}

PictureSet some_of(const PictureSet& all, std::span<const int64_t> which) {
  PictureSet out;
  out.classes = all.classes;
  for (int64_t index : which) {
    auto i = static_cast<size_t>(index);
    out.files.push_back(all.files.at(i));
    out.labels.push_back(all.labels[i]);
    out.pixels.push_back(all.pixels[i]);
  }
  return out;
}

}  // namespace

PictureSet load_pictures(const data::Dataset& dataset, std::span<const data::Sample> samples,
                         const data::Preprocess& preprocess, const OnProgress& on_progress) {
  PictureSet out;
  out.classes = dataset.classes;
  // Chunks bound the memory that pictures at their full size take.
  constexpr size_t kChunk = 64;
  for (size_t begin = 0; begin < samples.size(); begin += kChunk) {
    auto chunk = samples.subspan(begin, std::min(kChunk, samples.size() - begin));
    std::vector<data::Image> images =
        data::read_images(dataset, chunk, {.decode = {.channels = preprocess.channels}}).images;
    std::vector<std::shared_ptr<const data::Image>> pixels(images.size());
    parallel_for(static_cast<int64_t>(images.size()), 1, [&](int64_t first, int64_t end) {
      for (auto i = static_cast<size_t>(first); i < static_cast<size_t>(end); ++i) {
        pixels[i] = std::make_shared<const data::Image>(shrunk(std::move(images[i]), preprocess));
      }
    });
    for (size_t i = 0; i < chunk.size(); ++i) {
      out.files.push_back(chunk[i].file);
      out.labels.push_back(chunk[i].label);
      out.pixels.push_back(std::move(pixels[i]));
    }
    if (on_progress) {
      on_progress({.phase = "read", .done = out.size(), .total = static_cast<int64_t>(samples.size())});
    }
  }
  return out;
}

std::pair<PictureSet, PictureSet> split(const PictureSet& all, double share, uint64_t seed) {
  SplitIndices indices = split_indices(all, share, seed);
  return {some_of(all, indices.first), some_of(all, indices.second)};
}

Tensor inputs(const PictureSet& set, std::span<const int64_t> which, const data::Preprocess& preprocess) {
  return batch_of(set, which, preprocess, [&](const data::Image& image, float* out, uint64_t) {
    data::write_input(image, preprocess, out);
  });
}

Tensor augmented_inputs(const PictureSet& set, std::span<const int64_t> which,
                        const data::Preprocess& preprocess, const data::Augment& augment, uint64_t seed,
                        uint64_t epoch) {
  return batch_of(set, which, preprocess, [&](const data::Image& image, float* out, uint64_t index) {
    Rng rng(seed, epoch, index);
    data::write_augmented_input(image, preprocess, augment, rng, out);
  });
}

std::string content_sha256(const PictureSet& set) {
  std::vector<std::string> digests(set.pixels.size());
  parallel_for(set.size(), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const data::Image& image = *set.pixels[i];
      Sha256 hash;
      hash.add(str(image.width, " ", image.height, "\n")).add(image.rgb.data(), image.rgb.size());
      if (!image.alpha.empty()) hash.add(image.alpha.data(), image.alpha.size());
      digests[i] = hash.hex();
    }
  });
  Sha256 all;
  for (const std::string& name : set.classes) all.add(str(name.size(), " ", name, "\n"));
  for (size_t i = 0; i < digests.size(); ++i) {
    all.add(str(set.files[i].size(), " ", set.files[i], " ", set.labels[i], " ", digests[i], "\n"));
  }
  return all.hex();
}

std::string PictureExamples::describe() const {
  return str("preprocess ", to_json(preprocess_), "\npictures ", content_sha256(), "\n");
}

std::string PictureExamples::describe_augmentation() const {
  Recipe recipe;
  recipe.augment = augment_;
  std::string out;
  for (const auto& [name, value] : settings(recipe)) {
    if (name.starts_with("augment.")) out += str(name, " ", value, "\n");
  }
  return out;
}

std::unique_ptr<Examples> PictureExamples::part(std::span<const int64_t> which) const {
  return std::make_unique<PictureExamples>(some_of(set_, which), preprocess_, augment_);
}

}  // namespace graft::transfer
