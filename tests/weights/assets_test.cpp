// Published files: every one opens, the same network in six containers is the same, and cut files are
// refused.
#include <filesystem>

#include "core/sha256.h"
#include "tests/support.h"
#include "weights/checkpoint.h"

using namespace graft;
using namespace graft::test;
using weights::Checkpoint;

namespace {

std::string asset(const std::string& name) {
  return env::assets() + "/weights/" + name;
}

// Names with the wrapper "module." and without are the same here.
std::string bare(const std::string& name) {
  return name.starts_with("module.") ? name.substr(7) : name;
}

}  // namespace

TEST_CASE("published checkpoints: every file opens, and every tensor can be read") {
  GRAFT_NEEDS_ASSETS();
  struct Case {
    const char* name;
    const char* format;
    size_t tensors;
  };
  for (const Case& c :
       {Case{"mobilenet_v2.pth", "torch zip", 0}, Case{"squeezenet1_0.pth", "torch zip", 52},
        Case{"resnet20-12fca82f.th", "torch legacy", 0}, Case{"resnet32-d509ac18.th", "torch legacy", 0},
        Case{"gpt-nano-sort/model.safetensors", "safetensors", 0}, Case{"gpt-nano-sort", "safetensors", 0}}) {
    INFO(c.name);
    Checkpoint checkpoint = Checkpoint::open(asset(c.name));
    CHECK(checkpoint.format() == c.format);
    CHECK(checkpoint.entries().size() > 10);
    if (c.tensors) CHECK(checkpoint.entries().size() == c.tensors);
    for (const auto& entry : checkpoint.entries()) {
      CHECK(entry.problem == "");
      CHECK(checkpoint.read(entry.name).bytes() == entry.bytes);
    }
  }
}

TEST_CASE("published checkpoints: one ResNet-20 in six containers") {
  GRAFT_NEEDS_ASSETS();
  Checkpoint original = Checkpoint::open(asset("resnet20-12fca82f.th"));
  for (const char* name :
       {"resnet20-legacy-tar.pth", "resnet20-zip-bf16.pth", "resnet20-zip-dataparallel-wrapped.pth",
        "resnet20-zip-fp16.pth", "resnet20-zip-noncontiguous.pth", "resnet20-zip-shared-storage.pth"}) {
    INFO(name);
    Checkpoint other = Checkpoint::open(asset(str("formats/", name)));
    std::map<std::string, std::string> names;
    for (const auto& entry : other.entries()) names[bare(entry.name)] = entry.name;
    size_t compared = 0;
    for (const auto& entry : original.entries()) {
      INFO(entry.name);
      if (entry.name.ends_with("num_batches_tracked")) continue;
      REQUIRE(names.contains(bare(entry.name)));
      Tensor mine = original.read(entry.name), theirs = other.read(names[bare(entry.name)]);
      CHECK(bit_equal(mine.to(theirs.dtype()), theirs));
      ++compared;
    }
    CHECK(compared >= 95);
  }
}

TEST_CASE("published checkpoints: files that end too early are refused, saying what is missing") {
  GRAFT_NEEDS_ASSETS();
  check_throws<DataError>([] { Checkpoint::open(asset("truncated/resnet18-5c106cde-first-MiB.pth")); },
                          {"truncated tar", "member", "the file has"});
  check_throws<DataError>([] { Checkpoint::open(asset("truncated/resnet18-f37072fd-first-579901.pth")); },
                          {"truncated zip", "end-of-directory", "579901"});
}
