#include "data/image.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/error.h"
#include "core/file.h"
#include "data/exif.h"
#include "data/jpeg_check.h"
#include "data/png_check.h"
#include "data/stb.h"

namespace graft::data {
namespace {

using namespace std::string_view_literals;

enum class Format { jpeg, png };

// Formats that are met under the names of pictures: their first bytes, or those at an offset.
struct Magic {
  size_t offset;
  std::string_view bytes;
  const char* kind;
};
constexpr Magic kOthers[] = {
    {0, "GIF8"sv, "a GIF"},
    {0, "BM"sv, "a BMP"},
    {0, "8BPS"sv, "a Photoshop file"},
    {0, "#?RADIANCE"sv, "a Radiance HDR picture"},
    {0, "#?RGBE"sv, "a Radiance HDR picture"},
    {8, "WEBP"sv, "a WebP"},
    {4, "ftypavif"sv, "an AVIF"},
    {4, "ftypavis"sv, "an AVIF"},
    {4, "ftyphei"sv, "a HEIC"},
    {4, "ftyphev"sv, "a HEIC"},
    {4, "ftypmif1"sv, "a HEIC"},
    {4, "ftypmsf1"sv, "a HEIC"},
    {0, "II*\0"sv, "a TIFF"},
    {0, "MM\0*"sv, "a TIFF"},
    {0, "\xFF\x0A"sv, "a JPEG XL"},
    {0, "\0\0\0\x0CJXL "sv, "a JPEG XL"},
    {0, "\0\0\0\x0CjP  "sv, "a JPEG 2000"},
    {0, "\xFF\x4F\xFF\x51"sv, "a JPEG 2000"},
    {0, "%PDF"sv, "a PDF"},
    {0, "PK\x03\x04"sv, "a zip archive"},
    {0, "<?xml"sv, "XML text"},
    {0, "<svg"sv, "an SVG"},
    {0, "<!DOCTYPE"sv, "a web page"},
    {0, "<html"sv, "a web page"},
};

// TGA has no magic number; this is what its 18 bytes of header may say.
bool looks_like_tga(std::string_view b) {
  if (b.size() < 18) return false;
  auto byte = [&](size_t i) { return static_cast<uint8_t>(b[i]); };
  bool type = byte(2) == 1 || byte(2) == 2 || byte(2) == 3 || (byte(2) >= 9 && byte(2) <= 11);
  bool depth = byte(16) == 8 || byte(16) == 15 || byte(16) == 16 || byte(16) == 24 || byte(16) == 32;
  return byte(1) <= 1 && type && depth && (byte(12) | byte(13)) != 0 && (byte(14) | byte(15)) != 0;
}

std::string kind_of(std::string_view bytes) {
  for (const Magic& magic : kOthers) {
    if (bytes.size() > magic.offset && bytes.substr(magic.offset).starts_with(magic.bytes)) return magic.kind;
  }
  auto is_text = [](char c) { return (c >= 32 && c < 127) || c == '\n' || c == '\r' || c == '\t'; };
  std::string_view head = bytes.substr(0, 64);
  if (std::all_of(head.begin(), head.end(), is_text)) return str("text (\"", printable(bytes, 20), "\")");
  if (looks_like_tga(bytes)) return "a TGA";
  return str("an unknown format (first bytes \"", printable(bytes.substr(0, 8)), "\")");
}

Format sniff(std::string_view bytes, std::string_view name) {
  GRAFT_CHECK_AS(DataError, !bytes.empty(), name, ": the file is empty");
  if (bytes.starts_with("\xFF\xD8\xFF"sv)) return Format::jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1A\n"sv)) return Format::png;
  bool begins = "\xFF\xD8\xFF"sv.starts_with(bytes) || "\x89PNG\r\n\x1A\n"sv.starts_with(bytes);
  GRAFT_CHECK_AS(DataError, !begins, name, ": truncated: only ", bytes.size(), " bytes");
  fail<DataError>(name, ": ", kind_of(bytes), ", not a JPEG or PNG; convert it to one of them");
}

Image as_asked(Image&& image, const DecodeOptions& options) {
  if (options.channels == 1) {
    for (size_t i = 0; i < image.rgb.size(); i += 3) std::fill_n(&image.rgb[i], 3, grey_of(&image.rgb[i]));
  }
  return std::move(image);
}

}  // namespace

void check_size(int64_t width, int64_t height, std::string_view name) {
  GRAFT_CHECK_AS(DataError, width >= 1 && height >= 1, name, ": the header says ", width, " x ", height,
                 " pixels, each side must be at least 1");
  GRAFT_CHECK_AS(DataError, width <= kMaxSide && height <= kMaxSide && width * height <= kMaxPixels, name,
                 ": ", width, " x ", height, " pixels, at most ", kMaxSide, " a side and ", kMaxPixels,
                 " in all are read");
}

Image decode(std::span<const uint8_t> bytes, std::string_view raw_name, const DecodeOptions& options) {
  const std::string name = printable(raw_name, 400);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (sniff(text, name) == Format::png) {
    PngInfo info = check_png(bytes, name, options);
    return as_asked(stb_decode(info.clean, name, info.width, info.height, info.transparent), options);
  }
  JpegInfo info = check_jpeg(bytes, name, options);
  Image image = as_asked(stb_decode(info.clean, name, info.width, info.height), options);
  return options.exif_orient ? oriented(image, exif_orientation(info.exif)) : image;
}

std::vector<uint8_t> read_bytes(const std::string& path) {
  struct File {
    int fd;
    ~File() {
      if (fd >= 0) close(fd);
    }
  } file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  auto reason = [] { return std::generic_category().message(errno); };
  const std::string name = printable(path, 400);
  GRAFT_CHECK_AS(DataError, file.fd >= 0, name, ": cannot be read: ", reason());
  struct stat info;
  GRAFT_CHECK_AS(DataError, fstat(file.fd, &info) == 0, name, ": cannot be read: ", reason());
  GRAFT_CHECK_AS(DataError, !S_ISDIR(info.st_mode), name, ": a folder, not a picture");
  GRAFT_CHECK_AS(DataError, S_ISREG(info.st_mode), name, ": not a regular file");
  GRAFT_CHECK_AS(DataError, info.st_size <= int64_t{1} << 30, name, ": ", info.st_size,
                 " bytes, more than 1 GiB");
  std::vector<uint8_t> bytes(static_cast<size_t>(info.st_size));
  size_t filled = 0;
  while (filled < bytes.size()) {
    ssize_t got = read(file.fd, bytes.data() + filled, bytes.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    GRAFT_CHECK_AS(DataError, got >= 0, name, ": cannot be read: ", reason());
    if (got == 0) break;  // became shorter since
    filled += static_cast<size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

Image read_image(const std::string& path, const DecodeOptions& options) {
  return decode(read_bytes(path), path, options);
}

}  // namespace graft::data
