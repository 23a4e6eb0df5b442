// The layer at which a computation ended in an exception.
#pragma once

#include <string>

#include "nn/module.h"

namespace graft::transfer {

// Of this thread's last exception, once it is caught: ", in layer1.0.conv2", ", on the way back through
// layer1.0.conv2", or where no layer was at work ", after layer1.0.bn2" and ", after the way back through
// ..."; nothing where no layer of this network ran since Place::forget (core/place.h).
std::string place_of_failure(nn::Module& network);

}  // namespace graft::transfer
