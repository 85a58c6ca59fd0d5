import type { PetioleError } from '../../shared/runtime/index.ts'
import { REASON } from '../codec/index.ts'

/** What a publisher is told of an error, by its code: reasons that PUBACK and PUBREC may carry. */
const REASONS: Readonly<Record<string, number>> = {
  PETIOLE_STORE_FULL: REASON.quotaExceeded,
  PETIOLE_STREAM_FULL: REASON.quotaExceeded,
  PETIOLE_RETAINED_FULL: REASON.quotaExceeded,
  PETIOLE_MESSAGE_TOO_LARGE: REASON.quotaExceeded,
  PETIOLE_SUBJECT_INVALID: REASON.topicNameInvalid,
}

/** The reason code of a publish that could not be stored (MQTT 5, 3.4.2.1 and 3.5.2.1). */
export function reasonOf({ code }: PetioleError): number {
  return REASONS[code] ?? REASON.implementationSpecific
}
