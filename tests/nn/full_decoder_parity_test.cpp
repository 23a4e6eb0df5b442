// GPT-2 small and T5-small against transformers, from a folder that tests/parity/decoder_parity.sh fills.
#include <cstdio>
#include <filesystem>

#include "tests/nn/decoders.h"
#include "tests/support.h"
#include "transfer/language.h"

using namespace graft;
using namespace graft::test;

TEST_CASE("full-size language models equal transformers'") {
  std::string folder = env::parity();
  if (folder.empty()) {
    MESSAGE("skipped: GRAFT_PARITY is not set");
    return;
  }
  int compared = 0;
  for (const char* name : {"gpt2-small", "t5-small"}) {
    std::string of = str(folder, "/", name);
    if (!std::filesystem::exists(of)) continue;
    CAPTURE(name);
    auto [family, model, report] = transfer::load_language(of);
    DecoderGolden golden = read_golden(of);
    DecoderParity p = family == "gpt2" ? compare(dynamic_cast<nn::Gpt2&>(*model), golden)
                                       : compare(dynamic_cast<nn::T5&>(*model), golden);
    GeneratedTexts texts = check_generations(*model, of);
    check_bars(p);
    std::printf("%-10s  logits %.1e  block %.1e (%s)  gradient %.1e (%s)  %d texts, every token equal\n",
                name, p.logits.value, p.block.value, p.block.name.c_str(), p.gradient.value,
                p.gradient.name.c_str(), texts.ended + texts.open);
    ++compared;
  }
  if (compared == 0) MESSAGE("skipped: no language model in " << folder);
}
