/** `00-<trace>-<parent>-<flags>`: whether the last bit of the flags is set. */
export function isSampledParent(value: string): boolean {
  const parts = value.split('-')
  const flags = parts[3] ?? ''
  if (parts.length !== 4 || !/^[0-9a-f]{2}$/i.test(flags)) return false
  const bits = Number.parseInt(flags, 16)
  // nats-server reads the flags as a signed byte, and what does not fit as none.
  return bits < 128 && (bits & 1) === 1
}

/** Fields of a block that are looked at for one that is sampled. */
const PARENTS_MAX = 64
const PARENT = /\ntraceparent:([^\n]*)/gi

/** Whether a header block has a `traceparent`, in any case, that is sampled. */
export function hasSampledParent(block: Uint8Array): boolean {
  // One byte a character: nothing is decoded, and the copy is the machine's.
  const text = Buffer.from(block.buffer, block.byteOffset, block.length).toString('latin1')
  let left = PARENTS_MAX
  for (const [, value = ''] of text.matchAll(PARENT)) {
    if (isSampledParent(value.trim())) return true
    if (--left === 0) break
  }
  return false
}
