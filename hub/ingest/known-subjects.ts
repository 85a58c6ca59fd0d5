import { BytesCache } from '../../shared/subject/index.ts'
import type { ReceivedBatch } from '../../shared/sync/index.ts'
import { SUBJECT_KNOWN_BYTES_MAX, SUBJECTS_KNOWN_MAX } from './limits.ts'

/** One subject in both its forms; the same object as long as it is remembered. */
export interface KnownSubject {
  readonly text: string
  readonly bytes: Uint8Array
}

/** Sensors say the same subjects again and again: each is decoded once, not once per record. */
export class KnownSubjects {
  readonly #cache = new BytesCache<KnownSubject>(SUBJECTS_KNOWN_MAX, SUBJECT_KNOWN_BYTES_MAX)

  /** The subject of the batch's current record. */
  of(batch: ReceivedBatch): KnownSubject {
    const { bytes, subjectStart, headersStart } = batch
    const known = this.#cache.get(bytes, subjectStart, headersStart)
    if (known !== undefined) return known
    const own = Uint8Array.prototype.slice.call(bytes, subjectStart, headersStart)
    const subject = { text: bytes.toString('utf8', subjectStart, headersStart), bytes: own }
    this.#cache.add(bytes, subjectStart, headersStart, subject)
    return subject
  }
}
