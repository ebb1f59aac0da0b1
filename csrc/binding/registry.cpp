// The lists of what was compiled.
#include "engine/kernel.hpp"
#include "training/trainer.hpp"
#include "engine/peak_flops.hpp"

namespace throughtime {

// A plain pointer is initialised before any constructor of any translation unit runs.
template <class Entry>
static const RegisterOf<Entry>* head = nullptr;

template <class Entry>
RegisterOf<Entry>::RegisterOf(const Entry* entry) : entry(entry), next(head<Entry>) {
    head<Entry> = this;
}

template <class Entry>
const RegisterOf<Entry>* RegisterOf<Entry>::first() {
    return head<Entry>;
}

template class RegisterOf<Kernel>;
template class RegisterOf<Learner>;
template class RegisterOf<Peak>;

}  // namespace throughtime
