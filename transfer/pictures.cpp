#include "transfer/pictures.h"

#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "core/rng.h"
#include "core/sha256.h"

namespace graft::transfer {
namespace {

constexpr uint64_t kSplitStream =
    0x53504C4954;  // what the random numbers are for; any constant that no other has

data::Image shrunk(data::Image&& image, const data::Preprocess& preprocess) {
  if (preprocess.resize == 0) return std::move(image);
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
  Tensor out = Tensor::empty({static_cast<int64_t>(which.size()), preprocess.crop, preprocess.crop, 3});
  int64_t each = preprocess.crop * preprocess.crop * 3;
  parallel_for(static_cast<int64_t>(which.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t index = which[static_cast<size_t>(i)];
      f(*set.pixels.at(static_cast<size_t>(index)), out.data<float>() + i * each,
        static_cast<uint64_t>(index));
    }
  });
  return out;
}

void append(PictureSet& to, const PictureSet& from, size_t index) {
  to.files.push_back(from.files[index]);
  to.labels.push_back(from.labels[index]);
  to.pixels.push_back(from.pixels[index]);
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
    std::vector<data::Image> images = data::read_images(dataset, chunk).images;
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
  GRAFT_CHECK(share >= 0 && share <= 1, "split: share ", share, " is not in [0, 1]");
  std::vector<bool> first(all.pixels.size(), false);
  for (size_t label = 0; label < all.classes.size(); ++label) {
    std::vector<size_t> members;
    for (size_t i = 0; i < all.labels.size(); ++i) {
      if (all.labels[i] == static_cast<int64_t>(label)) members.push_back(i);
    }
    Rng(seed, kSplitStream, label).shuffle(members);
    auto take = static_cast<size_t>(std::lround(share * static_cast<double>(members.size())));
    if (members.size() >= 2 && share > 0) take = std::clamp<size_t>(take, 1, members.size() - 1);
    for (size_t i = 0; i < take; ++i) first[members[i]] = true;
  }
  std::pair<PictureSet, PictureSet> out;
  out.first.classes = out.second.classes = all.classes;
  for (size_t i = 0; i < first.size(); ++i) append(first[i] ? out.first : out.second, all, i);
  return out;
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

Tensor labels(const PictureSet& set, std::span<const int64_t> which) {
  Tensor out = Tensor::empty({static_cast<int64_t>(which.size())}, DType::i64);
  for (size_t i = 0; i < which.size(); ++i)
    out.data<int64_t>()[i] = set.labels.at(static_cast<size_t>(which[i]));
  return out;
}

std::string content_sha256(const PictureSet& set) {
  std::vector<std::string> digests(set.pixels.size());
  parallel_for(set.size(), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      const data::Image& image = *set.pixels[i];
      Sha256 hash;
      hash.add(str(image.width, " ", image.height, "\n")).add(image.rgb.data(), image.rgb.size());
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

}  // namespace graft::transfer
