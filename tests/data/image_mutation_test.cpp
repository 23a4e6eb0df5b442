// Pictures with one bit flipped, anywhere: each is read or refused with a DataError that names the file, and
// nothing else happens. The sanitized build is where this test tells most.
#include "tests/data/seeds.h"

using namespace graft;
using namespace graft::test;

namespace {

struct Outcome {
  int64_t read = 0, refused = 0;
};

Outcome flip_every_byte(const ImageSeed& seed, bool allow_truncated) {
  Outcome outcome;
  data::DecodeOptions options{.allow_truncated = allow_truncated};
  for (size_t at = 0; at < seed.file.size(); ++at) {
    Bytes file = seed.file;
    file[at] ^= static_cast<uint8_t>(1u << (at * 5 % 8));  // another bit for each neighbour
    try {
      data::Image image = data::decode(file, "flipped.file", options);
      CHECK(image.rgb.size() == static_cast<size_t>(image.width * image.height * 3));
      ++outcome.read;
    } catch (const DataError& error) {
      CHECK(std::string(error.what()).find("flipped.file") != std::string::npos);
      ++outcome.refused;
    } catch (const MemoryError&) {  // a size within the limits that this machine cannot hold
      ++outcome.refused;
    }
  }
  return outcome;
}

}  // namespace

TEST_CASE("every picture with one bit flipped is read or refused") {
  for (const ImageSeed& seed : image_seeds()) {
    CAPTURE(seed.name);
    Outcome strict = flip_every_byte(seed, false), lenient = flip_every_byte(seed, true);
    CHECK(strict.refused > 0);
    CHECK(lenient.read >= strict.read);
    // A PNG's checksums cover all but what says how long a chunk is and the checksums themselves.
    if (seed.file[0] == 0x89) CHECK(strict.read == 0);
  }
}
