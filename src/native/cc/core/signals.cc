#include "core/signals.h"

#include <pthread.h>
#include <signal.h>

#include <initializer_list>

namespace kvferry {

void block_signals() {
  sigset_t all;
  sigfillset(&all);
  for (const int raised_by_the_thread : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) {
    sigdelset(&all, raised_by_the_thread);
  }
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
}

}  // namespace kvferry
