// Files that the real torch 1.13 wrote, in both containers: every tensor is there, and bit-equal.
// tests/golden/checkpoints.py makes them and the list of hashes.
#include <fstream>
#include <set>
#include <sstream>

#include "core/sha256.h"
#include "tests/support.h"
#include "weights/checkpoint.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("torch's own files: all types, views, ranks, optimizers, parameters") {
  std::ifstream list(source_dir() + "/tests/golden/checkpoints.txt");
  REQUIRE(list);
  std::map<std::string, std::set<std::string>> names;
  int equal = 0, listed_only = 0;
  for (std::string line; std::getline(list, line);) {
    INFO(line);
    std::istringstream fields(line);
    std::string file, name, dtype, sizes, hash;
    for (std::string* field : {&file, &name, &dtype, &sizes, &hash}) std::getline(fields, *field, '\t');
    auto checkpoint = weights::Checkpoint::open(source_dir() + "/tests/golden/checkpoints/" + file);
    CHECK(checkpoint.format() == (file.find("_zip") != std::string::npos ? "torch zip" : "torch legacy"));
    names[file].insert(name);
    const weights::Entry* entry = checkpoint.find(name);
    REQUIRE(entry != nullptr);
    CHECK(entry->stored_dtype == str("torch.", dtype));
    std::string shape;
    for (int64_t s : entry->sizes) shape += str(shape.empty() ? "" : ",", s);
    CHECK(shape == sizes);
    if (!entry->problem.empty()) {
      CHECK_THROWS_AS(checkpoint.read(name), DataError);
      bool lacking = dtype == "int16" || dtype == "int8" || dtype == "complex64" ||
                     entry->sizes.size() > Shape::kMaxRank;
      CHECK(lacking);
      ++listed_only;
      continue;
    }
    Tensor t = checkpoint.read(name);
    CHECK(Sha256().add(t.raw(), static_cast<size_t>(t.bytes())).hex() == hash);
    ++equal;
  }
  for (const auto& [file, expected] : names) {
    auto checkpoint = weights::Checkpoint::open(source_dir() + "/tests/golden/checkpoints/" + file);
    CHECK(checkpoint.entries().size() == expected.size());
  }
  CHECK(equal >= 100);
  MESSAGE(equal << " tensors bit-equal, " << listed_only << " listed only");
}
