// Networks that were published for pictures of three channels, on pictures of one (grey) or of four (colours
// and alpha), with the weights that they have. Only the first convolution changes; its filters are W_c for
// the channels c, a pixel's input is (v_c - m_c) / s_c with the publisher's means and deviations.
//
// Grey. A grey picture g copied to three channels gives, for each tap of a filter that lies in the picture,
//   sum_c W_c (g - m_c) / s_c  =  W (g - m) / s + D,   W = s sum_c W_c / s_c,   D = sum_c W_c (m - m_c) / s_c
// for any one mean m and deviation s; here the averages of the three. So the filters are summed, each divided
// by its channel's deviation, and what the means leave is D: a number for each tap, which counts where the
// tap lies in the picture and not where it lies in the padding. Where all means are equal D is 0. Where the
// convolution does not pad and has a bias, D goes into that. Elsewhere no filter of one input can do both,
// and D becomes the filter of a second input that is 1 in each pixel (Preprocess::inside), and 0 in the
// padding as everything is. The network then computes what the published one does for the grey picture in
// three channels, but for rounding.
//
// Four. The filters of the colours stay, those of alpha are 0: the network begins as the published one,
// whatever alpha says. Alpha's input is (a - 1) / 0.5, so an opaque pixel is 0 and stays without effect.
#pragma once

#include <optional>

#include "data/transform.h"
#include "nn/models/classifier.h"
#include "weights/load.h"

namespace graft::transfer {

// Throws UsageError unless 1, 3 or 4.
void check_channels(int64_t channels);

// What `rgb` becomes for pictures of so many channels: grey's mean and deviation are the averages of the
// three.
data::Preprocess with_channels(const data::Preprocess& rgb, int64_t channels, bool inside = false);

// Gives a network for three channels, whose inputs are made by `rgb`, a first convolution for `channels` as
// above (3: leaves it alone). Returns how its inputs are made from now on. The rows of the changed tensors in
// `ledger` say so, and have the new sums. With `exact` false D is left out, where there is no published
// network to be equal to.
data::Preprocess fit_channels(nn::Classifier& network, const data::Preprocess& rgb, int64_t channels,
                              weights::LoadReport* ledger = nullptr, bool exact = true);

// Brings a new network's first convolution to what the file's takes, if it is one of 1, 2 (grey and inside)
// or 4 planes; the file is then loaded as it is. Returns how its inputs are made, or nothing where it takes
// three. Throws DataError where pictures of other channels are asked for than the file has.
std::optional<data::Preprocess> take_planes(nn::Classifier& network, const weights::Checkpoint& file,
                                            const data::Preprocess& rgb, std::optional<int64_t> channels);

}  // namespace graft::transfer
