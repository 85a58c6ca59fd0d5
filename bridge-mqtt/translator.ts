import { BytesCache } from '../shared/subject/index.ts'
import { checkUtf8, VIOLATIONS, type Violation } from './codec/index.ts'
import { CACHED_TOPIC_BYTES, CACHED_TOPICS_MAX, SUBJECT_BYTES_MAX } from './limits.ts'
import { subjectToTopic, topicToSubject } from './topic-map.ts'

/** A topic name that has passed every check, with the subject it maps to. */
export interface Topic {
  readonly bytes: Uint8Array
  readonly subject: Uint8Array
  /** A topic of the server itself, which devices may read but not write. */
  readonly isReserved: boolean
}

/**
 * First levels that belong to the server: its API, its fleet protocol, its own reports, and the one that
 * in filters stands for something else.
 */
const RESERVED_LEVELS: ReadonlySet<string> = new Set([
  '$SYS',
  '$JS',
  '$JSC',
  '$FLEET',
  '$MQTT',
  '$share',
])

/** Bridges of mosquitto say there whether they are connected, and give up when they may not. */
const BRIDGE_STATE = /^\$SYS\/broker\/connection\/[^/]+\/state$/

const UNTRANSLATABLE = new Uint8Array(0)
const TOPIC_BYTES_MAX = 65_535

/** Topics to subjects and back, for all clients: checked and converted once or twice, then remembered. */
export class Translator {
  readonly #topics = new BytesCache<Topic>(CACHED_TOPICS_MAX, CACHED_TOPIC_BYTES, 'second sight')
  readonly #subjects = new BytesCache<Uint8Array>(
    CACHED_TOPICS_MAX,
    CACHED_TOPIC_BYTES,
    'second sight',
  )

  /** The topic name in bytes [start, end), or the rule that it breaks. */
  topic(bytes: Uint8Array, start: number, end: number): Topic | Violation {
    const known = this.#topics.get(bytes, start, end)
    if (known !== undefined) return known
    const violation = checkUtf8(bytes, start, end)
    if (violation !== undefined) return violation
    const name = copyOf(bytes, start, end)
    const subject = topicToSubject(name)
    if (subject === undefined) return VIOLATIONS.topicWildcard
    if (subject.length > SUBJECT_BYTES_MAX) return VIOLATIONS.topicTooLong
    const topic = { bytes: name, subject, isReserved: isReserved(name) }
    this.#topics.add(bytes, start, end, topic)
    return topic
  }

  /** The topic of a subject, or undefined when no topic name can carry it. */
  topicOf(subject: Uint8Array): Uint8Array | undefined {
    let topic = this.#subjects.get(subject, 0, subject.length)
    if (topic === undefined) {
      topic = translate(subject)
      this.#subjects.add(subject, 0, subject.length, topic)
    }
    return topic === UNTRANSLATABLE ? undefined : topic
  }
}

/** Topics are short: a view to copy from would cost more than the copy. */
function copyOf(bytes: Uint8Array, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start)
  for (let at = start; at < end; at++) copy[at - start] = bytes[at] as number
  return copy
}

function translate(subject: Uint8Array): Uint8Array {
  const topic = subjectToTopic(subject)
  if (topic === undefined || topic.length > TOPIC_BYTES_MAX) return UNTRANSLATABLE
  return checkUtf8(topic, 0, topic.length) === undefined ? topic : UNTRANSLATABLE
}

function isReserved(topic: Buffer): boolean {
  if (topic[0] !== 0x24) return false
  const end = topic.indexOf('/')
  if (!RESERVED_LEVELS.has(topic.toString('utf8', 0, end < 0 ? topic.length : end))) return false
  return !BRIDGE_STATE.test(topic.toString())
}
