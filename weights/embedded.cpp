#include "weights/embedded.h"

// The assembler copies the file into the read-only data of this object; GRAFT_MEADOW_FILE is its path, from
// CMake.
asm(R"(
  .section .rodata
  .balign 16
  .globl graft_meadow_begin
  .globl graft_meadow_end
graft_meadow_begin:
  .incbin ")" GRAFT_MEADOW_FILE R"("
graft_meadow_end:
  .byte 0
  .previous
)");

extern "C" const uint8_t graft_meadow_begin[], graft_meadow_end[];

namespace graft::weights {

std::span<const uint8_t> embedded_backbone_bytes() {
  return {graft_meadow_begin, graft_meadow_end};
}

Checkpoint embedded_backbone() {
  return Checkpoint::from_bytes("meadow.safetensors (ships with graft)", embedded_backbone_bytes());
}

}  // namespace graft::weights
