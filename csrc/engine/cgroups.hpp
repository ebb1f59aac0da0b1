// Numbers from Linux's /proc and control group files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace throughtime {

// No limit; also the result for a missing file or number.
inline constexpr int64_t unlimited = INT64_MAX;

// The number after `word` in a file of lines "word number …", or the first number in the file if `word` is null.
int64_t read_number(const std::string& path, const char* word = nullptr);

// The directories of the control groups of the process, innermost first: those of one controller of version 1, or,
// without a controller, of version 2. A container sees its own group as the root.
std::vector<std::string> control_groups(const std::string& controller, const std::string& root);

}  // namespace throughtime
