// A team of threads that runs a function.
//
// The team is from the pool of the OpenMP runtime that the process already has (torch's, if torch is loaded), so that
// nothing is oversubscribed and torch's setting of threads holds. The library is linked with no OpenMP runtime: a
// second one next to torch's would have a pool of its own. Where the process has none, as in an installation without
// torch, each call starts its own threads.
#pragma once

namespace throughtime {

// Calls body(data, member, members) on each of at most `threads` threads. Nothing is inline, since kernels use no
// inline functions from outside of their instruction set.
void run_team(int threads, void (*body)(const void* data, int member, int members), const void* data);

// Ends the threads of the pool; the next team starts new ones. A child that is forked while they exist would wait for
// threads that it does not have.
void release_threads();

// Lets another thread run on this processor.
void yield_processor();

}  // namespace throughtime
