// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/memory.h"

#ifdef VMFERRY_MIMALLOC
#include <mimalloc.h>
#endif

namespace vmferry {

void ReturnFreeMemory() {
#if defined(VMFERRY_MIMALLOC) && MI_MALLOC_VERSION >= 210
  mi_option_set(mi_option_purge_delay, 0);
#elif defined(VMFERRY_MIMALLOC)
  mi_option_set(mi_option_decommit_delay, 0);
#endif
}

}  // namespace vmferry
