/** What the headers of a message say of the atomic batch that it is part of. */

export interface BatchHeaders {
  readonly id: string
  /** undefined when it is missing, or no number. */
  readonly seq: number | undefined
  /** With this message, or with the one before it (`eob`). */
  readonly commit: 'no' | 'with' | 'before' | 'invalid'
}

const UINT64_MAX = 2n ** 64n - 1n

/** @param found the headers by name; undefined when they name no batch */
export function batchHeadersOf(found: ReadonlyMap<string, string>): BatchHeaders | undefined {
  const id = found.get('Nats-Batch-Id') || undefined
  if (id === undefined) return undefined
  return {
    id,
    seq: parseUint64(found.get('Nats-Batch-Sequence') ?? ''),
    commit: commitOf(found.get('Nats-Batch-Commit')),
  }
}

/** Above 2^53 what is returned is not exact, but still far above every limit. */
export function parseUint64(text: string): number | undefined {
  if (!/^\d+$/.test(text)) return undefined
  return text.length > 15 && BigInt(text) > UINT64_MAX ? undefined : Number(text)
}

function commitOf(text: string | undefined): BatchHeaders['commit'] {
  if (text === undefined) return 'no'
  if (text === '1') return 'with'
  return text === 'eob' ? 'before' : 'invalid'
}
