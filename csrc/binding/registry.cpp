// The lists of compiled entries.
#include "engine/kernel.hpp"
#include "engine/peak_flops.hpp"
#include "training/trainer.hpp"

namespace throughtime {

// Zero-initialised before the constructors of any translation unit run.
template <class Entry>
static const Registration<Entry>* head = nullptr;

template <class Entry>
Registration<Entry>::Registration(const Entry* entry) : entry(entry), next(head<Entry>) {
    head<Entry> = this;
}

template <class Entry>
const Registration<Entry>* Registration<Entry>::first() {
    return head<Entry>;
}

template class Registration<Kernel>;
template class Registration<Trainer>;
template class Registration<PeakFlops>;

}  // namespace throughtime
