// BERT-base and RoBERTa-base against transformers, from a folder that tests/parity/encoder_parity.sh fills.
#include <cstdio>
#include <filesystem>

#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/text_encoder.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("full-size text encoders equal transformers'") {
  std::string folder = env::parity();
  if (folder.empty()) {
    MESSAGE("skipped: GRAFT_PARITY is not set");
    return;
  }
  int compared = 0;
  for (const char* name : {"bert-base-words", "bert-base-classes", "roberta-base-words"}) {
    std::string of = str(folder, "/", name);
    if (!std::filesystem::exists(of)) continue;
    CAPTURE(name);
    transfer::TextEncoder loaded = transfer::load_text_encoder(of);
    DecoderParity p = compare(*loaded.model, read_golden(of));
    check_bars(p);
    std::printf("%-18s  logits %.1e  block %.1e (%s)  gradient %.1e (%s)\n", name, p.logits.value,
                p.block.value, p.block.name.c_str(), p.gradient.value, p.gradient.name.c_str());
    ++compared;
  }
  if (compared == 0) MESSAGE("skipped: no text encoder in " << folder);
}
