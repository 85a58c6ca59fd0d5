/**
 * What a hub says of who brought it a message of a sync, when it passes the message on to another hub: what
 * that user may publish. The buffers' home holds the records in it to that.
 *
 *     NATS/1.0
 *     Petiole-May-Publish: {"allow":["plant.>"],"deny":["plant.secret"]}
 *     … the message's own fields
 *
 * `*` is everything, `-` that the rules are too long to be told. The field comes first, and each hub puts its
 * own there, so what a leaf writes into its message is never taken for it.
 */

import { STAMP_BYTES_MAX } from './limits.ts'

/** As `publishRules` of a peer; `allow` left out: everything that is not denied. */
export interface StampedRules {
  readonly allow: readonly string[] | undefined
  readonly deny: readonly string[]
}

const LABEL = Buffer.from('NATS/1.0\r\nPetiole-May-Publish: ')
const VERSION_LINE_BYTES = 'NATS/1.0\r\n'.length
const LINE_END = '\r\n'
const SYNC_PREFIX = Buffer.from('$FLEET.SYNC.')
const EVERYTHING = '*'
const NOT_TOLD = '-'

/** Whether a message with this subject is stamped: looked at for each that goes to another hub. */
export function isStamped(subject: Uint8Array): boolean {
  if (subject.length <= SYNC_PREFIX.length) return false
  for (let i = 0; i < SYNC_PREFIX.length; i++) if (subject[i] !== SYNC_PREFIX[i]) return false
  return true
}

/** The header block with the stamp in front. */
export function withStamp(headers: Uint8Array, rules: StampedRules | undefined): Uint8Array {
  const text = rules === undefined ? EVERYTHING : JSON.stringify(rules)
  // JSON escapes what would end the line.
  const value = Buffer.byteLength(text) > STAMP_BYTES_MAX ? NOT_TOLD : text
  const fields = headers.subarray(VERSION_LINE_BYTES)
  const rest = fields.length === 0 ? Buffer.from(LINE_END) : fields
  return Buffer.concat([LABEL, Buffer.from(value + LINE_END), rest])
}

/** What the stamp of a message from another hub says, as it stands there; undefined: it has none. */
export function stampOf(headers: Uint8Array): string | undefined {
  const bytes = Buffer.from(headers.buffer, headers.byteOffset, headers.length)
  if (!bytes.subarray(0, LABEL.length).equals(LABEL)) return undefined
  const end = bytes.indexOf(LINE_END, LABEL.length)
  return end < 0 ? undefined : bytes.toString('utf8', LABEL.length, end)
}

/** `refused`: they were not told, or are none. `undefined` as rules: everything may be published. */
export function rulesOfStamp(
  stamp: string | undefined,
): { readonly rules: StampedRules | undefined } | 'refused' {
  if (stamp === EVERYTHING) return { rules: undefined }
  if (stamp === undefined || stamp === NOT_TOLD) return 'refused'
  try {
    const { allow, deny } = JSON.parse(stamp) as Partial<Record<string, unknown>>
    if (!isTexts(deny) || (allow !== undefined && !isTexts(allow))) return 'refused'
    return { rules: { allow, deny } }
  } catch {
    return 'refused'
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((it) => typeof it === 'string')
}
