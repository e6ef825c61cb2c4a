// Signals belong to the JavaScript thread.
#pragma once

namespace kvferry {

// Blocks the signals that the JavaScript thread handles, on the calling thread. SIGBUS and the like stay: the thread that
// faults raises them itself.
void block_signals();

}  // namespace kvferry
