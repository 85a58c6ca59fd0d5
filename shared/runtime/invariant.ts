import { PetioleError } from './petiole-error.ts'

/** Broken logic, not bad input. Stays on in production: a wrong state must not reach the disk. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new PetioleError('PETIOLE_INVARIANT', `broken invariant: ${message}`)
}
