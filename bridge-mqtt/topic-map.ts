/**
 * Topics and subjects, byte by byte. A topic's levels become a subject's tokens:
 *
 *     topic level            subject token
 *     (empty)                /
 *     +  (filters only)      *
 *     #  (filters only)      >
 *     *  or  >  alone        /%2A  /%3E
 *     any other: each `.`    //
 *       each byte of 01-20, 7F   /% and two hexadecimal digits
 *       all else             as it is
 *
 * The rows without `/%` are nats-server's mapping; topics that need such an escape are refused there.
 * A level never holds a `/`, so in a token it always begins one of these marks, and every legal topic
 * comes back as it was. A subject born on the NATS side may hold a `/` that means nothing: it is left
 * out, as nats-server does.
 */
const SLASH = 0x2f
const DOT = 0x2e
const STAR = 0x2a
const GREATER = 0x3e
const PLUS = 0x2b
const HASH = 0x23
const PERCENT = 0x25
const SPACE = 0x20
const DELETE = 0x7f
const DOLLAR = 0x24
const HEX = Buffer.from('0123456789ABCDEF')
const ESCAPE_SIZE = 4

/** A topic filter as the subjects to subscribe to. */
export interface FilterSubjects {
  /** `a/#` matches its parent level too, so it takes two [MQTT-4.7.1-2]. */
  readonly subjects: readonly string[]
  /** Begins with a wildcard, so it never matches topics that begin with `$` [MQTT-4.7.2-1]. */
  readonly skipsDollar: boolean
}

/** The subject of a topic name, or undefined when the topic holds a wildcard. */
export function topicToSubject(topic: Uint8Array): Buffer | undefined {
  const plain = plainSubject(topic)
  if (plain !== undefined) return plain
  if (topic.includes(PLUS) || topic.includes(HASH)) return undefined
  const subject = Buffer.allocUnsafe(topic.length * ESCAPE_SIZE + 2)
  return Buffer.from(subject.subarray(0, writeSubject(topic, subject)))
}

/**
 * The topic of a literal subject, or undefined when none can carry it: MQTT forbids `+` and `#` in a
 * topic name, and an empty one.
 */
export function subjectToTopic(subject: Uint8Array): Buffer | undefined {
  const plain = plainTopic(subject)
  if (plain !== undefined) return plain
  const topic = Buffer.allocUnsafe(subject.length)
  let size = 0
  let at = 0
  while (at < subject.length) {
    const byte = subject[at++] ?? 0
    if (byte === PLUS || byte === HASH) return undefined
    if (byte !== SLASH) {
      topic[size++] = byte === DOT ? SLASH : byte
      continue
    }
    const mark = subject[at] ?? 0
    const escaped = mark === PERCENT ? escapedByte(subject, at + 1) : -1
    if (escaped >= 0) {
      topic[size++] = escaped
      at += ESCAPE_SIZE - 1
    } else if (mark === SLASH || mark === DOT) {
      topic[size++] = mark === SLASH ? DOT : SLASH
      at++
    }
  }
  return size === 0 ? undefined : Buffer.from(topic.subarray(0, size))
}

/** The subjects of a topic filter, or undefined when its wildcards are misplaced. */
export function filterToSubjects(filter: string): FilterSubjects | undefined {
  const levels = filter.split('/')
  const tokens: string[] = []
  for (const [i, level] of levels.entries()) {
    if (level === '#') {
      if (i !== levels.length - 1) return undefined
      tokens.push('>')
    } else if (level === '+') {
      tokens.push('*')
    } else {
      const token = topicToSubject(Buffer.from(level))
      if (token === undefined) return undefined
      tokens.push(token.length === 0 ? '/' : token.toString())
    }
  }
  const subject = tokens.join('.')
  const isDeep = tokens.length > 1 && tokens.at(-1) === '>'
  return {
    subjects: isDeep ? [subject, tokens.slice(0, -1).join('.')] : [subject],
    skipsDollar: filter.startsWith('+') || filter.startsWith('#'),
  }
}

/**
 * The queue group of a shared subscription's name, which holds no `/` and no wildcard: a token like that of a
 * topic level, since a blank would end it in the lines that tell other servers of it.
 */
export function shareNameToQueue(name: string): string {
  return topicToSubject(Buffer.from(name))?.toString() ?? ''
}

export function beginsWithDollar(subject: Uint8Array): boolean {
  return subject[0] === DOLLAR
}

/** The subject of a topic in which nothing needs an escape, as in most: byte for byte. */
function plainSubject(topic: Uint8Array): Buffer | undefined {
  const { length } = topic
  const subject = Buffer.allocUnsafe(length)
  let before = SLASH
  for (let at = 0; at < length; at++) {
    const byte = topic[at] as number
    if (byte === SLASH ? before === SLASH : isSpecial(byte)) return undefined
    subject[at] = byte === SLASH ? DOT : byte
    before = byte
  }
  return before === SLASH ? undefined : subject
}

/** The topic of a subject in which nothing is an escape, or must not be in a topic. */
function plainTopic(subject: Uint8Array): Buffer | undefined {
  const { length } = subject
  const topic = Buffer.allocUnsafe(length)
  for (let at = 0; at < length; at++) {
    const byte = subject[at] as number
    if (byte === SLASH || byte === PLUS || byte === HASH) return undefined
    topic[at] = byte === DOT ? SLASH : byte
  }
  return length === 0 ? undefined : topic
}

/** What the rows of the table are about, wherever it stands. */
function isSpecial(byte: number): boolean {
  if (byte > GREATER) return byte === DELETE
  if (byte <= PLUS) return byte <= SPACE || byte === HASH || byte === STAR || byte === PLUS
  return byte === DOT || byte === GREATER
}

function writeSubject(topic: Uint8Array, subject: Uint8Array): number {
  let size = 0
  let levelStart = 0
  for (let at = 0; at < topic.length; at++) {
    const byte = topic[at] ?? 0
    if (byte === SLASH) {
      if (at === levelStart) subject[size++] = SLASH
      subject[size++] = DOT
      levelStart = at + 1
    } else if (byte === DOT) {
      subject[size++] = SLASH
      subject[size++] = SLASH
    } else if (needsEscape(byte, topic, at, levelStart)) {
      size = writeEscape(byte, subject, size)
    } else {
      subject[size++] = byte
    }
  }
  // Nothing after the last separator: one more empty level. A filter's level may be empty as a whole.
  if (levelStart === topic.length && topic.length > 0) subject[size++] = SLASH
  return size
}

function needsEscape(byte: number, topic: Uint8Array, at: number, levelStart: number): boolean {
  if (byte <= SPACE || byte === DELETE) return true
  if (byte !== STAR && byte !== GREATER) return false
  return at === levelStart && (at + 1 === topic.length || topic[at + 1] === SLASH)
}

function writeEscape(byte: number, subject: Uint8Array, size: number): number {
  subject[size++] = SLASH
  subject[size++] = PERCENT
  subject[size++] = HEX[byte >> 4] ?? 0
  subject[size++] = HEX[byte & 15] ?? 0
  return size
}

/** The byte of two hexadecimal digits at `at`, -1 when it is not one that is ever escaped. */
function escapedByte(subject: Uint8Array, at: number): number {
  const high = HEX.indexOf(subject[at] ?? 0)
  const low = HEX.indexOf(subject[at + 1] ?? 0)
  if (high < 0 || low < 0) return -1
  const byte = high * 16 + low
  const isEscaped = byte <= SPACE || byte === DELETE || byte === STAR || byte === GREATER
  return isEscaped && byte !== 0 ? byte : -1
}
