/**
 * The one error class. `code` is stable and machine-readable; the message is for people and says
 * what is wrong, where, and how to mend it.
 */
export class PetioleError extends Error {
  readonly code: `PETIOLE_${string}`

  constructor(code: `PETIOLE_${string}`, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'PetioleError'
    this.code = code
  }
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}

/** The `code` of a system error (`ENOSPC`) or a PetioleError; '' when there is none. */
export function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null || !('code' in thrown)) return ''
  return typeof thrown.code === 'string' ? thrown.code : ''
}
