// SPDX-License-Identifier: Apache-2.0
// Unpacks the guest's kernel, which lies behind this program as a legacy LZ4 frame. Called by unpack.S.
// Debian's own kernel files are compressed with xz, and to unpack that takes QEMU 5 s where it has no KVM.
// Facts: Linux, Documentation/arch/x86/boot.rst ("The Real-Mode Kernel Header"); LZ4, doc/lz4_Frame_format.md
// ("Legacy frame") and doc/lz4_Block_format.md.
// Copies are of 8 bytes, so they may write up to 7 bytes too far: there follows what is unpacked next, or the kernel's
// bss, which it clears itself.
#include <stdint.h>

typedef unsigned char byte;
typedef uint64_t __attribute__((may_alias, aligned(1))) word;
typedef uint32_t __attribute__((may_alias, aligned(1))) half;
typedef uint16_t __attribute__((may_alias, aligned(1))) quarter;

static uint32_t header(const byte* boot_params, unsigned offset) { return *(const half*)(boot_params + offset); }

// Needs a distance of 8 bytes or more if the two overlap.
static inline void copy(byte* to, const byte* from, const byte* end) {
  for (; to < end; to += 8, from += 8) *(word*)to = *(const word*)from;
}

// A length of 15 goes on in the bytes that follow, up to the first that is not 255.
static inline uint64_t length(uint64_t start, const byte** in) {
  if (start == 15) {
    do start += **in;
    while (*(*in)++ == 255);
  }
  return start;
}

// Each sequence has a token, literals, and a match: bytes that are out already. The last one has no match.
static byte* unpack_block(const byte* in, const byte* end, byte* out) {
  for (;;) {
    byte token = *in++;
    uint64_t literals = length(token >> 4, &in);
    copy(out, in, out + literals);
    in += literals;
    out += literals;
    if (in >= end) return out;

    uint64_t distance = *(const quarter*)in;
    in += 2;
    byte* match_end = out + length(token & 15, &in) + 4;
    if (distance < 8) {  // bytes that repeat: after 8 of them there is a distance that will do
      for (int i = 0; i < 8; ++i) out[i] = (out - distance)[i];
      out += 8;
      distance *= (8 + distance - 1) / distance;
    }
    copy(out, out - distance, match_end);
    out = match_end;
  }
}

// Answers the kernel's entry, which is its first byte.
byte* unpack(const byte* boot_params) {
  uint64_t code = header(boot_params, 0x214);    // code32_start
  uint64_t kernel = header(boot_params, 0x258);  // pref_address
  const byte* in = (const byte*)code + header(boot_params, 0x248);  // payload_offset
  const byte* end = in + header(boot_params, 0x24c);                // payload_length
  byte* out = (byte*)kernel;
  in += 4;  // magic
  while (in < end) {
    uint32_t size = *(const half*)in;
    out = unpack_block(in + 4, in + 4 + size, out);
    in += 4 + size;
  }
  return (byte*)kernel;
}
