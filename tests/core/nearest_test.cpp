#include "core/nearest.h"

#include <doctest/doctest.h>

using namespace graft;

TEST_CASE("edit_distance: counts inserts, deletes, replacements and swaps") {
  CHECK(edit_distance("", "") == 0);
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("resnet", "resent") == 1);
  CHECK(edit_distance("ResNet18", "resnet18") == 0);
  CHECK(edit_distance("kitten", "sitting", 3) == 3);
  CHECK(edit_distance("kitten", "a sitting room", 3) == 3);
  CHECK(edit_distance("kitten", "sitting", 4) == 3);
}

TEST_CASE("did_you_mean: the near names, nearest first; nothing where nothing is near") {
  std::vector<std::string> models{"resnet18", "resnet34", "mobilenet_v2", "squeezenet1_0"};
  CHECK(nearest("mobilenetv2", models) == std::vector<std::string>{"mobilenet_v2"});
  CHECK(nearest("resnet19", models) == std::vector<std::string>{"resnet18", "resnet34"});
  CHECK(did_you_mean("resnet", models) == "; did you mean resnet18 or resnet34?");
  CHECK(did_you_mean("transformer", models) == "");
  CHECK(did_you_mean("x", {}) == "");
}
