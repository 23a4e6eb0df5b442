// Builds JPEG files for tests, right ones and wrong ones. The pictures are blocks of one level each, so that
// a few code words suffice: one DC difference and "end of block". Blocks are 8 x 8 samples with the value 128
// + level.
#pragma once

#include <bit>
#include <cstdlib>
#include <functional>

#include "tests/data/make_png.h"

namespace graft::test {

struct JpegSegment {
  uint8_t marker;
  Bytes body;
  Bytes data;         // of a scan, behind the segment
  bool bare = false;  // a marker without length
};

inline void append_segment(Bytes& out, const JpegSegment& s) {
  append(out, {0xFF, s.marker});
  if (!s.bare) append_big_endian(out, static_cast<uint32_t>(s.body.size() + 2), 2);
  append(out, s.body);
  append(out, s.data);
}

// The segments between SOI and EOI of a well-formed file, scan data with their SOS.
inline std::vector<JpegSegment> jpeg_segments(const Bytes& file) {
  std::vector<JpegSegment> out;
  size_t at = 2;
  while (at + 4 <= file.size()) {
    JpegSegment s{file[at + 1], {}, {}};
    size_t end = at + 2 + (size_t{file[at + 2]} << 8 | file[at + 3]);
    s.body.assign(file.begin() + static_cast<ptrdiff_t>(at) + 4, file.begin() + static_cast<ptrdiff_t>(end));
    at = end;
    if (s.marker == 0xDA) {
      while (!(file[end] == 0xFF && file[end + 1] != 0 && (file[end + 1] < 0xD0 || file[end + 1] > 0xD7)))
        ++end;
      s.data.assign(file.begin() + static_cast<ptrdiff_t>(at), file.begin() + static_cast<ptrdiff_t>(end));
      at = end;
    }
    out.push_back(s);
    if (file[at + 1] == 0xD9) break;
  }
  return out;
}

inline Bytes jpeg_bytes(const std::vector<JpegSegment>& segments, bool end = true) {
  Bytes out = {0xFF, 0xD8};
  for (const JpegSegment& s : segments) append_segment(out, s);
  if (end) append(out, {0xFF, 0xD9});
  return out;
}

class BitWriter {
 public:
  void put(uint32_t value, int bits) {
    for (int i = bits - 1; i >= 0; --i) {
      current_ = static_cast<uint8_t>(current_ << 1 | (value >> i & 1));
      if (++count_ == 8) flush_byte();
    }
  }
  // Fills the last byte with ones.
  void align() {
    while (count_ != 0) put(1, 1);
  }
  Bytes out;

 private:
  void flush_byte() {
    out.push_back(current_);
    if (current_ == 0xFF) out.push_back(0);
    count_ = 0;
    current_ = 0;
  }
  uint8_t current_ = 0;
  int count_ = 0;
};

struct FlatJpeg {
  struct Component {
    uint8_t id, h, v;
  };
  int width = 16, height = 16;
  uint8_t sof = 0xC0, precision = 8;
  std::vector<Component> components = {{1, 1, 1}};
  int restart_interval = 0;
  // The level of each block, in the order of the scan, -128 to 127.
  std::function<int(int block)> level = [](int block) { return block % 7 * 10 - 30; };
  int skip_restart = -1, wrong_restart = -1;  // the number of a restart marker to leave out or to exchange

  // DQT with all 8, so that a level is its DC value; SOF; DHT of class 0 and 1; DRI; SOS with the data.
  std::vector<JpegSegment> segments() const {
    std::vector<JpegSegment> out;
    Bytes quantisation(65, 8);
    quantisation[0] = 0;
    out.push_back({0xDB, quantisation, {}});
    Bytes frame = {precision};
    append_big_endian(frame, static_cast<uint32_t>(height), 2);
    append_big_endian(frame, static_cast<uint32_t>(width), 2);
    frame.push_back(static_cast<uint8_t>(components.size()));
    for (auto c : components) append(frame, {c.id, static_cast<uint8_t>(c.h << 4 | c.v), 0});
    out.push_back({sof, frame, {}});
    out.push_back({0xC4, dc_table(), {}});
    out.push_back({0xC4, ac_table(), {}});
    if (restart_interval > 0) {
      out.push_back(
          {0xDD, {static_cast<uint8_t>(restart_interval >> 8), static_cast<uint8_t>(restart_interval)}, {}});
    }
    Bytes header = {static_cast<uint8_t>(components.size())};
    for (auto c : components) append(header, {c.id, 0});
    append(header, {0, 63, 0});
    out.push_back({0xDA, header, entropy()});
    return out;
  }
  Bytes bytes() const { return jpeg_bytes(segments()); }

  // Categories 0 to 11 as codes of four bits; "end of block" as 00.
  static Bytes dc_table() {
    Bytes t(17, 0);
    t[4] = 12;
    for (uint8_t i = 0; i < 12; ++i) t.push_back(i);
    return t;
  }
  static Bytes ac_table() {
    Bytes t(17, 0);
    t[0] = 0x10;
    t[2] = 2;
    append(t, {0x00, 0x01});
    return t;
  }

 private:
  Bytes entropy() const {
    int h_max = 1, v_max = 1, blocks_in_mcu = 0;
    for (auto c : components) {
      h_max = std::max<int>(h_max, c.h);
      v_max = std::max<int>(v_max, c.v);
      blocks_in_mcu += c.h * c.v;
    }
    const bool alone = components.size() == 1;
    int mcus = alone ? (width + 7) / 8 * ((height + 7) / 8)
                     : (width + 8 * h_max - 1) / (8 * h_max) * ((height + 8 * v_max - 1) / (8 * v_max));
    std::vector<int> predicted(components.size());
    BitWriter bits;
    int block = 0, restarts = 0;
    for (int mcu = 0; mcu < mcus; ++mcu) {
      if (restart_interval > 0 && mcu > 0 && mcu % restart_interval == 0) {
        bits.align();
        std::fill(predicted.begin(), predicted.end(), 0);
        int number = (restarts + (restarts == wrong_restart ? 1 : 0)) % 8;
        if (restarts != skip_restart) append(bits.out, {0xFF, static_cast<uint8_t>(0xD0 + number)});
        ++restarts;
      }
      for (size_t c = 0; c < components.size(); ++c) {
        int count = alone ? 1 : components[c].h * components[c].v;
        for (int i = 0; i < count; ++i) put_block(bits, level(block++), predicted[c]);
      }
    }
    bits.align();
    return bits.out;
  }

  static void put_block(BitWriter& bits, int level, int& predicted) {
    int difference = level - predicted;
    predicted = level;
    int category = std::bit_width(static_cast<unsigned>(std::abs(difference)));
    bits.put(static_cast<uint32_t>(category), 4);
    bits.put(static_cast<uint32_t>(difference > 0 ? difference : difference + (1 << category) - 1), category);
    bits.put(0, 2);
  }
};

}  // namespace graft::test
