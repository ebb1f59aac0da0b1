// The names in a cell's description, as compile-time data.
#pragma once

namespace throughtime {

// Names separated by single spaces: "i f g o". Everything is consteval, so no code is generated that the linker could
// take from a translation unit with higher instruction set flags.
struct Names {
    const char* text;
    int count;

    consteval Names(const char* names) : text(names), count(*names ? 1 : 0) {  // NOLINT: a literal is the description
        for (const char* c = names; *c; ++c) count += *c == ' ';
    }

    consteval const char* name(int index) const {
        const char* c = text;
        for (; index > 0; ++c) index -= *c == ' ';
        return c;
    }
    static consteval bool equal(const char* a, const char* b) {
        for (; *a && *a != ' ' && *a == *b; ++a, ++b) {
        }
        return (!*a || *a == ' ') && (!*b || *b == ' ');
    }
    consteval bool distinct() const {
        for (int i = 0; i < count; ++i)
            for (int j = 0; j < i; ++j)
                if (equal(name(i), name(j))) return false;
        return true;
    }
    consteval bool ends_with(Names last) const {
        for (int i = 0; i < last.count; ++i)
            if (last.count > count || !equal(name(count - last.count + i), last.name(i))) return false;
        return true;
    }
};

}  // namespace throughtime
