import type { BridgedTopicsConfig } from '../../shared/config/index.ts'
import { BytesCache, SubjectFilter } from '../../shared/subject/index.ts'
import { checkUtf8, parseShared } from '../codec/index.ts'
import { SUBJECT_BYTES_MAX } from '../limits.ts'
import { beginsWithDollar, filterToSubjects, subjectToTopic, topicToSubject } from '../topic-map.ts'
import { CACHED_TOPIC_BYTES, CACHED_TOPICS_MAX } from './limits.ts'

const NOWHERE = new Uint8Array(0)
const TOPIC_BYTES_MAX = 65_535
/** Replies to requests of this server's clients are nobody's at a broker, unless somebody names them. */
const INBOX = Buffer.from('_INBOX.')
/** First tokens of subjects that are the server's own. */
const SERVER_TOKENS = ['$SYS', '$JS', '$JSC', '$FLEET', '$MQTT'].map((it) => Buffer.from(`${it}.`))

/**
 * One entry of `subscribe` or `publish`: topics at one end, and what they are called at the other. A prefix is
 * whole levels, so that it is taken off and put in front as bytes.
 *
 *     here     <prefix><topic that matches filter>
 *     broker   <remote_prefix><topic that matches filter>
 */
export class BridgedTopics {
  readonly qos: 0 | 1
  /** As the broker is to be asked for it, and what of this server goes out. */
  readonly brokerFilter: string
  /** The subjects to subscribe to here. */
  readonly subjects: readonly string[]
  readonly isShared: boolean
  readonly #prefix: Buffer
  readonly #remotePrefix: Buffer
  readonly #atBroker: Matcher
  readonly #here: Matcher

  constructor({ filter, qos, prefix, remote_prefix }: BridgedTopicsConfig) {
    const shared = parseShared(filter)
    const group = shared === undefined ? '' : `$share/${shared.group}/`
    const plain = shared === undefined ? filter : shared.filter
    this.qos = qos
    this.isShared = shared !== undefined
    this.brokerFilter = `${group}${remote_prefix}${plain}`
    this.#prefix = Buffer.from(prefix)
    this.#remotePrefix = Buffer.from(remote_prefix)
    this.#atBroker = new Matcher(remote_prefix + plain)
    this.#here = new Matcher(prefix + plain)
    this.subjects = this.#here.subjects
  }

  matchesHere(subject: Uint8Array): boolean {
    return this.#here.matches(subject)
  }

  matchesAtBroker(subject: Uint8Array): boolean {
    return this.#atBroker.matches(subject)
  }

  /** The topic here of one of the broker's that matches. */
  toHere(topic: Uint8Array): Uint8Array {
    return exchanged(topic, this.#remotePrefix, this.#prefix)
  }

  toBroker(topic: Uint8Array): Uint8Array {
    return exchanged(topic, this.#prefix, this.#remotePrefix)
  }
}

/** A topic filter over subjects. */
class Matcher {
  readonly subjects: readonly string[]
  readonly #filters: readonly SubjectFilter[]
  readonly #skipsDollar: boolean

  constructor(filter: string) {
    const mapped = filterToSubjects(filter)
    this.subjects = mapped?.subjects ?? []
    this.#filters = this.subjects.map((subject) => new SubjectFilter(subject))
    this.#skipsDollar = mapped?.skipsDollar === true
  }

  matches(subject: Uint8Array): boolean {
    if (this.#skipsDollar && (beginsWithDollar(subject) || beginsWith(subject, INBOX))) return false
    for (const filter of this.#filters) if (filter.matches(subject)) return true
    return false
  }
}

/** The subjects here of what the broker sends: found once per topic, then remembered. */
export class InboundTopics {
  readonly #entries: readonly BridgedTopics[]
  readonly #subjects = new BytesCache<Uint8Array>(CACHED_TOPICS_MAX, CACHED_TOPIC_BYTES)

  constructor(entries: readonly BridgedTopics[]) {
    this.#entries = entries
  }

  /** Of the topic in bytes [start, end); undefined when no entry lets it in, or it would be the server's own. */
  subjectOf(bytes: Uint8Array, start: number, end: number): Uint8Array | undefined {
    let subject = this.#subjects.get(bytes, start, end)
    if (subject === undefined) {
      subject = this.#find(Buffer.from(bytes.subarray(start, end)))
      this.#subjects.add(bytes, start, end, subject)
    }
    return subject === NOWHERE ? undefined : subject
  }

  #find(topic: Buffer): Uint8Array {
    if (checkUtf8(topic, 0, topic.length) !== undefined) return NOWHERE
    const atBroker = topicToSubject(topic)
    if (atBroker === undefined) return NOWHERE
    const entry = this.#entries.find((it) => it.matchesAtBroker(atBroker))
    const subject = entry === undefined ? undefined : topicToSubject(entry.toHere(topic))
    if (subject === undefined || subject.length === 0) return NOWHERE
    if (subject.length > SUBJECT_BYTES_MAX) return NOWHERE
    return isServersOwn(subject) ? NOWHERE : subject
  }
}

/**
 * The topics at the broker of what is published here, as subjects: it is as such that they wait in the queue, so
 * that what waits does not depend on a configuration that may change meanwhile.
 */
export class OutboundTopics {
  readonly #entry: BridgedTopics
  readonly #topics = new BytesCache<Uint8Array>(CACHED_TOPICS_MAX, CACHED_TOPIC_BYTES)

  constructor(entry: BridgedTopics) {
    this.#entry = entry
  }

  /** undefined when no topic can say it. */
  of(subject: Uint8Array): Uint8Array | undefined {
    let found = this.#topics.get(subject, 0, subject.length)
    if (found === undefined) {
      found = this.#find(subject)
      this.#topics.add(subject, 0, subject.length, found)
    }
    return found === NOWHERE ? undefined : found
  }

  #find(subject: Uint8Array): Uint8Array {
    const here = isServersOwn(subject) ? undefined : subjectToTopic(subject)
    if (here === undefined) return NOWHERE
    const topic = this.#entry.toBroker(here)
    if (topic.length === 0 || topic.length > TOPIC_BYTES_MAX) return NOWHERE
    if (checkUtf8(topic, 0, topic.length) !== undefined) return NOWHERE
    return topicToSubject(topic) ?? NOWHERE
  }
}

function isServersOwn(subject: Uint8Array): boolean {
  return beginsWithDollar(subject) && SERVER_TOKENS.some((token) => beginsWith(subject, token))
}

function beginsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  if (bytes.length < prefix.length) return false
  for (let i = 0; i < prefix.length; i++) if (bytes[i] !== prefix[i]) return false
  return true
}

function exchanged(topic: Uint8Array, from: Uint8Array, to: Uint8Array): Uint8Array {
  if (from.length === 0 && to.length === 0) return topic
  // `a/#` matches `a`, which has no slash that belongs to the prefix [MQTT-4.7.1-2].
  if (topic.length < from.length) return to.subarray(0, Math.max(0, to.length - 1))
  return Buffer.concat([to, topic.subarray(from.length)])
}
