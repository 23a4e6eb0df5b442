// A network on pictures of another kind than it was trained on, from another camera or another light, without
// a single label: batch norm's running means and variances are those of the old pictures, so they are
// estimated anew on the new ones (AdaBN: Li et al., "Revisiting batch normalization for practical domain
// adaptation", 2016). Nothing else moves, and the certificate says so.
#pragma once

#include <string>

#include "transfer/examples.h"
#include "transfer/result.h"
#include "transfer/tune.h"

namespace graft::transfer {

// How the statistics are estimated.
struct Adapting {
  // Pictures that are normalised together meanwhile. The more, the nearer are the batch's statistics, which
  // the layers above see, to those that come out; 2 or more.
  int64_t batch = 64;
  uint64_t seed = 0;  // of the order: a folder's own is by class, and a batch of one class is not the target
};

struct Adapted {
  Certificate certificate;  // frozen: every tensor but the statistics
  std::vector<Moved> moved;
  int64_t layers = 0, pictures = 0, batches = 0;
  double seconds = 0;
};

// Running means and variances are reset and become the averages of the batches' means and unbiased variances
// over one pass, each batch counting by its pictures; num_batches_tracked becomes the number of batches. The
// labels of `target` are not looked at. Throws UsageError for a network without batch norm, DataError for
// fewer than two pictures. The network is in evaluation mode afterwards, on the device where it was.
Adapted adapt_statistics(nn::Headed& network, const Examples& target, const Adapting& how = {},
                         const OnProgress& on_progress = {});

struct AdaptOptions : Adapting {
  Source source;         // a model.graft, or published weights
  std::string pictures;  // a folder, searched like predict's
  std::string out;       // the model.graft to write
};
struct AdaptResult : Adapted {
  std::string model, artefact;
  Compute compute;
};
// Opens, adapts, saves, and makes sure that the file holds the same network. Throws also UsageError for a
// network of texts, DiskError.
AdaptResult adapt(const AdaptOptions& options, const OnProgress& on_progress = {});

}  // namespace graft::transfer
