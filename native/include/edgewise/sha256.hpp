// SHA-256 (FIPS 180-4), to find corruption. It proves nothing about who wrote a file.
#pragma once

#include <cstddef>
#include <string>

namespace edgewise {

// The digest of `size` bytes at `data` as 64 lower-case hexadecimal characters.
std::string sha256_hex(const void* data, std::size_t size);

}  // namespace edgewise
