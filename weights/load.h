// The strict ledger: every tensor of a network gets its value from a named tensor of a file, and the report
// says which, in what shape and type, through what transform and with what checksum. Whatever is missing,
// unexpected or of another shape stops the load unless it is waived by name, and then the network is
// untouched.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "nn/module.h"
#include "weights/checkpoint.h"

namespace graft::weights {

// How the file's names become the network's.
struct NameMap {
  // Strip "module.", "model." and "_orig_mod." where every name in the file starts with it and the network's
  // do not.
  bool strip_wrappers = true;
  // {"bert.*", "*"}, {"*.gamma", "*.weight"}: for each name, the first rule that matches, after stripping.
  std::vector<std::pair<std::string, std::string>> rename = {};
  // Globs over the network's names: these may be missing, unexpected or of another shape; the network keeps
  // its own value. "*.num_batches_tracked", which files from before PyTorch 0.4.1 lack, is always waived
  // where missing.
  std::vector<std::string> waive = {};
};

struct LoadRow {
  std::string source;  // name in the file
  std::string target;  // name in the network
  Shape shape;         // as published
  DType from = DType::f32, to = DType::f32;
  std::string transform;   // "as is", "OIHW -> OHWI", "tied to lm_head.weight"
  std::string sha256;      // of the value as the network holds it
  int64_t not_finite = 0;  // elements that are NaN or infinite
};

struct Unmatched {
  std::string name;
  std::string shape;    // "[10, 2048]"
  std::string nearest;  // name on the other side, or empty
};
struct Mismatch {
  std::string name;
  std::string model, file;  // shapes; `model` empty where two values that the network ties differ in the file
  std::string why;          // empty where the shapes say it
};
struct Waived {
  std::string name;
  std::string what;  // "missing", "unexpected", "shape [1000, 2048] in the file, [10, 2048] in the network"
};

struct LoadReport {
  std::string file, format;
  std::string stripped;       // prefix that all names had, "module."; empty: none
  int64_t tensors = 0;        // of the network
  std::vector<LoadRow> rows;  // empty while anything below is not
  std::vector<Unmatched> missing, unexpected;
  std::vector<Mismatch> mismatched;
  std::vector<Waived> waived;
  std::vector<std::string> warnings;

  bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  // What went wrong, one line each with the nearest name; or, of a complete load, one line of figures and the
  // waived names.
  std::string to_text() const;
  // Every row: source, target, shape, types, transform, checksum.
  std::string ledger() const;
  // Throws DataError with to_text() unless complete.
  const LoadReport& require_complete() const;
};

// Fills the network from the checkpoint, converting each tensor to the type and layout that the network has.
// A tied tensor needs to be in the file under one of its names; under several, the values must be equal.
// All or nothing: with an incomplete report, or when reading fails (DataError), no tensor of the network has
// changed.
LoadReport load(nn::Module& module, const Checkpoint& checkpoint, const NameMap& names = {});

}  // namespace graft::weights
