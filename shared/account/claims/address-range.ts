/** Ranges of addresses as `src` has them: `10.0.0.0/8`, `2001:db8::/32` [RFC 4632, RFC 4291]. */

const V4_BITS = 32
const V6_BITS = 128

interface Address {
  readonly value: bigint
  readonly bits: number
}

interface Range {
  readonly base: Address
  readonly prefix: number
}

export function isAddressRange(text: string): boolean {
  return parseRange(text) !== undefined
}

/** Whether the address lies in one of the ranges. An IPv4 address within IPv6 counts as itself. */
export function isInRanges(address: string, ranges: readonly string[]): boolean {
  const parsed = parseAddress(address)
  if (parsed === undefined) return false
  return ranges.some((text) => {
    const range = parseRange(text)
    if (range === undefined || range.base.bits !== parsed.bits) return false
    const host = BigInt(parsed.bits - range.prefix)
    return parsed.value >> host === range.base.value >> host
  })
}

function parseRange(text: string): Range | undefined {
  const match = /^([^/]+)\/(\d{1,3})$/.exec(text)
  const base = parseAddress(match?.[1] ?? '', false)
  const prefix = Number(match?.[2] ?? Number.NaN)
  return base === undefined || !(prefix <= base.bits) ? undefined : { base, prefix }
}

function parseAddress(text: string, unmaps = true): Address | undefined {
  if (!text.includes(':')) {
    const value = parseV4(text)
    return value === undefined ? undefined : { value, bits: V4_BITS }
  }
  const value = parseV6(text.replace(/%.*$/, ''))
  if (value === undefined) return undefined
  const isMapped = unmaps && value >> 32n === 0xffffn
  return isMapped ? { value: value & 0xffffffffn, bits: V4_BITS } : { value, bits: V6_BITS }
}

function parseV4(text: string): bigint | undefined {
  const parts = text.split('.')
  if (parts.length !== 4 || !parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part))) {
    return undefined
  }
  const bytes = parts.map(Number)
  if (bytes.some((byte) => byte > 255)) return undefined
  return bytes.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n)
}

function parseV6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map(readGroups)
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined
  const missing = 8 - head.length - (tail?.length ?? 0)
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined
  const groups = [...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]
  return groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n)
}

/** The last group may be an IPv4 address, which is two. */
function readGroups(text: string): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const words = text.split(':')
  for (const [i, word] of words.entries()) {
    const v4 = i === words.length - 1 && word.includes('.') ? parseV4(word) : undefined
    if (v4 !== undefined) groups.push(Number(v4 >> 16n), Number(v4 & 0xffffn))
    else if (/^[0-9a-fA-F]{1,4}$/.test(word)) groups.push(Number.parseInt(word, 16))
    else return undefined
  }
  return groups
}
