/** `00-<trace>-<parent>-<flags>`: whether the last bit of the flags is set. */
export function isSampledParent(value: string): boolean {
  const parts = value.split('-')
  const flags = parts[3] ?? ''
  if (parts.length !== 4 || !/^[0-9a-f]{2}$/i.test(flags)) return false
  const bits = Number.parseInt(flags, 16)
  // nats-server reads the flags as a signed byte, and what does not fit as none.
  return bits < 128 && (bits & 1) === 1
}
