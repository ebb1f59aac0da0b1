#include "engine/cgroups.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>

namespace throughtime {

int64_t read_number(const std::string& path, const char* word) {
    std::ifstream file(path);
    std::string line;
    while (std::getline(file, line)) {
        const size_t skipped = word ? std::strlen(word) : 0;
        if (word && line.compare(0, skipped, word) != 0) continue;
        char* end = nullptr;
        const char* const start = line.c_str() + skipped;
        const long long value = std::strtoll(start, &end, 10);
        return end == start ? unlimited : int64_t(value);  // "max"
    }
    return unlimited;
}

std::vector<std::string> control_groups(const std::string& controller, const std::string& root) {
    std::vector<std::string> directories;
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line)) {
        const size_t first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        std::string controllers(1, ','), name(1, ',');
        controllers.append(line, first + 1, second - first - 1).append(1, ',');
        name.append(controller).append(1, ',');
        if (controllers.find(name) == std::string::npos) continue;
        for (std::string path = line.substr(second + 1); path.size() > 1;) {
            directories.push_back(root + path);
            path.resize(path.find_last_of('/') == std::string::npos ? 0 : path.find_last_of('/'));
        }
    }
    directories.push_back(root);
    return directories;
}

}  // namespace throughtime
