// Values that another program recorded: JSON files in tests/golden/, each written by the generator of the
// same name,
//   {"name": {"shape": [2, 3], "values": [1, 2, 3, 4, 5, 6]}, ...}
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support.h"

namespace graft::test {

// Golden golden("ops.json"); Tensor x = golden.tensor("batch_norm.x", DType::f32);
class Golden {
 public:
  explicit Golden(const std::string& file) {
    std::ifstream in(source_dir() + "/tests/golden/" + file);
    REQUIRE_MESSAGE(in.good(), "cannot read " << file);
    entries_ = nlohmann::json::parse(in);
  }

  Tensor tensor(const std::string& name, DType dtype = DType::f64) const {
    REQUIRE_MESSAGE(entries_.contains(name), "no golden value " << name);
    Shape shape;
    for (int64_t size : entries_[name]["shape"]) shape.push_back(size);
    if (dtype == DType::i64) return Tensor::from(entries_[name]["values"].get<std::vector<int64_t>>(), shape);
    return Tensor::from(entries_[name]["values"].get<std::vector<double>>(), shape).to(dtype);
  }

 private:
  nlohmann::json entries_;
};

}  // namespace graft::test
