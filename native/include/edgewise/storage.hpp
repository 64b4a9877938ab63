// How files are written: never half.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace edgewise {

// Writes the pieces, one after the other, to `path` (bytes as the file system has them), wholly or
// not at all: aside in the same folder, flushed to the disk, then renamed over an old file, whose
// permissions are kept. A symbolic link is followed; a device or a pipe is written to.
// Error(kStorage), naming the path and the cure; the old file is then untouched.
void write_atomic(const std::string& path, const std::vector<std::string_view>& pieces);

}  // namespace edgewise
