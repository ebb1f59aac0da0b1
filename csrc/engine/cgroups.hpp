// Numbers that Linux tells in files: the limits of control groups among them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace throughtime {

// What stands for no limit, and for a file or a number that there is not.
inline constexpr int64_t unlimited = INT64_MAX;

// The number after a word in a file of lines "word number …"; without a word, the first in the file.
int64_t number_in(const std::string& path, const char* word = nullptr);

// The directories of the control groups that hold the process, innermost first: those of one controller in version 1,
// or, with no controller, of version 2. A container sees its own as the root.
std::vector<std::string> control_groups(const std::string& controller, const std::string& root);

}  // namespace throughtime
