// The flora: every species of the meadow, described by its parameters. Nothing here names a colour: colours
// are drawn anew for each picture (scene.cpp), so that only the form tells a species.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "data/meadow/things.h"

namespace graft::data::meadow {

struct Species {
  std::string name;
  std::variant<Flower, Leaf, Thing> form;
};

// The classes that the backbone is pretrained on, in alphabetical order.
const std::vector<Species>& pretraining_species();
// The five that the demo learns: daisy, dandelion, rose, sunflower, tulip. None is a pretraining class.
const std::vector<Species>& demo_species();

// The parts of both, one file each.
std::vector<Species> wild_flowers();     // flowers alone on their stem
std::vector<Species> flower_clusters();  // spikes, umbels, globes, and flowers with an upper and a lower side
std::vector<Species> leaves_and_things();

}  // namespace graft::data::meadow
