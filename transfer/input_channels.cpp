#include "transfer/input_channels.h"

#include <algorithm>

#include "core/sha256.h"

namespace graft::transfer {
namespace {

using data::Preprocess;

std::string words(int64_t channels) {
  return channels == 1 ? "1 channel (grey)"
                       : str(channels, channels == 4 ? " channels (with alpha)" : " channels");
}

// "conv1.weight", whatever the network calls it.
std::string stem_name(nn::Classifier& network) {
  const nn::Parameter* weight = &network.first_conv().weight;
  for (const nn::NamedTensor& t : nn::named_parameters(network))
    if (t.parameter == weight) return t.name.substr(0, t.name.rfind('.'));
  fail("input channels: the network names no tensor of its first convolution");
}

// A convolution's filters, tap by tap.
struct Filters {
  int64_t count, planes, taps;
  std::vector<double> values;  // [O, taps, planes], the engine's order

  explicit Filters(const Tensor& weight)
      : count(weight.dim(0)), planes(weight.dim(3)), taps(weight.dim(1) * weight.dim(2)) {
    Tensor whole = weight.to(DType::f64).contiguous();
    values.assign(whole.data<double>(), whole.data<double>() + whole.numel());
  }
  Filters(const Filters& like, int64_t wanted)
      : count(like.count),
        planes(wanted),
        taps(like.taps),
        values(static_cast<size_t>(like.count * like.taps * wanted)) {}

  double& at(int64_t filter, int64_t tap, int64_t plane) {
    return values[static_cast<size_t>((filter * taps + tap) * planes + plane)];
  }
};

// What the three filters are to grey: W, and beside it D.
Filters grey_filters(Filters& rgb, const Preprocess& old, const Preprocess& grey) {
  Filters out(rgb, 2);
  for (int64_t o = 0; o < rgb.count; ++o) {
    for (int64_t tap = 0; tap < rgb.taps; ++tap) {
      for (size_t c = 0; c < 3; ++c) {
        double share = rgb.at(o, tap, static_cast<int64_t>(c)) / static_cast<double>(old.std[c]);
        out.at(o, tap, 0) += share * static_cast<double>(grey.std[0]);
        out.at(o, tap, 1) += share * (static_cast<double>(grey.mean[0]) - static_cast<double>(old.mean[c]));
      }
    }
  }
  return out;
}

// The first `planes` of `from`, and zeros where it has fewer, become the stem's weight.
void set_filters(nn::Classifier& network, Filters from, int64_t planes) {
  network.set_planes(planes);
  nn::Conv2d& stem = network.first_conv();
  Filters to(from, planes);
  for (int64_t o = 0; o < to.count; ++o)
    for (int64_t tap = 0; tap < to.taps; ++tap)
      for (int64_t p = 0; p < std::min(planes, from.planes); ++p) to.at(o, tap, p) = from.at(o, tap, p);
  const Tensor& old = stem.weight.var.value();
  Tensor values = Tensor::from(std::span<const double>(to.values), old.shape());
  stem.weight.var.set_value(values.to(old.dtype()));
}

// Adds each filter's D, summed over its taps, to its bias.
void add_to_bias(nn::Conv2d& stem, Filters& filters) {
  Tensor bias = stem.bias.var.value().to(DType::f64).clone();
  for (int64_t o = 0; o < filters.count; ++o)
    for (int64_t tap = 0; tap < filters.taps; ++tap) bias.data<double>()[o] += filters.at(o, tap, 1);
  stem.bias.var.set_value(bias.to(stem.bias.var.value().dtype()));
}

// Notes in the ledger what became of a tensor.
void note(weights::LoadReport* ledger, const std::string& name, const nn::Parameter& parameter,
          const std::string& change) {
  if (!ledger) return;
  for (weights::LoadRow& row : ledger->rows) {
    if (row.target != name) continue;
    row.transform += ", " + change;
    row.sha256 = sha256(parameter.var.value());
  }
}

}  // namespace

void check_channels(int64_t channels) {
  GRAFT_CHECK_AS(UsageError, channels == 1 || channels == 3 || channels == 4, "channels ", channels,
                 ": pictures have 1 (grey), 3 (colours) or 4 (colours and alpha)");
}

Preprocess with_channels(const Preprocess& rgb, int64_t channels, bool inside) {
  check_channels(channels);
  Preprocess out = rgb;
  out.channels = channels;
  out.inside = inside;
  auto average = [](const std::array<float, 4>& v) {
    return static_cast<float>(
        (static_cast<double>(v[0]) + static_cast<double>(v[1]) + static_cast<double>(v[2])) / 3);
  };
  if (channels == 1) {
    out.mean = {average(rgb.mean)};
    out.std = {average(rgb.std)};
  }
  if (channels == 4) {
    out.mean[3] = 1;
    out.std[3] = 0.5f;
  }
  return out;
}

Preprocess fit_channels(nn::Classifier& network, const Preprocess& rgb, int64_t channels,
                        weights::LoadReport* ledger, bool exact) {
  Preprocess out = with_channels(rgb, channels);
  if (channels == 3) return out;
  GRAFT_CHECK(network.planes() == 3 && rgb.channels == 3, "input channels: the network takes ",
              network.planes(), " planes already, only one for three can be changed");
  const std::string name = stem_name(network);
  Filters filters(network.first_conv().weight.var.value());
  if (channels == 4) {
    set_filters(network, filters, 4);
    note(ledger, name + ".weight", network.first_conv().weight, "3 inputs -> 4: zeros for alpha");
    return out;
  }
  Filters grey = grey_filters(filters, rgb, out);
  bool equal_means = rgb.mean[0] == rgb.mean[1] && rgb.mean[1] == rgb.mean[2];
  bool by_bias = network.first_conv().how.padding == 0 && network.first_conv().bias.var.defined();
  out.inside = exact && !equal_means && !by_bias;
  set_filters(network, grey, out.planes());
  note(ledger, name + ".weight", network.first_conv().weight,
       out.inside ? "3 inputs -> 1: summed by 1 / deviation; a second, 1 in the picture: what the means leave"
                  : "3 inputs -> 1: summed by 1 / deviation");
  if (exact && !equal_means && by_bias) {
    add_to_bias(network.first_conv(), grey);
    note(ledger, name + ".bias", network.first_conv().bias, "what the means of 3 inputs leave is added");
  }
  return out;
}

std::optional<Preprocess> take_planes(nn::Classifier& network, const weights::Checkpoint& file,
                                      const Preprocess& rgb, std::optional<int64_t> channels) {
  const std::string name = stem_name(network) + ".weight";
  for (const weights::Entry& entry : file.entries()) {
    if (entry.name != name && !entry.name.ends_with("." + name)) continue;
    if (entry.sizes.size() != 4 || entry.sizes[1] == 3) break;
    int64_t planes = entry.sizes[1], has = planes == 2 ? 1 : planes;
    if (has != 1 && has != 4) break;  // loading says what does not fit
    GRAFT_CHECK_AS(DataError, !channels || *channels == has, printable(file.path()), ": ",
                   printable(entry.name), " is of a network for pictures of ", words(has), "; ",
                   words(*channels),
                   " are asked for. Leave that out, or start from weights for three channels");
    network.set_planes(planes);
    return with_channels(rgb, has, planes == 2);
  }
  return {};
}

}  // namespace graft::transfer
