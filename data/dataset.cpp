#include "data/dataset.h"

#include <cstring>
#include <functional>

#include "core/error.h"
#include "core/parallel.h"
#include "core/sha256.h"

namespace graft::data {
namespace {

// Calls `use` with each decoded picture, in parallel; failures and warnings come back in order.
std::vector<BadPicture> for_each_picture(const Dataset& dataset, std::span<const Sample> samples,
                                         std::span<const int64_t> indices, const ReadOptions& options,
                                         const std::function<void(size_t, Image&&)>& use) {
  std::vector<std::string> reasons(indices.size());
  std::vector<std::vector<std::string>> warnings(indices.size());
  parallel_for(static_cast<int64_t>(indices.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      DecodeOptions decode = options.decode;
      decode.warnings = options.decode.warnings ? &warnings[i] : nullptr;
      try {
        use(i, read_image(dataset.path(samples[static_cast<size_t>(indices[i])]), decode));
      } catch (const DataError& e) {
        reasons[i] = e.what();
      }
    }
  });
  std::vector<BadPicture> bad;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (options.decode.warnings) {
      options.decode.warnings->insert(options.decode.warnings->end(), warnings[i].begin(), warnings[i].end());
    }
    if (reasons[i].empty()) continue;
    GRAFT_CHECK_AS(DataError, options.skip_bad, reasons[i]);
    bad.push_back({indices[i], reasons[i]});
  }
  return bad;
}

}  // namespace

std::string content_sha256(const Dataset& dataset, std::span<const Sample> samples) {
  std::vector<std::string> hashes(samples.size());
  parallel_for(static_cast<int64_t>(samples.size()), 1, [&](int64_t begin, int64_t end) {
    for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i) {
      std::vector<uint8_t> bytes = read_bytes(dataset.path(samples[i]));
      hashes[i] = Sha256().add(bytes.data(), bytes.size()).hex();
    }
  });
  Sha256 all;
  for (size_t i = 0; i < samples.size(); ++i) {
    const std::string& name = dataset.classes.at(static_cast<size_t>(samples[i].label));
    all.add(str(samples[i].file, '\n', name, '\n', hashes[i], '\n'));
  }
  return all.hex();
}

Pictures read_images(const Dataset& dataset, std::span<const Sample> samples, const ReadOptions& options) {
  std::vector<int64_t> all(samples.size());
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  Pictures out;
  out.images.resize(samples.size());
  out.bad = for_each_picture(dataset, samples, all, options,
                             [&](size_t i, Image&& image) { out.images[i] = std::move(image); });
  return out;
}

Batch load_batch(const Dataset& dataset, std::span<const Sample> samples, std::span<const int64_t> indices,
                 const Preprocess& preprocess, const BatchOptions& options) {
  for (int64_t index : indices) {
    GRAFT_CHECK(index >= 0 && index < static_cast<int64_t>(samples.size()), "batch: sample ", index, " of ",
                samples.size());
  }
  const int64_t side = preprocess.crop, row = side * side * preprocess.planes();
  auto rows = static_cast<int64_t>(indices.size());
  Batch batch;
  batch.images = Tensor::empty({rows, side, side, preprocess.planes()});
  float* pixels = batch.images.data<float>();
  ReadOptions reading = options;
  reading.decode.channels = preprocess.channels;
  batch.bad = for_each_picture(dataset, samples, indices, reading, [&](size_t i, Image&& image) {
    float* out = pixels + static_cast<int64_t>(i) * row;
    if (!options.augment) return write_input(image, preprocess, out);
    Rng rng(options.seed, options.epoch, static_cast<uint64_t>(indices[i]));
    write_augmented_input(image, preprocess, *options.augment, rng, out);
  });

  // Close the gaps that left-out pictures leave.
  int64_t kept = 0;
  size_t next_bad = 0;
  for (int64_t i = 0; i < rows; ++i) {
    if (next_bad < batch.bad.size() && batch.bad[next_bad].sample == indices[static_cast<size_t>(i)]) {
      ++next_bad;
      continue;
    }
    if (kept != i)
      std::memcpy(pixels + kept * row, pixels + i * row, static_cast<size_t>(row) * sizeof(float));
    batch.sample.push_back(indices[static_cast<size_t>(i)]);
    ++kept;
  }
  if (kept < rows) batch.images = batch.images.slice(0, 0, kept);
  batch.labels = Tensor::empty({kept}, DType::i64);
  for (int64_t i = 0; i < kept; ++i) {
    batch.labels.data<int64_t>()[i] =
        samples[static_cast<size_t>(batch.sample[static_cast<size_t>(i)])].label;
  }
  return batch;
}

}  // namespace graft::data
