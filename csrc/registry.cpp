// The list of compiled cells.
#include "kernel.hpp"

namespace throughtime {

// A plain pointer is initialised before any constructor of any translation unit runs.
static const Register* head = nullptr;

Register::Register(const Kernel* kernel) : kernel(kernel), next(head) { head = this; }

const Register* Register::first() { return head; }

}  // namespace throughtime
