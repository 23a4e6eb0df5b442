// Whose network a published folder holds.
#pragma once

#include <string>

#include "weights/load.h"

namespace graft::transfer {

// What the config.json in the folder, or beside the file, calls the family: "bert", "gpt2", "clip", "vit",
// ...; "clip" too for a file with the names of OpenAI's code; empty where nothing says. Throws DataError for
// a config.json that cannot be read.
std::string family_of(const std::string& path);

// What a folder of one of graft's families holds, in a line for people: "CLIP, pictures of 224 x 224 pixels
// in patches of 32 ...". Empty where family_of is none of them. Reads the config alone.
std::string description_of(const std::string& path);

// What loads where: the network is made and filled. Throws DataError with the report.
weights::LoadReport load_report_of(const std::string& path);

}  // namespace graft::transfer
