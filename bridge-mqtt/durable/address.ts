import { SubjectFilter } from '../../shared/subject/index.ts'

/**
 * Messages for one session alone lie in the log on `$MQTT.to.<session key>.<subject>`: only that session's
 * cursor matches it.
 */
const PREFIX = '$MQTT.to.'
const OWN = Buffer.from('$MQTT.')

/** What the subjects of such messages begin with. */
export function addressOf(key: string): Uint8Array {
  return Buffer.from(`${PREFIX}${key}.`)
}

export function addresseeFilter(key: string): SubjectFilter {
  return new SubjectFilter(`${PREFIX}${key}.>`)
}

export function addressed(address: Uint8Array, subject: Uint8Array): Uint8Array {
  return Buffer.concat([address, subject])
}

/** The key of the session that a message on this subject is for; undefined: it is for all that match. */
export function addresseeOf(subject: Uint8Array): string | undefined {
  if (!isOwn(subject)) return undefined
  const text = Buffer.from(subject.buffer, subject.byteOffset, subject.length).toString('latin1')
  if (!text.startsWith(PREFIX)) return undefined
  return text.slice(PREFIX.length, text.indexOf('.', PREFIX.length))
}

/** Subjects of the server's own, that no message may bring into the log. */
export function isOwn(subject: Uint8Array): boolean {
  return subject[0] === OWN[0] && OWN.equals(subject.subarray(0, OWN.length))
}
