// SPDX-License-Identifier: Apache-2.0
//
// ThreadSanitizer sees what libvirt and GLib do with memory, but not their locks, since they are not built with it.
// https://github.com/google/sanitizers/wiki/ThreadSanitizerSuppressions
#if defined(__SANITIZE_THREAD__)
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "race:libglib-2.0.so\nrace:libvirt.so\n";
}
#endif
