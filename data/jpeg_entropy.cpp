#include "data/jpeg_entropy.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "core/str.h"

namespace graft::data {

std::string JpegHuffman::define(std::span<const uint8_t, 16> counts, std::span<const uint8_t> symbols) {
  *this = {};
  uint32_t code = 0;  // left-aligned in 16 bits
  int32_t place = 0;
  for (int length = 1; length <= 16; ++length) {
    const uint32_t step = 1u << (16 - length);
    const int32_t count = counts[static_cast<size_t>(length - 1)];
    if (code + static_cast<uint32_t>(count) * step > 0x10000)
      return str("more codes of ", length, " bits than exist");
    offset_[static_cast<size_t>(length)] = place - static_cast<int32_t>(code >> (16 - length));
    for (int32_t i = 0; i < count; ++i, ++place, code += step) {
      uint8_t symbol = symbols[static_cast<size_t>(place)];
      symbols_[static_cast<size_t>(place)] = symbol;
      if (length > kShortBits) continue;
      uint32_t first = code >> (16 - kShortBits), n = step >> (16 - kShortBits);
      std::fill_n(short_.begin() + first, n, Code{length, symbol});
    }
    end_[static_cast<size_t>(length)] = code;
  }
  defined_ = true;
  return "";
}

JpegHuffman::Code JpegHuffman::find_long(uint32_t bits16) const {
  for (int length = kShortBits + 1; length <= 16; ++length) {
    auto i = static_cast<size_t>(length);
    if (bits16 >= end_[i]) continue;
    auto code = static_cast<int32_t>(bits16 >> (16 - length));
    return {length, symbols_[static_cast<size_t>(code + offset_[i])]};
  }
  return {};
}

namespace {

// The largest dequantised coefficient that 16 bits hold. Pixels of 8 bits need about 2^10.
constexpr int kMaxCoefficient = 32767;

struct Problem {
  std::string text;
  bool ended_early = false;
};

// Bits of one restart interval, most significant first, its stuffed zeros removed. Past the end come zeros.
class Bits {
 public:
  void load(std::span<const uint8_t> stuffed) {
    bytes_.clear();
    for (size_t i = 0; i < stuffed.size();) {
      const void* found = std::memchr(&stuffed[i], 0xFF, stuffed.size() - i);
      size_t end =
          found ? static_cast<size_t>(static_cast<const uint8_t*>(found) - stuffed.data()) : stuffed.size();
      bytes_.insert(bytes_.end(), stuffed.begin() + static_cast<ptrdiff_t>(i),
                    stuffed.begin() + static_cast<ptrdiff_t>(end));
      if (!found) break;
      i = end;
      while (i < stuffed.size() && stuffed[i] == 0xFF) ++i;  // fill bytes
      if (i == stuffed.size()) break;
      bytes_.push_back(0xFF);
      ++i;  // the stuffed zero
    }
    size_ = bytes_.size() * 8;
    at_ = 0;
    bytes_.resize(bytes_.size() + kPadding, 0);
  }

  // The next bits at the top of a word; 57 of them are true ones (or zeros past the end).
  uint64_t peek() const {
    uint64_t word;
    std::memcpy(&word, bytes_.data() + std::min(at_ >> 3, bytes_.size() - kPadding), sizeof word);
    if constexpr (std::endian::native == std::endian::little) word = __builtin_bswap64(word);
    return word << (at_ & 7);
  }
  void skip(size_t n) { at_ += n; }
  bool past_end() const { return at_ > size_; }
  size_t left() const { return size_ - at_; }
  bool rest_is_zero() const {
    for (size_t i = (at_ + 7) / 8; i < size_ / 8; ++i) {
      if (bytes_[i] != 0) return false;
    }
    return true;
  }

  uint8_t symbol(const JpegHuffman& table) {
    auto code = table.find(static_cast<uint32_t>(peek() >> 48));
    if (code.length == 0) {
      at_ += 16;
      throw Problem{"a bit pattern that is no Huffman code", past_end()};
    }
    at_ += static_cast<size_t>(code.length);
    return code.symbol;
  }
  // n: 0 to 16
  uint32_t bits(int n) {
    if (n == 0) return 0;
    auto value = static_cast<uint32_t>(peek() >> (64 - n));
    at_ += static_cast<size_t>(n);
    return value;
  }
  // A signed value of n bits: T.81, figure F.12.
  int32_t value(int n) {
    auto v = static_cast<int32_t>(bits(n));
    return n > 0 && v < 1 << (n - 1) ? v - (1 << n) + 1 : v;
  }

 private:
  static constexpr size_t kPadding = 8;
  std::vector<uint8_t> bytes_;
  size_t size_ = 0, at_ = 0;  // in bits, without the padding
};

class Walker {
 public:
  Walker(const JpegFrame& frame, const JpegScan& scan, std::span<const uint8_t> data)
      : frame_(frame), scan_(scan), data_(data) {
    const JpegComponent& first = *scan.parts[0].component;
    alone_ = scan.parts.size() == 1;
    total_ = alone_ ? first.blocks_x * first.blocks_y : frame.mcus_x * frame.mcus_y;
    predicted_.resize(scan.parts.size());
    for (const auto& part : scan.parts) bits_allowed_.push_back(allowed(*part.quantisation));
  }

  JpegWalk run() {
    JpegWalk walk;
    const int64_t interval = scan_.restart_interval > 0 ? scan_.restart_interval : total_;
    int next_restart = 0;
    size_t at = 0;
    for (int64_t done = 0; done < total_;) {
      size_t end = interval_end(at);
      bits_.load(data_.subspan(at, end - at));
      int64_t stop = std::min(total_, done + interval);
      start_interval();
      try {
        for (mcu_ = done; mcu_ < stop; ++mcu_) {
          alone_ ? block_alone() : blocks_interleaved();
          if (bits_.past_end()) throw Problem{"the data stop", true};
        }
        done = stop;
        bool last = done == total_;
        if (bits_.left() >= 8 && !(last && bits_.rest_is_zero())) {
          throw Problem{str(bits_.left() / 8, " bytes of data left over"), false};
        }
        at = end;
        if (last) {
          walk.left_over = bits_.left() / 8;
        } else {
          at = pass_restart(end, next_restart);
          next_restart = (next_restart + 1) % 8;
        }
      } catch (const Problem& problem) {
        walk.ended_early = problem.ended_early && !marker_follows(end);
        walk.problem = str(problem.text, " after ", mcu_, " of ", total_, alone_ ? " blocks" : " MCUs");
        walk.used = marker_from(end);
        return walk;
      }
    }
    walk.used = marker_from(at);
    return walk;
  }

 private:
  // Magnitudes in bits that keep each dequantised coefficient within 16 bits.
  static std::array<uint8_t, 64> allowed(const JpegQuantisation& q) {
    std::array<uint8_t, 64> out{};
    for (size_t k = 0; k < 64; ++k) {
      int bits = 0;
      while (bits < 15 && ((2 << bits) - 1) * int{q.value[k]} <= kMaxCoefficient) ++bits;
      out[k] = static_cast<uint8_t>(bits);
    }
    return out;
  }

  // Where the data from `at` meet a marker, a restart marker included, or the end of the file.
  size_t interval_end(size_t at) const {
    while (at < data_.size()) {
      const void* found = std::memchr(&data_[at], 0xFF, data_.size() - at);
      if (!found) return data_.size();
      auto ff = static_cast<size_t>(static_cast<const uint8_t*>(found) - data_.data());
      size_t after = ff;
      while (after < data_.size() && data_[after] == 0xFF) ++after;
      if (after == data_.size()) return ff;
      if (data_[after] != 0) return ff;
      at = after + 1;
    }
    return data_.size();
  }

  bool marker_follows(size_t at) const {
    return std::any_of(data_.begin() + static_cast<ptrdiff_t>(at), data_.end(),
                       [](uint8_t byte) { return byte != 0xFF; });
  }

  // The same, but restart markers are data.
  size_t marker_from(size_t at) const {
    for (;;) {
      at = interval_end(at);
      size_t after = at;
      while (after < data_.size() && data_[after] == 0xFF) ++after;
      if (after >= data_.size() || data_[after] < 0xD0 || data_[after] > 0xD7) return at;
      at = after + 1;
    }
  }

  size_t pass_restart(size_t at, int expected) const {
    while (at < data_.size() && data_[at] == 0xFF) ++at;
    if (at >= data_.size()) throw Problem{"the data stop", true};
    if (data_[at] != 0xD0 + expected) {
      constexpr char kHex[] = "0123456789ABCDEF";
      throw Problem{str("marker FF", kHex[data_[at] >> 4], kHex[data_[at] & 15], " where restart marker RST",
                        expected, " must stand"),
                    false};
    }
    return at + 1;
  }

  void start_interval() {
    std::fill(predicted_.begin(), predicted_.end(), 0);
    end_of_band_run_ = 0;
  }

  void block_alone() {
    JpegComponent& c = *scan_.parts[0].component;
    int64_t index = mcu_ / c.blocks_x * c.padded_x + mcu_ % c.blocks_x;
    block(0, static_cast<size_t>(index));
  }

  void blocks_interleaved() {
    const int64_t mx = mcu_ % frame_.mcus_x, my = mcu_ / frame_.mcus_x;
    for (size_t i = 0; i < scan_.parts.size(); ++i) {
      const JpegComponent& c = *scan_.parts[i].component;
      for (int y = 0; y < c.v; ++y) {
        for (int x = 0; x < c.h; ++x)
          block(i, static_cast<size_t>((my * c.v + y) * c.padded_x + mx * c.h + x));
      }
    }
  }

  void block(size_t part, size_t index) {
    if (!frame_.progressive) {
      dc_first(part);
      ac_sequential(part);
    } else if (scan_.spectral_start == 0) {
      if (scan_.high == 0) {
        dc_first(part);
      } else {
        bits_.skip(1);
      }
    } else {
      uint64_t& nonzero = scan_.parts[0].component->nonzero[index];
      scan_.high == 0 ? ac_first(nonzero) : ac_refine(nonzero);
    }
  }

  void dc_first(size_t part) {
    int bits = bits_.symbol(*scan_.parts[part].dc);
    if (bits > 11)
      throw Problem{str("a DC difference of ", bits, " bits, at most 11 exist"), bits_.past_end()};
    predicted_[part] += bits_.value(bits);
    int64_t value = int64_t{predicted_[part]} * (1 << scan_.low) * scan_.parts[part].quantisation->value[0];
    if (std::abs(value) > kMaxCoefficient) {
      throw Problem{str("a DC coefficient of ", value, ", at most ", kMaxCoefficient, " make sense"),
                    bits_.past_end()};
    }
  }

  void check_magnitude(size_t part, int bits, int k) {
    if (bits + scan_.low > bits_allowed_[part][static_cast<size_t>(k)]) {
      throw Problem{
          str("an AC coefficient of ", bits + scan_.low, " bits is beyond what 8-bit pixels can have"),
          bits_.past_end()};
    }
  }
  static void check_index(int k, int end, const Bits& bits) {
    if (k > end) throw Problem{"a run of zeros that leaves its block", bits.past_end()};
  }

  void ac_sequential(size_t part) {
    const JpegHuffman& table = *scan_.parts[part].ac;
    for (int k = 1; k < 64;) {
      int code = bits_.symbol(table), run = code >> 4, bits = code & 15;
      if (bits == 0) {
        if (run != 15) return;
        k += 16;
        check_index(k, 64, bits_);
        continue;
      }
      k += run;
      check_index(k, 63, bits_);
      check_magnitude(part, bits, k);
      bits_.skip(static_cast<size_t>(bits));
      ++k;
    }
  }

  void ac_first(uint64_t& nonzero) {
    if (end_of_band_run_ > 0) {
      --end_of_band_run_;
      return;
    }
    for (int k = scan_.spectral_start; k <= scan_.spectral_end;) {
      int code = bits_.symbol(*scan_.parts[0].ac), run = code >> 4, bits = code & 15;
      if (bits == 0) {
        if (run < 15) {
          end_of_band_run_ = (1 << run) + static_cast<int32_t>(bits_.bits(run)) - 1;
          return;
        }
        k += 16;
        check_index(k, scan_.spectral_end + 1, bits_);
        continue;
      }
      k += run;
      check_index(k, scan_.spectral_end, bits_);
      check_magnitude(0, bits, k);
      bits_.skip(static_cast<size_t>(bits));
      nonzero |= uint64_t{1} << k;
      ++k;
    }
  }

  // Coefficients that are not zero get one more bit each; new ones, of magnitude 1, come between them.
  void ac_refine(uint64_t& nonzero) {
    const uint64_t before = nonzero;
    int k = scan_.spectral_start;
    if (end_of_band_run_ == 0) {
      while (k <= scan_.spectral_end) {
        int code = bits_.symbol(*scan_.parts[0].ac), run = code >> 4, bits = code & 15;
        if (bits > 1)
          throw Problem{str("a new coefficient of ", bits, " bits in a refining scan"), bits_.past_end()};
        if (bits == 0 && run < 15) {
          end_of_band_run_ = (1 << run) + static_cast<int32_t>(bits_.bits(run));
          break;
        }
        if (bits == 1) bits_.skip(1);  // its sign
        // Over `run` zeros (16 where none is new) to the next one.
        for (; k <= scan_.spectral_end; ++k) {
          if (before >> k & 1) {
            bits_.skip(1);
          } else if (run-- == 0) {
            break;
          }
        }
        if (bits == 1) {
          check_index(k, scan_.spectral_end, bits_);
          nonzero |= uint64_t{1} << k;
        }
        ++k;
      }
    }
    if (end_of_band_run_ > 0) {
      const uint64_t up_to_end =
          scan_.spectral_end == 63 ? ~uint64_t{0} : (uint64_t{1} << (scan_.spectral_end + 1)) - 1;
      const uint64_t from_k = k > 63 ? 0 : ~uint64_t{0} << k;
      bits_.skip(static_cast<size_t>(std::popcount(before & up_to_end & from_k)));
      --end_of_band_run_;
    }
  }

  const JpegFrame& frame_;
  const JpegScan& scan_;
  std::span<const uint8_t> data_;
  bool alone_ = false;
  int64_t total_ = 0, mcu_ = 0;
  Bits bits_;
  std::vector<int32_t> predicted_;
  std::vector<std::array<uint8_t, 64>> bits_allowed_;
  int32_t end_of_band_run_ = 0;
};

}  // namespace

JpegWalk walk_scan(const JpegFrame& frame, const JpegScan& scan, std::span<const uint8_t> data) {
  return Walker(frame, scan, data).run();
}

}  // namespace graft::data
