#include "data/jpeg_check.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/error.h"
#include "data/jpeg_entropy.h"

namespace graft::data {
namespace {

enum Marker : uint8_t {
  kDHT = 0xC4,
  kDAC = 0xCC,
  kSOI = 0xD8,
  kEOI = 0xD9,
  kSOS = 0xDA,
  kDQT = 0xDB,
  kDNL = 0xDC,
  kDRI = 0xDD,
  kDHP = 0xDE,
  kEXP = 0xDF,
  kAPP0 = 0xE0,
  kAPP1 = 0xE1,
  kAPP14 = 0xEE,
  kAPP15 = 0xEF,
  kCOM = 0xFE,
};

bool is_sof(uint8_t m) {
  return m >= 0xC0 && m <= 0xCF && m != kDHT && m != kDAC && m != 0xC8;
}

std::string marker_text(uint8_t m) {
  constexpr char kHex[] = "0123456789ABCDEF";
  return str("FF", kHex[m >> 4], kHex[m & 15]);
}

// The kinds of JPEG that are not read, by their frame marker.
const char* unread_kind(uint8_t sof) {
  switch (sof) {
    case 0xC3: return "a lossless JPEG";
    case 0xC5:
    case 0xC6:
    case 0xC7: return "a hierarchical JPEG";
    case 0xC9:
    case 0xCA: return "an arithmetic-coded JPEG";
    case 0xCB: return "a lossless arithmetic-coded JPEG";
    case 0xCD:
    case 0xCE:
    case 0xCF: return "a hierarchical arithmetic-coded JPEG";
    default: return nullptr;
  }
}

class Checker {
 public:
  Checker(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options)
      : bytes_(bytes), name_(name), options_(options) {}

  JpegInfo run() {
    info_.clean = {0xFF, kSOI};
    info_.clean.reserve(bytes_.size() + 2);
    size_t at = 2;
    while (!ended_) at = segment(at);
    if (at < bytes_.size()) warn(bytes_.size() - at, " bytes after the end of the JPEG are ignored");
    check(frame_.width > 0, "no frame (SOF marker): there is no picture");
    check(scans_ > 0, "no scan (SOS marker): there is no picture data");
    check(frame_.components.size() != 4 || (has_adobe_ && (adobe_transform_ == 0 || adobe_transform_ == 2)),
          "4 components without Adobe's APP14 segment that says CMYK or YCCK: their colours are unknown");
    for (const JpegComponent& c : frame_.components) {
      bool seen = frame_.progressive ? c.precision[0] >= 0 : c.scanned;
      check(seen || cut_, "no scan holds component ", c.id);
    }
    if (frame_.progressive && !complete() && !cut_) warn("the last scans are missing: the picture is coarse");
    info_.clean.insert(info_.clean.end(), {0xFF, kEOI});
    info_.width = frame_.width;
    info_.height = frame_.height;
    return std::move(info_);
  }

 private:
  using Body = std::span<const uint8_t>;

  template <class... Parts>
  void check(bool holds, const Parts&... parts) const {
    if (!holds) fail<DataError>(name_, ": ", parts...);
  }
  template <class... Parts>
  void warn(const Parts&... parts) const {
    if (options_.warnings) options_.warnings->push_back(str(name_, ": ", parts...));
  }

  // Reads the segment at `at` with what belongs to it; returns where the next one begins.
  size_t segment(size_t at) {
    size_t begin = at;
    while (at < bytes_.size() && bytes_[at] != 0xFF) ++at;
    size_t stray = at - begin;
    while (at < bytes_.size() && bytes_[at] == 0xFF) ++at;
    if (at >= bytes_.size()) return file_ends();
    check(stray == 0 || frame_.width > 0, "byte ", begin, ": ", stray, " bytes where a marker must stand");
    if (stray > 0) warn(stray, " stray bytes at byte ", begin, " are ignored");
    const uint8_t marker = bytes_[at++];
    check(marker != 0, "byte ", at - 2, ": picture data outside of a scan");
    if (marker == kEOI) {
      ended_ = true;
      return at;
    }
    check(marker != kSOI, "byte ", at - 2, ": a second SOI marker: two JPEG files in one");
    check(marker < 0xD0 || marker > 0xD7, "byte ", at - 2, ": restart marker outside of a scan");
    check(marker != 0x01, "byte ", at - 2,
          ": marker FF01 (TEM) belongs to arithmetic coding, which is not read");
    if (bytes_.size() - at < 2) return cut(str("in the segment ", marker_text(marker), " at byte ", at - 2));
    size_t length = size_t{bytes_[at]} << 8 | bytes_[at + 1];
    check(length >= 2, "byte ", at - 2, ": segment ", marker_text(marker), " of length ", length,
          ", at least 2");
    if (length > bytes_.size() - at)
      return cut(str("in the segment ", marker_text(marker), " at byte ", at - 2));
    Body body = bytes_.subspan(at + 2, length - 2);
    use(marker, body, at - 2);
    at += length;
    return marker == kSOS ? scan(body, at) : at;
  }

  void use(uint8_t marker, Body body, size_t at) {
    bool keep = true;
    if (is_sof(marker)) {
      read_frame(marker, body, at);
    } else if (marker == kDQT) {
      read_quantisation(body, at);
    } else if (marker == kDHT) {
      read_huffman(body, at);
    } else if (marker == kDRI) {
      check(body.size() == 2, "byte ", at, ": DRI segment of ", body.size() + 2, " bytes, must be 4");
      restart_interval_ = body[0] << 8 | body[1];
    } else if (marker == kAPP14 && body.size() >= 12 && std::memcmp(body.data(), "Adobe", 6) == 0) {
      adobe_transform_ = body[11];
      has_adobe_ = true;
    } else if (marker == kAPP0 && body.size() >= 5 && std::memcmp(body.data(), "JFIF", 5) == 0) {
      // Kept: it says that three components are YCbCr.
    } else if (marker >= kAPP0 && marker <= kAPP15) {
      if (marker == kAPP1 && info_.exif.empty() && body.size() >= 6 &&
          std::memcmp(body.data(), "Exif\0", 6) == 0) {
        info_.exif.assign(body.begin(), body.end());
      }
      keep = false;
    } else if (marker == kCOM) {
      keep = false;
    } else {
      check(marker != kDAC, "an arithmetic-coded JPEG, which is not read; convert it to a baseline JPEG");
      check(marker != kDHP && marker != kEXP,
            "a hierarchical JPEG, which is not read; convert it to a baseline JPEG");
      check(marker != kDNL, "byte ", at, ": a DNL segment, which is not read; convert it to a baseline JPEG");
      check(marker == kSOS, "byte ", at, ": unknown marker ", marker_text(marker));
    }
    if (keep) {
      auto p = body.data();
      info_.clean.insert(info_.clean.end(), {0xFF, marker, static_cast<uint8_t>((body.size() + 2) >> 8),
                                             static_cast<uint8_t>(body.size() + 2)});
      info_.clean.insert(info_.clean.end(), p, p + body.size());
    }
  }

  void read_frame(uint8_t marker, Body b, size_t at) {
    check(!unread_kind(marker), unread_kind(marker) ? unread_kind(marker) : "",
          ", which is not read; convert it to a baseline JPEG");
    check(frame_.width == 0, "byte ", at, ": a second frame (SOF marker)");
    check(b.size() >= 6 && b.size() == 6 + 3 * size_t{b[5]}, "byte ", at, ": SOF segment of ", b.size() + 2,
          " bytes does not fit its number of components");
    check(b[0] == 8, "a JPEG of ", int{b[0]}, " bits a sample, which is not read; convert it to 8 bits");
    int64_t height = b[1] << 8 | b[2], width = b[3] << 8 | b[4];
    check_size(width, height, name_);
    const int count = b[5];
    check(count == 1 || count == 3 || count == 4, count,
          " components, only 1 (grey), 3 (colour) and 4 (CMYK) are read");
    frame_.progressive = marker == 0xC2;
    int h_max = 1, v_max = 1;
    for (int i = 0; i < count; ++i) {
      const uint8_t* c = &b[static_cast<size_t>(6 + 3 * i)];
      JpegComponent component;
      component.id = c[0];
      component.h = c[1] >> 4;
      component.v = c[1] & 15;
      component.quantisation = c[2];
      check(component.h >= 1 && component.h <= 4 && component.v >= 1 && component.v <= 4, "component ",
            component.id, " has sampling factors ", component.h, " x ", component.v, ", must be 1 to 4");
      check(component.quantisation <= 3, "component ", component.id, " uses quantisation table ",
            component.quantisation, ", must be 0 to 3");
      for (const JpegComponent& other : frame_.components) {
        check(other.id != component.id, "two components have the number ", component.id);
      }
      component.precision.fill(-1);
      h_max = std::max(h_max, component.h);
      v_max = std::max(v_max, component.v);
      frame_.components.push_back(component);
    }
    auto up = [](int64_t a, int64_t n) { return (a + n - 1) / n; };
    frame_.mcus_x = up(width, 8 * h_max);
    frame_.mcus_y = up(height, 8 * v_max);
    for (JpegComponent& c : frame_.components) {
      check(h_max % c.h == 0 && v_max % c.v == 0, "sampling factors ", c.h, " x ", c.v, " beside ", h_max,
            " x ", v_max, ": fractions are not read; convert it to a baseline JPEG");
      c.blocks_x = up(up(width * c.h, h_max), 8);
      c.blocks_y = up(up(height * c.v, v_max), 8);
      c.padded_x = frame_.mcus_x * c.h;
      if (frame_.progressive) c.nonzero.assign(static_cast<size_t>(c.padded_x * frame_.mcus_y * c.v), 0);
    }
    frame_.width = width;
    frame_.height = height;
  }

  void read_quantisation(Body b, size_t at) {
    size_t i = 0;
    while (i < b.size()) {
      int wide = b[i] >> 4, id = b[i] & 15;
      check(wide <= 1 && id <= 3, "byte ", at, ": quantisation table ", id, " of precision ", wide,
            ", must be 0 to 3 and 0 or 1");
      ++i;
      size_t bytes = wide ? 128 : 64;
      check(b.size() - i >= bytes, "byte ", at, ": quantisation table ", id, " is cut");
      JpegQuantisation& table = quantisation_[static_cast<size_t>(id)];
      for (size_t k = 0; k < 64; ++k, i += wide ? 2 : 1) {
        table.value[k] = static_cast<uint16_t>(wide ? b[i] << 8 | b[i + 1] : b[i]);
        check(table.value[k] > 0, "byte ", at, ": quantisation table ", id, " holds a 0");
      }
      table.defined = true;
    }
  }

  void read_huffman(Body b, size_t at) {
    size_t i = 0;
    while (i < b.size()) {
      int kind = b[i] >> 4, id = b[i] & 15;
      check(kind <= 1 && id <= 3, "byte ", at, ": Huffman table ", id, " of class ", kind,
            ", must be 0 to 3 and 0 (DC) or 1 (AC)");
      ++i;
      check(b.size() - i >= 16, "byte ", at, ": Huffman table ", id, " is cut");
      auto counts = b.subspan(i).first<16>();
      i += 16;
      size_t total = 0;
      for (uint8_t count : counts) total += count;
      check(total <= 256, "byte ", at, ": Huffman table ", id, " has ", total, " codes, at most 256 exist");
      check(b.size() - i >= total, "byte ", at, ": Huffman table ", id, " is cut");
      auto symbols = b.subspan(i, total);
      i += total;
      auto& table = huffman_[static_cast<size_t>(kind)][static_cast<size_t>(id)];
      std::string wrong = table.define(counts, symbols);
      check(wrong.empty(), "byte ", at, ": Huffman table ", id, " has ", wrong);
    }
  }

  // The scan whose header is `b` and whose data begin at `at`.
  size_t scan(Body b, size_t at) {
    check(frame_.width > 0, "byte ", at, ": a scan (SOS marker) before the frame (SOF marker)");
    if (scans_++ == 0) check_scan_count(at);
    JpegScan scan = read_scan_header(b, at);
    JpegWalk walk = walk_scan(frame_, scan, bytes_.subspan(at));
    auto data = bytes_.subspan(at, walk.used);
    info_.clean.insert(info_.clean.end(), data.begin(), data.end());
    const size_t end = at + walk.used;
    if (!walk.problem.empty()) {
      check(walk.ended_early, "the data of scan ", scans_, " are damaged: ", walk.problem);
      return cut(str("in scan ", scans_, ", ", walk.problem));
    }
    if (walk.left_over > 0)
      warn(walk.left_over, " zero bytes after the data of scan ", scans_, " are ignored");
    return end;
  }

  JpegScan read_scan_header(Body b, size_t at) {
    check(!b.empty() && b[0] >= 1 && b[0] <= 4 && b.size() == 4 + 2 * size_t{b[0]}, "byte ", at,
          ": SOS segment of ", b.size() + 2, " bytes does not fit its number of components");
    JpegScan scan;
    const size_t count = b[0];
    const uint8_t* tail = &b[1 + 2 * count];
    scan.spectral_start = tail[0];
    scan.spectral_end = tail[1];
    scan.high = tail[2] >> 4;
    scan.low = tail[2] & 15;
    scan.restart_interval = restart_interval_;
    check_progression(scan, count);
    int blocks = 0;
    for (size_t i = 0; i < count; ++i) {
      int id = b[1 + 2 * i], dc = b[2 + 2 * i] >> 4, ac = b[2 + 2 * i] & 15;
      auto c = std::find_if(frame_.components.begin(), frame_.components.end(),
                            [&](auto& x) { return x.id == id; });
      check(c != frame_.components.end(), "scan ", scans_, " names component ", id,
            ", which the frame does not have");
      for (const auto& part : scan.parts)
        check(part.component != &*c, "scan ", scans_, " names component ", id, " twice");
      check(dc <= 3 && ac <= 3, "scan ", scans_, " uses Huffman tables ", dc, " and ", ac,
            ", must be 0 to 3");
      const auto& quantisation = quantisation_[static_cast<size_t>(c->quantisation)];
      check(quantisation.defined, "quantisation table ", c->quantisation, " of component ", id,
            " is missing");
      const JpegHuffman& dc_table = huffman_[0][static_cast<size_t>(dc)];
      const JpegHuffman& ac_table = huffman_[1][static_cast<size_t>(ac)];
      check(dc_table.defined() || scan.spectral_start > 0 || scan.high > 0, "DC Huffman table ", dc,
            " of component ", id, " is missing");
      check(ac_table.defined() || scan.spectral_end == 0, "AC Huffman table ", ac, " of component ", id,
            " is missing");
      if (frame_.progressive) {
        advance(*c, scan);
      } else {
        check(!c->scanned, "scan ", scans_, " repeats component ", id);
        c->scanned = true;
      }
      blocks += c->h * c->v;
      scan.parts.push_back({&*c, &dc_table, &ac_table, &quantisation});
    }
    check(count == 1 || blocks <= 10, "scan ", scans_, " has ", blocks, " blocks in an MCU, at most 10");
    return scan;
  }

  void check_progression(JpegScan& s, size_t components) {
    if (!frame_.progressive) {
      check(s.high == 0 && s.low == 0, "scan ", scans_, " of a sequential JPEG has progressive settings");
      // Some writers leave the band of a sequential scan empty.
      s.spectral_start = 0;
      s.spectral_end = 63;
      return;
    }
    bool dc = s.spectral_start == 0;
    check(dc ? s.spectral_end == 0 : s.spectral_start <= s.spectral_end && s.spectral_end <= 63, "scan ",
          scans_, " has the band ", s.spectral_start, " to ", s.spectral_end,
          ", must be 0 alone or within 1 to 63");
    check(dc || components == 1, "scan ", scans_, " has AC coefficients of ", components,
          " components, must be 1");
    check(s.low <= 13 && (s.high == 0 || s.high == s.low + 1), "scan ", scans_, " refines bit ", s.low,
          " after bit ", s.high, ", must be the next one");
  }

  // Each bit of a progressive coefficient comes once, from the top, and DC before AC.
  void advance(JpegComponent& c, const JpegScan& s) {
    check(s.spectral_start == 0 || c.precision[0] >= 0, "scan ", scans_, " has AC coefficients of component ",
          c.id, " before its DC");
    for (int k = s.spectral_start; k <= s.spectral_end; ++k) {
      int8_t& precision = c.precision[static_cast<size_t>(k)];
      bool next = s.high == 0 ? precision < 0 : precision == s.high;
      check(next, "scan ", scans_, " repeats or skips bits of coefficient ", k, " of component ", c.id);
      precision = static_cast<int8_t>(s.low);
    }
  }

  // All scans, counted before the first is walked: a small file can hold a thousand of a large picture.
  void check_scan_count(size_t at) const {
    int64_t count = 1;
    while (at + 1 < bytes_.size()) {
      const void* found = std::memchr(&bytes_[at], 0xFF, bytes_.size() - 1 - at);
      if (!found) break;
      at = static_cast<size_t>(static_cast<const uint8_t*>(found) - bytes_.data()) + 1;
      count += bytes_[at] == kSOS;
    }
    int64_t pixels = frame_.width * frame_.height;
    check(count <= std::max<int64_t>(1, kMaxPixelScans / pixels), count, " scans of ", frame_.width, " x ",
          frame_.height, " pixels, scans times pixels may be at most ", kMaxPixelScans);
  }

  bool complete() const {
    for (const JpegComponent& c : frame_.components) {
      for (int8_t precision : c.precision) {
        if (precision != 0) return false;
      }
    }
    return true;
  }

  // The file ends where a marker should stand. With every block there, only the end marker is missing.
  size_t file_ends() {
    bool all = scans_ > 0;
    for (const JpegComponent& c : frame_.components) all = all && (frame_.progressive || c.scanned);
    if (frame_.progressive) all = all && complete();
    if (!all) return cut("before its end marker");
    warn("the end marker (EOI) is missing");
    ended_ = true;
    return bytes_.size();
  }

  size_t cut(const std::string& where) {
    check(options_.allow_truncated && scans_ > 0, "truncated: the file ends ", where);
    warn("truncated: the file ends ", where);
    ended_ = cut_ = true;
    return bytes_.size();
  }

  std::span<const uint8_t> bytes_;
  std::string_view name_;
  const DecodeOptions& options_;
  JpegInfo info_;
  JpegFrame frame_;
  std::array<JpegQuantisation, 4> quantisation_;
  std::array<std::array<JpegHuffman, 4>, 2> huffman_;
  int64_t scans_ = 0;
  int restart_interval_ = 0, adobe_transform_ = 0;
  bool has_adobe_ = false, ended_ = false, cut_ = false;
};

}  // namespace

JpegInfo check_jpeg(std::span<const uint8_t> bytes, std::string_view name, const DecodeOptions& options) {
  return Checker(bytes, name, options).run();
}

}  // namespace graft::data
