#include "transfer/failed_place.h"

#include "core/place.h"

namespace graft::transfer {

std::string place_of_failure(nn::Module& network) {
  Place::Name place = Place::of_failure();
  for (auto& [name, module] : nn::named_modules(network)) {
    if (static_cast<const void*>(module) != place.who) continue;
    const char* where = place.inside ? (place.backward ? ", on the way back through " : ", in ")
                                     : (place.backward ? ", after the way back through " : ", after ");
    return where + (name.empty() ? "the network" : name);
  }
  return "";
}

}  // namespace graft::transfer
