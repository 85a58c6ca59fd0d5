import { codeOf, type PetioleError } from '../../shared/runtime/index.ts'
import { JetStreamError } from '../../shared/stream/index.ts'
import { REASON } from '../codec/index.ts'

/** What a publisher is told of an error, by its code: reasons that PUBACK and PUBREC may carry. */
const REASONS: Readonly<Record<string, number>> = {
  PETIOLE_STORE_FULL: REASON.quotaExceeded,
  PETIOLE_STREAM_FULL: REASON.quotaExceeded,
  PETIOLE_RETAINED_FULL: REASON.quotaExceeded,
  PETIOLE_MESSAGE_TOO_LARGE: REASON.quotaExceeded,
  PETIOLE_SUBJECT_INVALID: REASON.topicNameInvalid,
}

/** Limits of an account, of the server, of a stream and of its messages, as streams say them. */
const QUOTAS: ReadonlySet<number> = new Set([10002, 10023, 10028, 10047, 10054, 10077, 10120])

/** The reason code of a publish that could not be stored (MQTT 5, 3.4.2.1 and 3.5.2.1). */
export function reasonOf(error: PetioleError): number {
  if (!(error instanceof JetStreamError))
    return REASONS[error.code] ?? REASON.implementationSpecific
  const { cause, errCode } = error
  const isQuota = cause === undefined ? QUOTAS.has(errCode) : REASONS[codeOf(cause)] !== undefined
  return isQuota ? REASON.quotaExceeded : REASON.implementationSpecific
}
