// Walks through the Huffman-coded data of a JPEG without making pixels, to know before decoding that every
// block is there and every value in range. Source: ITU-T T.81 (1992), annexes F (sequential) and G
// (progressive).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graft::data {

struct JpegQuantisation {
  bool defined = false;
  std::array<uint16_t, 64> value{};  // in zigzag order
};

class JpegHuffman {
 public:
  // Why these code counts and symbols are no Huffman table, or "".
  std::string define(std::span<const uint8_t, 16> counts, std::span<const uint8_t> symbols);
  bool defined() const { return defined_; }

  struct Code {
    int length = 0;  // 0: no code begins like this
    uint8_t symbol = 0;
  };
  // The code at the front of 16 bits.
  Code find(uint32_t bits16) const {
    Code code = short_[bits16 >> (16 - kShortBits)];
    return code.length > 0 ? code : find_long(bits16);
  }

 private:
  static constexpr int kShortBits = 10;
  Code find_long(uint32_t bits16) const;

  bool defined_ = false;
  std::array<Code, 1 << kShortBits> short_{};
  std::array<uint32_t, 17> end_{};    // for each length, the 16 bits that codes of it are below
  std::array<int32_t, 17> offset_{};  // what a code of each length is added to for its place in symbols_
  std::array<uint8_t, 256> symbols_{};
};

struct JpegComponent {
  int id = 0, h = 1, v = 1, quantisation = 0;
  int64_t blocks_x = 0, blocks_y = 0;  // that hold picture
  int64_t padded_x = 0;                // with those that fill the last MCU
  // Of a progressive file: for each coefficient (zigzag) the bit that has come so far, -1 for none, and for
  // each block which coefficients are not zero.
  std::array<int8_t, 64> precision{};
  std::vector<uint64_t> nonzero;
  bool scanned = false;  // of a sequential file
};

struct JpegFrame {
  int64_t width = 0, height = 0;
  bool progressive = false;
  int64_t mcus_x = 0, mcus_y = 0;
  std::vector<JpegComponent> components;
};

struct JpegScan {
  struct Part {
    JpegComponent* component;
    const JpegHuffman* dc;
    const JpegHuffman* ac;
    const JpegQuantisation* quantisation;
  };
  std::vector<Part> parts;
  int spectral_start = 0, spectral_end = 63;  // of zigzag coefficients
  int high = 0, low = 0;                      // successive approximation
  int64_t restart_interval = 0;               // in MCUs; 0: none
};

// What a walk found. `problem` is empty when every block was there.
struct JpegWalk {
  std::string problem;
  bool ended_early = false;  // the problem is that the data stop
  size_t used = 0;           // bytes of the data, up to the marker that ends them
  size_t left_over = 0;      // zero bytes between the last block and that marker
};

// Walks one scan whose data begin at `data` (and reach to the end of the file).
JpegWalk walk_scan(const JpegFrame& frame, const JpegScan& scan, std::span<const uint8_t> data);

}  // namespace graft::data
