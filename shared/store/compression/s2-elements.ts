/**
 * The elements of an S2 block [klauspost/compress, s2]: literals, and copies of what came before.
 *
 *     tag low 2 bits 00   literal: upper 6 bits + 1 bytes follow; 60 and 61: 1 or 2 bytes of length - 1 more
 *                    01   copy of 4 to 11 bytes (3 bits), offset of 11 bits: its upper 3 bits lie on top,
 *                         8 follow; offset 0: the offset before once more, lengths up to 4 + 4, then
 *                         5, 6 and 7: 1, 2 or 3 bytes of length follow, less 8, 260 and 65,540
 *                    10   copy of 1 to 64 bytes, offset of 16 bits; 11: of 32 bits
 *
 * In front of the bytes lies a dictionary that both sides have: a copy may reach back into it.
 */
const REPEAT_1 = 8
const REPEAT_2 = 260
const REPEAT_3 = 65_540
const COPY_2_MAX = 64
const NEAR_OFFSET = 2_048

/** Room that elements of so many bytes may take. */
export function elementBytesMax(bytes: number): number {
  return bytes + (bytes >>> 6) + 32
}

/** Returns where the element ends in `out`. */
export function putLiteral(
  out: Uint8Array,
  at: number,
  source: Uint8Array,
  from: number,
  to: number,
): number {
  const size = to - from
  if (size === 0) return at
  let end = putLength(out, at, size - 1)
  if (size > 24) {
    out.set(source.subarray(from, to), end)
    return end + size
  }
  for (let i = from; i < to; i++) out[end++] = source[i] as number
  return end
}

function putLength(out: Uint8Array, at: number, value: number): number {
  if (value < 60) {
    out[at] = value << 2
    return at + 1
  }
  const more = value < 2 ** 8 ? 1 : value < 2 ** 16 ? 2 : value < 2 ** 24 ? 3 : 4
  out[at] = (59 + more) << 2
  return putLittle(out, at + 1, value, more)
}

function putLittle(out: Uint8Array, at: number, value: number, bytes: number): number {
  for (let i = 0; i < bytes; i++) out[at + i] = (value >>> (8 * i)) & 255
  return at + bytes
}

/** At least 4 bytes from another offset than the copy before. Returns where the elements end. */
export function putCopy(out: Uint8Array, at: number, offset: number, length: number): number {
  if (offset < NEAR_OFFSET && length < 12) {
    out[at] = ((offset >>> 8) << 5) | ((length - 4) << 2) | 1
    out[at + 1] = offset & 255
    return at + 2
  }
  // What is too long for one copy goes on as a repetition, which has at least 4 bytes.
  const first = length <= COPY_2_MAX ? length : Math.min(COPY_2_MAX, length - 4)
  const isFar = offset >= 2 ** 16
  out[at] = ((first - 1) << 2) | (isFar ? 3 : 2)
  const end = putLittle(out, at + 1, offset, isFar ? 4 : 2)
  return first === length ? end : putRepeat(out, end, length - first)
}

/** At least 4 bytes from the offset of the copy before. */
export function putRepeat(out: Uint8Array, at: number, length: number): number {
  let end = at
  let left = length
  while (left >= REPEAT_3 + 2 ** 24) {
    end = putRepeat(out, end, 2 ** 23)
    left -= 2 ** 23
  }
  const more = left <= REPEAT_1 ? 0 : left < REPEAT_2 ? 1 : left < REPEAT_3 ? 2 : 3
  const code = more === 0 ? left - 4 : 4 + more
  const base = more === 1 ? REPEAT_1 : more === 2 ? REPEAT_2 : REPEAT_3
  out[end] = (code << 2) | 1
  out[end + 1] = 0
  return more === 0 ? end + 2 : putLittle(out, end + 2, left - base, more)
}

/**
 * Decodes `source` from `at` on into `out`, exactly, with `dictionary` in front. Returns false when
 * that is not what the elements say: nothing beyond the given bytes is read or written whatever they are.
 */
export function decodeElements(
  source: Uint8Array,
  at: number,
  out: Uint8Array,
  dictionary: Uint8Array,
): boolean {
  const sourceEnd = source.length
  const outEnd = out.length
  let from = at
  let to = 0
  let offset = 0
  while (from < sourceEnd) {
    const tag = source[from++] as number
    const high = tag >>> 2
    let length: number
    if ((tag & 3) === 0) {
      const more = high < 60 ? 0 : high - 59
      if (from + more > sourceEnd) return false
      length = (more === 0 ? high : little(source, from, more)) + 1
      from += more
      if (from + length > sourceEnd || to + length > outEnd) return false
      copyIn(source, from, out, to, length)
      from += length
      to += length
      continue
    }
    if ((tag & 3) === 1) {
      if (from >= sourceEnd) return false
      const near = ((tag & 0xe0) << 3) | (source[from++] as number)
      const code = high & 7
      length = code + 4
      if (near !== 0) offset = near
      else if (code > 4) {
        const more = code - 4
        if (from + more > sourceEnd) return false
        const base = more === 1 ? REPEAT_1 : more === 2 ? REPEAT_2 : REPEAT_3
        length = little(source, from, more) + base
        from += more
      }
    } else {
      const bytes = (tag & 3) === 2 ? 2 : 4
      if (from + bytes > sourceEnd) return false
      length = high + 1
      offset = little(source, from, bytes)
      from += bytes
    }
    if (offset === 0 || offset > to + dictionary.length || to + length > outEnd) return false
    to = copyBack(out, to, offset, length, dictionary)
  }
  return to === outEnd
}

function little(source: Uint8Array, at: number, bytes: number): number {
  let value = 0
  for (let i = bytes - 1; i >= 0; i--) value = value * 256 + (source[at + i] as number)
  return value
}

function copyIn(
  source: Uint8Array,
  from: number,
  out: Uint8Array,
  to: number,
  length: number,
): void {
  if (length > 24) out.set(source.subarray(from, from + length), to)
  else for (let i = 0; i < length; i++) out[to + i] = source[from + i] as number
}

/** The part in the dictionary first, then what lies in `out` already, which may grow while it is copied. */
function copyBack(
  out: Uint8Array,
  to: number,
  offset: number,
  length: number,
  dictionary: Uint8Array,
): number {
  let at = to
  let left = length
  let from = to - offset
  if (from < 0) {
    const start = dictionary.length + from
    const part = Math.min(left, -from)
    copyIn(dictionary, start, out, at, part)
    at += part
    left -= part
    from = 0
  }
  if (left > 32 && at - from >= left) {
    out.copyWithin(at, from, from + left)
    return at + left
  }
  for (let i = 0; i < left; i++) out[at + i] = out[from + i] as number
  return at + left
}
