// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace vmferry {

// Makes the allocator give free pages back to the system at once: what a large wave needed while it was taken up is
// not held through the hours in which it waits. To be called first of all, once. Source: mimalloc's option
// `purge_delay` (`decommit_delay` before 2.1), https://microsoft.github.io/mimalloc/group__options.html.
void ReturnFreeMemory();

}  // namespace vmferry
