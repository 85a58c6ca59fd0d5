import { PetioleError } from '../../shared/runtime/index.ts'
import type { RetainedLimits } from './limits.ts'

export function retainedFull(
  { messagesMax, bytesMax }: RetainedLimits,
  cause?: unknown,
): PetioleError {
  return new PetioleError(
    'PETIOLE_RETAINED_FULL',
    `the account keeps as many retained messages as it may: ${messagesMax}, or ${bytesMax} bytes`,
    { cause },
  )
}
